from __future__ import annotations

import asyncio
import base64
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from rollwright.errors import ClusterError, InvalidDocument, NotFound, StateConflict, Unreachable
from rollwright.rollouts.state import RolloutState
from rollwright.stores.cluster import ClusterStates, ClusterStore
from rollwright.testing.contracts import StoreContract
from rollwright.testing.store_contract import a_full_state, a_revision, an_entry

LARGE = RolloutState(rollout="shop", inventory=tuple(an_entry(number) for number in range(10_000)))
NAMESPACE = "rollwright-system"


class TestClusterStore(StoreContract):
    @pytest.fixture
    def store(self, cluster):
        return ClusterStore().bind(cluster)


@pytest.fixture
def store(cluster):
    return ClusterStore().bind(cluster)


def secrets_in(cluster):
    return {
        name: body for (kind, _, name), body in cluster.shelf.objects.items() if kind == "Secret"
    }


def chunks_in(cluster):
    return sorted(name for name in secrets_in(cluster) if ".chunk." in name)


def failing(number, error):
    """Return a hook that fails from the nth call on."""
    calls: Counter[str] = Counter()

    def fail(verb, *_):
        calls["all"] += verb in {"create", "replace", "delete"}
        if calls["all"] >= number:
            raise error

    return fail


async def test_a_save_is_one_request(cluster, store):
    state = await store.save(a_full_state(), after="")
    first, cluster.requests = cluster.requests, Counter()
    for token in (1, 2):
        state = await store.save(replace(state, token=token), after=state.version)

    assert (first, cluster.requests) == (Counter(create=1), Counter(replace=2))


async def test_a_load_is_one_request(cluster, store):
    await store.save(a_full_state(), after="")
    cluster.requests.clear()
    await store.load("shop")

    assert cluster.requests == Counter(get=1)


async def test_a_run_that_loads_and_saves_twice_is_three_requests(cluster, store):
    await store.save(a_full_state(), after="")
    cluster.requests.clear()
    fresh = ClusterStore().bind(cluster)
    state = await fresh.load("shop")
    assert state
    state = await fresh.save(replace(state, token=1), after=state.version)
    await fresh.save(replace(state, token=2), after=state.version)

    assert cluster.requests == Counter(get=1, replace=2)


async def test_secrets_are_marked_and_of_our_type(cluster, store):
    await store.save(LARGE, after="")
    await store.put_snapshot("shop", b"data")
    bodies = secrets_in(cluster).values()

    assert {body["type"] for body in bodies} == {"rollwright.dev/state"}
    assert {body["metadata"]["labels"]["rollwright.dev/rollout-state"] for body in bodies} == {
        "shop"
    }
    assert not any("rollwright.dev/rollout" in body["metadata"]["labels"] for body in bodies)


async def test_no_secret_is_larger_than_the_server_takes(cluster, store):
    await store.save(LARGE, after="")
    sizes = [
        sum(len(base64.b64decode(value)) for value in body["data"].values())
        for body in secrets_in(cluster).values()
    ]

    assert max(sizes) <= 800 * 1024


async def test_a_missing_namespace_is_made(cluster):
    cluster.namespaces.clear()
    saved = await ClusterStore(namespace="elsewhere").bind(cluster).save(a_full_state(), after="")

    assert saved.version
    assert cluster.namespaces == {"elsewhere"}


async def test_chunks_of_the_last_save_are_all_that_stays(cluster, store):
    state = await store.save(LARGE, after="")
    for token in (1, 2):
        state = await store.save(replace(state, token=token), after=state.version)
    last = len(chunks_in(cluster))
    await store.save(replace(state, inventory=()), after=state.version)

    assert (last, chunks_in(cluster)) == (2, [])


@pytest.mark.parametrize("number", range(1, 6))
@pytest.mark.parametrize("hook", ["before", "after"])
async def test_a_crash_at_any_write_leaves_one_state_or_the_other(cluster, store, number, hook):
    old = await store.save(LARGE, after="")
    crashing = cluster.another()
    setattr(crashing, hook, failing(number, asyncio.CancelledError()))
    new = replace(old, token=7)
    with pytest.raises(asyncio.CancelledError):
        await ClusterStore().bind(crashing).save(new, after=old.version)
    loaded = await ClusterStore().bind(cluster).load("shop")
    assert loaded

    assert replace(loaded, version="") in (replace(old, version=""), replace(new, version=""))


