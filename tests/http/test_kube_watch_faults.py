"""A watch that meets everything a network and a server can do."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing

import orjson
import pytest

from rollwright.errors import ClusterError, Unreachable
from rollwright.kube.retry import Patience
from rollwright.plugins.contracts import ListRequest
from rollwright.testing.http import End, dropped, ok, status, stream

PODS = ListRequest(api_version="v1", kind="Pod", namespace="shop")
PATH = "/api/v1/namespaces/shop/pods"
WATCHED = {"watch": "true"}


def pod(name: str, version: int, uid: str = "", **more: object) -> dict[str, object]:
    metadata = {
        "name": name,
        "namespace": "shop",
        "uid": uid or name,
        "resourceVersion": str(version),
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, **more}


def listed(version: int, *pods: dict[str, object]):
    return ok({"metadata": {"resourceVersion": str(version)}, "items": list(pods)})


def event(kind: str, one: Mapping[str, object]) -> dict[str, object]:
    return {"type": kind, "object": one}


def bookmark(version: int) -> dict[str, object]:
    return event("BOOKMARK", {"kind": "Pod", "metadata": {"resourceVersion": str(version)}})


def gone() -> dict[str, object]:
    return event("ERROR", {"kind": "Status", "apiVersion": "v1", "code": 410, "reason": "Expired"})


async def told(cluster, count: int, request: ListRequest = PODS) -> list[str]:
    """Return the first events as text."""
    texts = []
    async with aclosing(cluster.watch(request)) as events:
        async for one in events:
            name = f" {one.object.ref.name}@{one.object.resource_version}" if one.object else ""
            texts.append(f"{one.type.value}{name}")
            if len(texts) == count:
                return texts
    raise AssertionError(texts)


def versions_asked(server) -> list[str]:
    watches = [one for one in server.requests if "watch" in one.query]
    return [one.query["resourceVersion"] for one in watches]


async def test_what_is_there_comes_first_then_changes(server, cluster):
    server.on("GET", PATH, listed(5, pod("a", 1)))
    changes = [
        event("MODIFIED", pod("a", 6)),
        event("ADDED", pod("b", 7)),
        event("DELETED", pod("a", 8)),
    ]
    server.on("GET", PATH, stream(*changes, end=End.STAY), query=WATCHED)

    texts = await told(cluster, 5)

    assert texts == ["ADDED a@1", "SYNCED", "MODIFIED a@6", "ADDED b@7", "DELETED a@8"]


async def test_a_watch_asks_for_bookmarks_and_an_end(server, cluster):
    server.on("GET", PATH, listed(5))
    server.on("GET", PATH, stream(event("ADDED", pod("a", 6)), end=End.STAY), query=WATCHED)

    await told(cluster, 2)

    assert server.requests[-1].query == {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": "5",
        "timeoutSeconds": "240",
    }


async def test_a_bookmark_moves_the_place_and_tells_nothing(server, cluster):
    server.on("GET", PATH, listed(5))
    first = stream(bookmark(90))
    server.on("GET", PATH, first, stream(event("ADDED", pod("a", 91)), end=End.STAY), query=WATCHED)

    texts = await told(cluster, 2)

    assert (texts, versions_asked(server)) == (["SYNCED", "ADDED a@91"], ["5", "90"])


async def test_a_line_torn_in_the_middle_is_asked_for_again(server, cluster):
    server.on("GET", PATH, listed(5))
    torn = stream(event("ADDED", pod("a", 6)), tail=b'{"type":"ADDED","obj', end=End.TEAR)
    server.on("GET", PATH, torn, stream(event("ADDED", pod("b", 7)), end=End.STAY), query=WATCHED)

    texts = await told(cluster, 3)

    assert (texts[1:], versions_asked(server)) == (["ADDED a@6", "ADDED b@7"], ["5", "6"])


async def test_a_line_in_many_pieces_is_one_line(server, cluster):
    server.on("GET", PATH, listed(5))
    line = orjson.dumps(event("ADDED", pod("a", 6, data="x" * 1_500_000))) + b"\n"
    pieces = [line[at : at + 100_000] for at in range(0, len(line), 100_000)]
    server.on("GET", PATH, stream(*pieces, end=End.STAY), query=WATCHED)

    assert await told(cluster, 2) == ["SYNCED", "ADDED a@6"]


@pytest.mark.parametrize("forgotten", [stream(gone()), status(410, reason="Expired")])
async def test_after_410_only_the_difference_is_told(server, cluster, forgotten):
    first = listed(5, pod("same", 1), pod("changed", 2), pod("gone", 3), pod("anew", 4, uid="old"))
    second = listed(9, pod("same", 1), pod("changed", 8), pod("anew", 9, uid="new"), pod("more", 7))
    server.on("GET", PATH, first, second)
    server.on(
        "GET", PATH, forgotten, stream(event("ADDED", pod("z", 10)), end=End.STAY), query=WATCHED
    )

    texts = await told(cluster, 12)

    assert texts[5:] == [
        "DELETED gone@3",
        "MODIFIED changed@8",
        "DELETED anew@4",
        "ADDED anew@9",
        "ADDED more@7",
        "SYNCED",
        "ADDED z@10",
    ]


async def test_an_event_told_before_is_not_told_again(server, cluster):
    server.on("GET", PATH, listed(5, pod("a", 5)))
    again = [
        event("ADDED", pod("a", 5)),
        event("DELETED", pod("b", 4)),
        event("MODIFIED", pod("a", 6)),
    ]
    server.on("GET", PATH, stream(*again, end=End.STAY), query=WATCHED)

    assert await told(cluster, 3) == ["ADDED a@5", "SYNCED", "MODIFIED a@6"]


async def test_retry_after_is_obeyed_between_streams(server, cluster, clock):
    server.on("GET", PATH, listed(5))
    busy = status(429, headers={"Retry-After": "7"})
    server.on("GET", PATH, busy, stream(event("ADDED", pod("a", 6)), end=End.STAY), query=WATCHED)

    await told(cluster, 2)

    assert clock.pauses == [7.0]


async def test_streams_that_break_at_once_are_asked_for_ever_slower(server, cluster, clock):
    server.on("GET", PATH, listed(5))
    broken = [dropped(), status(503), dropped(), status(500, reason="InternalError")]
    server.on(
        "GET", PATH, *broken, stream(event("ADDED", pod("a", 6)), end=End.STAY), query=WATCHED
    )

    await told(cluster, 2)

    assert clock.pauses == [0.05, 0.1, 0.2, 0.4]


async def test_a_server_that_starts_may_refuse_for_a_moment(server, cluster):
    server.on("GET", PATH, listed(5))
    later = stream(event("ADDED", pod("a", 6)), end=End.STAY)
    server.on("GET", PATH, status(403, reason="Forbidden"), status(401), later, query=WATCHED)

    assert await told(cluster, 2) == ["SYNCED", "ADDED a@6"]


async def test_a_server_that_refuses_for_good_ends_the_watch(server, cluster):
    server.on("GET", PATH, listed(5))
    server.on("GET", PATH, status(403, reason="Forbidden", message="no"), query=WATCHED)

    with pytest.raises(ClusterError) as caught:
        await told(cluster, 2)

    assert (caught.value.status, cluster.calls["watch"]) == (403, 4)


async def test_a_list_that_fails_later_is_outlived(server, connect):
    cluster = connect(patience=Patience(attempts=1))
    server.on("GET", PATH, listed(5), status(503), dropped(), listed(9, pod("a", 9)))
    server.on("GET", PATH, stream(gone()), stream(bookmark(10), end=End.STAY), query=WATCHED)

    assert await told(cluster, 3) == ["SYNCED", "ADDED a@9", "SYNCED"]


async def test_places_forgotten_at_once_are_listed_ever_slower(server, cluster, clock):
    server.on("GET", PATH, listed(5))
    server.on("GET", PATH, stream(gone()), query=WATCHED)

    await told(cluster, 5)

    assert clock.pauses == [0.1, 0.2, 0.4]


async def test_a_token_that_ended_is_renewed(server, connect, tmp_path):
    token = tmp_path / "token"
    token.write_text("old")
    cluster = connect(user={"tokenFile": str(token)})
    server.on("GET", PATH, listed(5))
    later = stream(event("ADDED", pod("a", 6)), end=End.STAY)
    server.on("GET", PATH, status(401), later, query=WATCHED)
    events = cluster.watch(PODS)
    await anext(events)
    token.write_text("new")

    added = await anext(events)

    assert added.object.ref.name == "a"
    assert server.requests[-1].headers["Authorization"] == "Bearer new"

    await events.aclose()


async def test_nonsense_in_a_stream_is_outlived(server, cluster):
    server.on("GET", PATH, listed(5))
    later = stream(event("ADDED", pod("a", 6)), end=End.STAY)
    server.on("GET", PATH, stream(b"<html>\n"), later, query=WATCHED)

    assert await told(cluster, 2) == ["SYNCED", "ADDED a@6"]


async def test_the_first_list_is_not_waited_for_for_ever(server, cluster):
    server.on("GET", PATH, dropped())

    with pytest.raises(Unreachable):
        await told(cluster, 1)


async def test_a_kind_that_is_not_served_is_refused(cluster):
    with pytest.raises(ClusterError) as caught:
        await told(cluster, 1, ListRequest(api_version="example.com/v1", kind="Nothing"))

    assert caught.value.status == 404


async def test_a_kind_that_is_no_longer_served_ends_the_watch(server, cluster):
    server.on("GET", PATH, listed(5))
    server.on("GET", PATH, status(404), query=WATCHED)
    events = cluster.watch(PODS)
    await anext(events)
    server.serves()

    with pytest.raises(ClusterError) as caught:
        await anext(events)

    assert caught.value.reason == "KindNotServed"


async def test_metadata_alone_can_be_watched(server, cluster):
    partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
    one = {
        **partial,
        "metadata": {"name": "a", "namespace": "shop", "resourceVersion": "6", "uid": "a"},
    }
    server.on("GET", PATH, listed(5))
    server.on("GET", PATH, stream(event("ADDED", one), end=End.STAY), query=WATCHED)
    request = ListRequest(api_version="v1", kind="Pod", namespace="shop", metadata_only=True)
    events = cluster.watch(request)
    await anext(events)

    added = await anext(events)

    assert added.object.body["kind"] == "Pod"

    await events.aclose()


async def test_a_closed_watch_closes_its_connection(server, cluster):
    server.on("GET", PATH, listed(5))
    server.on("GET", PATH, stream(event("ADDED", pod("a", 6)), end=End.STAY), query=WATCHED)
    before = cluster._transport.limiter.in_flight

    await told(cluster, 2)

    session = cluster._transport._session
    assert not session.connector._acquired
    assert cluster._transport.limiter.in_flight == before
