"""What a server does wrong, and what a caller sees of it."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest

from rollwright.errors import ApplyConflict, ClusterError, Unauthorized, Unreachable
from rollwright.kube.auth import Access
from rollwright.kube.credentials import FixedCredentials, Identity
from rollwright.kube.request import other_request
from rollwright.kube.retry import Patience
from rollwright.kube.transport import Transport
from rollwright.plugins.contracts import (
    ApplyRequest,
    DeleteRequest,
    GetRequest,
    ListRequest,
    PatchRequest,
)
from rollwright.rollouts.manifest import ObjectRef
from rollwright.testing.http import End, Reply, dropped, ok, silence, status

WEB = ObjectRef("apps", "Deployment", "shop", "web")
WEB_PATH = "/apis/apps/v1/namespaces/shop/deployments/web"
WEB_BODY: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {"replicas": 1},
}
LIVE: dict[str, Any] = {
    **WEB_BODY,
    "metadata": {**WEB_BODY["metadata"], "uid": "u1", "resourceVersion": "7"},
}
DEPLOYMENTS = "/apis/apps/v1/deployments"
KEY = ObjectRef("", "Secret", "shop", "key")
KEY_PATH = "/api/v1/namespaces/shop/secrets/key"
KEY_BODY = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "key", "namespace": "shop"},
}


def apply_web(**changes):
    return ApplyRequest(ref=WEB, body=WEB_BODY, **changes)


def get_web():
    return GetRequest(ref=WEB, api_version="apps/v1")


def delete_web(uid="u1"):
    return DeleteRequest(ref=WEB, api_version="apps/v1", uid=uid)


# ------------------------------------------------------------------ answers that ask for patience


async def test_retry_after_of_429_is_obeyed_exactly(server, cluster, clock):
    server.on("PATCH", WEB_PATH, status(429, headers={"Retry-After": "3"}), ok(LIVE))

    live = await cluster.apply(apply_web())

    assert (live.uid, clock.pauses) == ("u1", [3.0])


async def test_retry_after_may_be_a_date(server, cluster, clock):
    at = "Wed, 01 Jan 2025 00:16:50 GMT"  # the clock stands at 00:16:40
    server.on("GET", WEB_PATH, status(503, headers={"Retry-After": at}), ok(LIVE))

    await cluster.get(get_web())

    assert clock.pauses == [10.0]


async def test_429_many_times_over_is_bounded_by_the_deadline_only(server, cluster, clock):
    server.on("PATCH", WEB_PATH, status(429, headers={"Retry-After": "1"}))

    with pytest.raises(ClusterError) as caught:
        await cluster.apply(apply_web())

    assert (caught.value.status, caught.value.retryable, len(clock.pauses)) == (429, True, 60)


async def test_an_error_tells_what_the_server_asked_for(server, cluster):
    server.on("PATCH", WEB_PATH, status(429, headers={"Retry-After": "3600"}))

    with pytest.raises(ClusterError) as caught:
        await cluster.apply(apply_web())

    assert caught.value.retry_after_seconds == 3600.0


async def test_429_halves_what_may_be_in_flight(server, cluster):
    server.on("PATCH", WEB_PATH, status(429, headers={"Retry-After": "1"}), ok(LIVE))

    await cluster.apply(apply_web())

    assert cluster._transport.limiter.limit == 16


@pytest.mark.parametrize("code", [500, 502, 503, 504])
async def test_passing_errors_of_an_apply_are_tried_again(server, cluster, code):
    server.on("PATCH", WEB_PATH, status(code, reason="InternalError"), ok(LIVE))

    live = await cluster.apply(apply_web())

    assert (live.uid, cluster.calls["apply"]) == ("u1", 2)


async def test_pauses_of_our_own_choice_double(server, cluster, clock):
    server.on("GET", WEB_PATH, *[status(503)] * 4, ok(LIVE))

    await cluster.get(get_web())

    assert clock.pauses == [0.05, 0.1, 0.2, 0.4]


async def test_attempts_are_bounded(server, connect):
    cluster = connect(patience=Patience(attempts=3))
    server.on("GET", WEB_PATH, status(503, message="not now"))

    with pytest.raises(ClusterError, match="not now"):
        await cluster.get(get_web())

    assert cluster.calls["get"] == 3


async def test_an_apply_that_fits_no_schema_is_not_tried_again(server, cluster):
    server.on("PATCH", WEB_PATH, status(500, message=".spec.replica: field not declared in schema"))

    with pytest.raises(ClusterError) as caught:
        await cluster.apply(apply_web())

    assert (caught.value.retryable, cluster.calls["apply"]) == (False, 1)


@pytest.mark.parametrize(
    "trouble",
    [
        "rpc error: code = Unavailable desc = error reading from server: EOF",
        "etcdserver: leader changed",
        "etcdserver: request timed out",
    ],
)
async def test_a_refusal_that_is_the_trouble_of_the_servers_store_is_asked_again(
    server, cluster, trouble
):
    words = f'Service "web" is invalid: spec.clusterIPs: failed to allocate IP: {trouble}'
    server.on("PATCH", WEB_PATH, status(422, reason="Invalid", message=words), ok(LIVE))

    live = await cluster.apply(apply_web())

    assert (live.uid, cluster.calls["apply"]) == ("u1", 2)


async def test_a_webhook_that_fails_is_left_to_the_caller(server, cluster):
    message = 'Internal error occurred: failed calling webhook "w.example": no endpoints'
    server.on("PATCH", WEB_PATH, status(500, reason="InternalError", message=message))

    with pytest.raises(ClusterError, match="failed calling webhook") as caught:
        await cluster.apply(apply_web())

    assert (caught.value.retryable, cluster.calls["apply"]) == (True, 1)


NAMELESS = {**WEB_BODY, "metadata": {"generateName": "web-", "namespace": "shop"}}


@pytest.mark.parametrize("code", [500, 503])
async def test_a_create_that_leaves_the_name_open_is_not_sent_twice(server, cluster, code):
    server.on("POST", "/apis/apps/v1/namespaces/shop/deployments", status(code))

    with pytest.raises(ClusterError):
        await cluster.create(NAMELESS)

    assert cluster.calls["create"] == 1


async def test_a_create_with_a_name_is_sent_again_and_409_means_it_is_there(server, cluster):
    path = "/apis/apps/v1/namespaces/shop/deployments"
    server.on("POST", path, dropped(), status(409, reason="AlreadyExists"))

    with pytest.raises(ClusterError) as caught:
        await cluster.create(WEB_BODY)

    assert (caught.value.status, cluster.calls["create"]) == (409, 2)


async def test_a_create_is_sent_again_after_429(server, cluster):
    path = "/apis/apps/v1/namespaces/shop/deployments"
    server.on("POST", path, status(429, headers={"Retry-After": "1"}), ok(LIVE))

    await cluster.create(WEB_BODY)

    assert cluster.calls["create"] == 2


# ------------------------------------------------------------------ connections that break


async def test_an_apply_is_sent_again_when_the_connection_broke(server, cluster):
    server.on("PATCH", WEB_PATH, dropped(), ok(LIVE))

    live = await cluster.apply(apply_web())

    assert (live.uid, cluster.calls["apply"]) == ("u1", 2)


@pytest.mark.parametrize("call", ["create", "replace", "patch"])
async def test_what_may_have_been_carried_out_is_not_sent_again(server, cluster, call):
    server.on("POST", "/apis/apps/v1/namespaces/shop/deployments", dropped())
    server.on("PUT", WEB_PATH, dropped())
    server.on("PATCH", WEB_PATH, dropped())
    patch = PatchRequest(ref=WEB, api_version="apps/v1", operations=())
    calls = {
        "create": lambda: cluster.create(NAMELESS),
        "replace": lambda: cluster.replace(WEB_BODY),
        "patch": lambda: cluster.patch(patch),
    }

    with pytest.raises(Unreachable, match="nobody knows whether it was carried out") as caught:
        await calls[call]()

    assert (caught.value.retryable, cluster.calls[call]) == (False, 1)


async def test_a_delete_of_one_uid_is_sent_again_and_404_means_gone(server, cluster):
    gone = status(404, reason="NotFound", details={"name": "web"})
    server.on("DELETE", WEB_PATH, dropped(), gone)

    left = await cluster.delete(delete_web())

    assert (left, cluster.calls["delete"]) == (None, 2)


async def test_a_delete_of_any_uid_is_not_sent_again(server, cluster):
    server.on("DELETE", WEB_PATH, dropped())

    with pytest.raises(Unreachable):
        await cluster.delete(delete_web(uid=""))

    assert cluster.calls["delete"] == 1


async def test_an_answer_torn_in_the_middle_is_asked_for_again(server, cluster):
    server.on("GET", WEB_PATH, Reply(chunks=[b'{"kind":'], end=End.TEAR), ok(LIVE))

    live = await cluster.get(get_web())

    assert live is not None


async def test_no_answer_in_time_is_told(server, cluster, bare):
    server.on("GET", "/slow", silence())
    request = dataclasses.replace(other_request("/slow"), timeout=timedelta(milliseconds=50))
    transport = bare(cluster._transport.access, patience=Patience(attempts=1))

    with pytest.raises(Unreachable, match=r"no answer within 0\.05 s"):
        await transport.send(request)


async def test_no_answer_in_time_halves_what_may_be_in_flight(server, cluster, bare):
    server.on("GET", "/slow", silence())
    request = dataclasses.replace(other_request("/slow"), timeout=timedelta(milliseconds=50))
    transport = bare(cluster._transport.access, patience=Patience(attempts=1))
    with pytest.raises(Unreachable):
        await transport.send(request)

    assert transport.limiter.limit == 16


@pytest.fixture
async def bare() -> AsyncIterator[Callable[..., Transport]]:
    """Make transports of our own, and close them."""
    made: list[Transport] = []

    def make(access: Access, **options) -> Transport:
        made.append(Transport(access, **options))
        return made[-1]

    yield make
    for one in made:
        await one.close()


def access(server: str) -> Access:
    return Access(server=server, credentials=FixedCredentials(Identity()), context="test")


async def test_a_server_that_never_answered_is_given_up_soon(clock, bare):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        transport = bare(access(f"http://127.0.0.1:{taken.getsockname()[1]}"), timing=clock.timing)
        with pytest.raises(Unreachable) as caught:
            await transport.send(other_request("/version"))

    assert transport.calls["other"] == 3
    assert "http://127.0.0.1:" in caught.value.message
    assert "context 'test'" in (caught.value.hint or "")


async def test_a_server_that_answered_before_is_waited_for(server, cluster, clock):
    await cluster.discover()
    await server.__aexit__(None, None, None)

    with pytest.raises(Unreachable):
        await cluster.get(get_web())

    assert cluster.calls["get"] == 9


async def test_a_password_in_a_server_url_is_not_told(bare):
    transport = bare(access("http://me:geheim@127.0.0.1:1"), patience=Patience(attempts=1))

    with pytest.raises(Unreachable) as caught:
        await transport.send(other_request("/version"))

    assert "geheim" not in caught.value.message


async def test_a_name_without_an_address_is_told(clock, bare):
    transport = bare(access("http://nowhere.invalid:1"), timing=clock.timing)

    with pytest.raises(Unreachable, match=r"nowhere\.invalid"):
        await transport.send(other_request("/version"))


# ------------------------------------------------------------------ answers that make no sense


async def test_an_answer_that_is_no_json_is_an_error(server, cluster):
    server.on("GET", WEB_PATH, ok(b'{"metadata": {"name'))

    with pytest.raises(ClusterError, match="the answer cannot be read") as caught:
        await cluster.get(get_web())

    assert caught.value.reason == "UnreadableAnswer"


async def test_a_page_of_a_proxy_is_told_as_text(server, cluster):
    html = b"<html><head><style>x{}</style></head><body><h1>Bad  Gateway</h1></body></html>"
    server.on("PATCH", WEB_PATH, Reply(status=418, body=html))

    with pytest.raises(ClusterError) as caught:
        await cluster.apply(apply_web())

    assert caught.value.message == "Deployment/shop/web: apply refused: HTTP 418: Bad Gateway"
    assert "proxy" in (caught.value.hint or "")


async def test_a_login_page_with_status_200_is_an_error(server, cluster):
    server.on("GET", DEPLOYMENTS, Reply(body=b"<html>Log in</html>"))

    with pytest.raises(ClusterError, match="Log in"):
        await cluster.list(ListRequest(api_version="apps/v1", kind="Deployment"))


async def test_a_redirect_is_not_followed(server, cluster):
    server.on("GET", WEB_PATH, Reply(status=302, headers={"Location": f"{server.url}/else"}))

    with pytest.raises(ClusterError, match="HTTP 302"):
        await cluster.get(get_web())

    assert "/else" not in server.paths()


async def test_a_huge_error_is_cut(server, cluster):
    server.on("PATCH", WEB_PATH, status(422, reason="Invalid", message="no " * 400_000))

    with pytest.raises(ClusterError) as caught:
        await cluster.apply(apply_web())

    assert len(caught.value.message) < 400


async def test_an_endless_error_is_read_to_a_limit(server, cluster):
    server.on("PATCH", WEB_PATH, Reply(status=400, body=b"x" * 3_000_000))

    with pytest.raises(ClusterError, match="HTTP 400: xxx"):
        await cluster.apply(apply_web())


# ------------------------------------------------------------------ refusals


async def test_a_conflict_names_field_and_manager(server, cluster):
    cause = {
        "reason": "FieldManagerConflict",
        "message": 'conflict with "kubectl-edit" using apps/v1',
        "field": ".spec.replicas",
    }
    server.on(
        "PATCH",
        WEB_PATH,
        status(409, reason="Conflict", message="1 conflict", details={"causes": [cause]}),
    )

    with pytest.raises(ApplyConflict) as caught:
        await cluster.apply(apply_web(force=False))

    assert [(one.field, one.message) for one in caught.value.causes] == [
        (".spec.replicas", 'conflict with "kubectl-edit" using apps/v1')
    ]


async def test_another_uid_is_a_conflict(server, cluster):
    cause = {"reason": "FieldValueInvalid", "message": "immutable", "field": "metadata.uid"}
    server.on("PATCH", WEB_PATH, status(422, reason="Invalid", details={"causes": [cause]}))

    with pytest.raises(ClusterError, match="not the object that was planned for") as caught:
        await cluster.apply(apply_web(uid="u0"))

    assert caught.value.status == 409


async def test_writes_at_the_same_moment_are_no_conflict(server, cluster):
    message = "Operation cannot be fulfilled: the object has been modified"
    race = status(409, reason="Conflict", message=message)
    server.on("PATCH", WEB_PATH, race, race, ok(LIVE))

    live = await cluster.apply(apply_web())

    assert (live.uid, cluster.calls["apply"]) == ("u1", 3)


async def test_a_version_that_was_asked_for_is_not_tried_again(server, cluster):
    server.on("PATCH", WEB_PATH, status(409, reason="Conflict", message="modified"))

    with pytest.raises(ClusterError) as caught:
        await cluster.apply(apply_web(resource_version="6"))

    assert (caught.value.status, cluster.calls["apply"]) == (409, 1)


async def test_a_list_of_secrets_that_cannot_be_read_is_not_quoted(server, cluster):
    server.on("GET", "/api/v1/secrets", ok(b"hunter2"))

    with pytest.raises(ClusterError) as caught:
        await cluster.list(ListRequest(api_version="v1", kind="Secret"))

    assert "hunter2" not in caught.value.message


async def test_a_missing_permission_is_hinted_at(server, cluster):
    message = (
        'deployments.apps "web" is forbidden: User "ci" cannot patch resource "deployments"'
        ' in API group "apps" in the namespace "shop"'
    )
    server.on("PATCH", WEB_PATH, status(403, reason="Forbidden", message=message))

    with pytest.raises(ClusterError) as caught:
        await cluster.apply(apply_web())

    assert (
        caught.value.hint == "grant 'ci' the verb 'patch' on deployments.apps in namespace 'shop'"
    )


@pytest.mark.parametrize(
    "answer",
    [
        status(422, reason="Invalid", message='data.a: Invalid value: "hunter2"',
               details={"causes": [{"field": "data.a", "message": 'Invalid value: "hunter2"'}]}),
        status(500, message='expected string, got &value{Value:"hunter2"}'),
        status(403, reason="Forbidden", message='admission webhook denied: "hunter2" is weak'),
        Reply(status=418, body=b"<b>hunter2</b>"),
        ok(b"hunter2"),
    ],
)  # fmt: skip
async def test_no_message_about_a_secret_quotes_it(server, cluster, answer):
    server.on("PATCH", KEY_PATH, answer)

    with pytest.raises(ClusterError) as caught:
        await cluster.apply(ApplyRequest(ref=KEY, body=KEY_BODY))

    assert "hunter2" not in f"{caught.value.message}{caught.value.hint}{caught.value.causes}"


async def test_the_field_of_a_secret_that_is_refused_is_told(server, cluster):
    cause = {
        "reason": "FieldValueForbidden",
        "field": "data",
        "message": "field is immutable when `immutable` is set",
    }
    server.on("PATCH", KEY_PATH, status(422, reason="Invalid", details={"causes": [cause]}))

    with pytest.raises(ClusterError) as caught:
        await cluster.apply(ApplyRequest(ref=KEY, body=KEY_BODY))

    assert caught.value.message == "Secret/shop/key: apply refused: Invalid: (data)"
    assert caught.value.causes[0].message == "field is immutable"


async def test_the_end_of_a_long_cause_is_kept(server, cluster):
    message = f'Invalid value: {{"a": "{"x" * 2000}"}}: field is immutable'
    cause = {"reason": "FieldValueInvalid", "field": "spec.selector", "message": message}
    server.on("PATCH", WEB_PATH, status(422, reason="Invalid", details={"causes": [cause]}))

    with pytest.raises(ClusterError) as caught:
        await cluster.apply(apply_web())

    assert caught.value.causes[0].message.endswith("field is immutable")
    assert len(caught.value.causes[0].message) == 256


async def test_401_is_no_refusal_but_a_question_of_who_we_are(server, cluster):
    server.on("GET", WEB_PATH, status(401, reason="Unauthorized"))

    with pytest.raises(Unauthorized, match="does not know us") as caught:
        await cluster.get(get_web())

    assert (caught.value.retryable, cluster.calls["get"]) == (False, 1)


# ------------------------------------------------------------------ lists


def page(*names: str, token: str = "", version: str = "100") -> dict[str, object]:
    items = [{"metadata": {"name": name, "namespace": "shop", "uid": name}} for name in names]
    return {"metadata": {"resourceVersion": version, "continue": token}, "items": items}


async def test_pages_are_joined(server, cluster):
    server.on("GET", DEPLOYMENTS, ok(page("a", token="t1")))
    server.on("GET", DEPLOYMENTS, ok(page("b")), query={"continue": "t1"})

    objects = await cluster.list(ListRequest(api_version="apps/v1", kind="Deployment"))

    assert [one.ref.name for one in objects] == ["a", "b"]


async def test_a_token_that_expired_starts_the_list_again_without_pages(server, cluster):
    server.on("GET", DEPLOYMENTS, ok(page("a", token="t1")), ok(page("a", "b")))
    server.on("GET", DEPLOYMENTS, status(410, reason="Expired"), query={"continue": "t1"})

    objects = await cluster.list(ListRequest(api_version="apps/v1", kind="Deployment"))

    assert [one.ref.name for one in objects] == ["a", "b"]
    assert "limit" not in server.requests[-1].query


async def test_items_without_kind_get_it(server, cluster):
    server.on("GET", DEPLOYMENTS, ok(page("a")))

    (one,) = await cluster.list(ListRequest(api_version="apps/v1", kind="Deployment"))

    assert (one.body["apiVersion"], one.body["kind"]) == ("apps/v1", "Deployment")


async def test_no_items_may_be_null(server, cluster):
    server.on("GET", DEPLOYMENTS, ok({"metadata": {}, "items": None}))

    assert await cluster.list(ListRequest(api_version="apps/v1", kind="Deployment")) == ()


async def test_metadata_alone_is_an_object_of_its_kind(server, cluster):
    item = {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"name": "a"},
    }
    server.on("GET", DEPLOYMENTS, ok({"metadata": {}, "items": [item]}))

    (one,) = await cluster.list(
        ListRequest(api_version="apps/v1", kind="Deployment", metadata_only=True)
    )

    assert one.body == {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}}


async def test_a_server_on_this_machine_is_not_asked_to_compress(server, cluster):
    server.on("GET", DEPLOYMENTS, ok(page()))

    await cluster.list(ListRequest(api_version="apps/v1", kind="Deployment"))

    assert server.requests[-1].headers["Accept-Encoding"] == "identity"


async def test_a_large_body_is_sent_without_a_warning(server, cluster):
    server.on("PATCH", WEB_PATH, ok(LIVE))
    body = {**WEB_BODY, "data": "x" * 1_200_000}

    await cluster.apply(ApplyRequest(ref=WEB, body=body))

    assert server.requests[-1].json == body


# ------------------------------------------------------------------ deletes


async def test_what_finalizers_keep_is_returned(server, cluster):
    marked = {**LIVE, "metadata": {**LIVE["metadata"], "deletionTimestamp": "2025-01-01T00:00:00Z"}}
    server.on("DELETE", WEB_PATH, ok(marked))

    left = await cluster.delete(delete_web())

    assert left is not None


@pytest.mark.parametrize("answer", [ok({"kind": "Status", "apiVersion": "v1"}), ok(LIVE)])
async def test_what_is_gone_at_once_is_none(server, cluster, answer):
    server.on("DELETE", WEB_PATH, answer)

    assert await cluster.delete(delete_web()) is None


async def test_an_object_whose_kind_is_gone_is_gone(cluster):
    ref = ObjectRef("stable.example.com", "CronTab", "shop", "one")

    left = await cluster.delete(DeleteRequest(ref=ref, api_version="stable.example.com/v1"))

    assert left is None


async def test_a_get_of_what_is_not_there_is_none(server, cluster):
    server.on("GET", WEB_PATH, status(404, reason="NotFound", details={"name": "web"}))

    assert await cluster.get(get_web()) is None


async def test_an_apply_into_a_missing_namespace_is_refused(server, cluster):
    message = 'namespaces "shop" not found'
    missing = status(404, reason="NotFound", message=message, details={"name": "shop"})
    server.on("PATCH", WEB_PATH, missing)

    with pytest.raises(ClusterError, match=message) as caught:
        await cluster.apply(apply_web())

    assert caught.value.reason == "NotFound"


async def test_what_was_sent_is_counted_by_kind(server, cluster):
    server.on("PATCH", WEB_PATH, ok(LIVE))
    await cluster.apply(apply_web(is_dry_run=True))
    await cluster.apply(apply_web())

    calls = {key: count for key, count in cluster.calls.items() if count}

    assert calls == {"discovery": 2, "dry-run": 1, "apply": 1}
    assert orjson.loads(server.requests[-1].body) == WEB_BODY