@pytest.mark.parametrize("number", range(1, 6))
async def test_what_a_crash_left_is_swept_by_the_next_save(cluster, store, number):
    old = await store.save(LARGE, after="")
    crashing = cluster.another()
    crashing.after = failing(number, asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await ClusterStore().bind(crashing).save(replace(old, token=7), after=old.version)
    state = await store.load("shop")
    await store.save(replace(state, token=8), after=state.version)

    assert len(chunks_in(cluster)) == 2


async def test_orphans_of_a_small_state_are_swept_within_a_day(cluster):
    now = [datetime(2031, 1, 1, tzinfo=UTC)]
    store = ClusterStates(cluster, NAMESPACE, now=lambda: now[0])
    small = await store.save(RolloutState(rollout="shop"), after="")
    crashing = cluster.another()
    crashing.after = failing(2, asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await ClusterStore().bind(crashing).save(LARGE, after=small.version)
    now[0] += timedelta(days=1, seconds=1)
    await store.save(small, after=small.version)

    assert chunks_in(cluster) == []


async def test_an_unreachable_server_never_costs_chunks_that_may_be_named(cluster, store):
    old = await store.save(LARGE, after="")

    def lose_the_answer(verb, *_):
        if verb == "replace":
            raise Unreachable("connection reset")

    cluster.after = lose_the_answer
    with pytest.raises(Unreachable):
        await store.save(replace(old, token=7), after=old.version)
    cluster.after = lambda *_: None
    loaded = await store.load("shop")

    assert loaded
    assert loaded.token == 7


async def test_a_write_that_was_sent_twice_is_no_conflict(cluster, store):
    old = await store.save(a_full_state(), after="")

    def answer_to_the_second(verb, *_):
        if verb == "replace":
            raise ClusterError("has been modified", status=409)

    cluster.after = answer_to_the_second
    saved = await store.save(replace(old, token=7), after=old.version)

    assert await store.load("shop") == saved


async def test_of_two_large_saves_the_loser_takes_nothing_from_the_winner(cluster, store):
    old = await store.save(LARGE, after="")
    stores = [ClusterStore().bind(cluster.another()) for _ in range(2)]
    results = await asyncio.gather(
        *(
            one.save(replace(old, token=token), after=old.version)
            for token, one in enumerate(stores, 1)
        ),
        return_exceptions=True,
    )
    loaded = await store.load("shop")

    assert sum(isinstance(result, StateConflict) for result in results) == 1
    assert loaded in results
    assert len(chunks_in(cluster)) == 2


async def test_a_load_during_saves_sees_a_whole_state(cluster, store):
    state = await store.save(LARGE, after="")
    reader = ClusterStore().bind(cluster.another())
    tokens = []

    async def read():
        for _ in range(6):
            loaded = await reader.load("shop")
            assert loaded
            tokens.append(loaded.token)

    async def write(state):
        for token in range(1, 4):
            state = await store.save(replace(state, token=token), after=state.version)

    await asyncio.gather(read(), write(state))

    assert all(first <= second for first, second in pairwise(tokens))


async def test_a_missing_chunk_is_damage(cluster, store):
    await store.save(LARGE, after="")
    del cluster.shelf.objects["Secret", NAMESPACE, chunks_in(cluster)[0]]
    with pytest.raises(InvalidDocument, match=r"rollwright\.state\.shop.*missing"):
        await store.load("shop")


def spoil_type(body):
    body["type"] = "Opaque"


def spoil_meta(body):
    body["data"]["meta"] = base64.b64encode(b"{").decode()


def spoil_base64(body):
    body["data"]["state"] = "!"


def spoil_state(body):
    body["data"]["state"] = base64.b64encode(b"not compressed").decode()


def drop_state(body):
    del body["data"]["state"]


def drop_data(body):
    del body["data"]


@pytest.mark.parametrize(
    "spoil", [spoil_type, spoil_meta, spoil_base64, spoil_state, drop_state, drop_data]
)
async def test_what_is_foreign_or_damaged_is_named(cluster, store, spoil):
    await store.save(a_full_state(), after="")
    spoil(cluster.shelf.objects["Secret", NAMESPACE, "rollwright.state.shop"])
    with pytest.raises(InvalidDocument, match=r"Secret/rollwright-system/rollwright\.state\.shop"):
        await store.load("shop")


@pytest.mark.parametrize("call", ["load", "save", "list", "put_snapshot"])
async def test_a_missing_permission_is_named(cluster, store, call):
    def forbid(*_):
        raise ClusterError("secrets is forbidden", status=403, reason="Forbidden")

    cluster.before = forbid
    calls = {
        "load": lambda: store.load("shop"),
        "save": lambda: store.save(a_full_state(), after=""),
        "list": store.list,
        "put_snapshot": lambda: store.put_snapshot("shop", b""),
    }
    with pytest.raises(ClusterError) as caught:
        await calls[call]()

    assert caught.value.status == 403
    assert "on secrets in namespace 'rollwright-system'" in str(caught.value.hint)


async def test_a_namespace_that_may_not_be_made_is_named(cluster, store):
    cluster.namespaces.clear()

    def forbid(_, kind, __):
        if kind == "Namespace":
            raise ClusterError("namespaces is forbidden", status=403)

    cluster.before = forbid
    with pytest.raises(ClusterError) as caught:
        await store.save(a_full_state(), after="")

    assert "kubectl create namespace rollwright-system" in str(caught.value.hint)


async def test_an_unreachable_server_is_unreachable(cluster, store):
    cluster.cut()
    with pytest.raises(Unreachable):
        await store.load("shop")


async def test_a_snapshot_goes_with_the_last_revision_that_named_it(cluster, store):
    ids = [await store.put_snapshot("shop", data) for data in (b"1", b"2")]
    revisions = tuple(a_revision(number, snapshot=one) for number, one in enumerate(ids, 1))
    first = await store.save(RolloutState(rollout="shop", revisions=revisions), after="")
    await store.save(replace(first, revisions=revisions[1:]), after=first.version)

    assert await store.get_snapshot("shop", ids[1]) == b"2"
    with pytest.raises(NotFound):
        await store.get_snapshot("shop", ids[0])


async def test_a_deleted_rollout_leaves_no_secret(cluster, store):
    saved = await store.save(LARGE, after="")
    await store.put_snapshot("shop", bytes(10))
    await store.delete("shop", after=saved.version)

    assert secrets_in(cluster) == {}
