from __future__ import annotations

from dataclasses import replace

import pytest

from rollwright.errors import InvalidDocument, LockLost, StateConflict
from rollwright.etcd import requests
from rollwright.locks.etcd import EtcdLocks
from rollwright.rollouts.state import RolloutState
from rollwright.stores import etcd_values as values
from rollwright.stores.etcd import EtcdStore
from rollwright.testing.contracts import StoreContract
from rollwright.testing.lock_contract import AN_OWNER, AT_ONCE
from rollwright.testing.store_contract import a_full_state, a_revision, an_entry


@pytest.fixture
def options(etcd):
    return etcd.options()


@pytest.fixture
def store(options, bound):
    return bound(EtcdStore.model_validate(options))


@pytest.fixture
def locks(options, bound):
    return bound(EtcdLocks.model_validate({**options, "ttl": "2s"}))


@pytest.fixture
async def look(client, options):
    """Read all keys of this test."""

    async def look(inside=""):
        answer = await client.range(requests.range_below(options["prefix"], keys_only=True))
        keys = [one.key.decode().split("/", 3)[3] for one in answer.kvs]
        return sorted(key for key in keys if key.startswith(inside))

    return look


def large(rollout="shop", count=20_000):
    return RolloutState(rollout=rollout, inventory=tuple(map(an_entry, range(count))))


class TestEtcdStore(StoreContract):
    @pytest.fixture
    def store(self, options, bound):
        return bound(EtcdStore.model_validate(options))


async def test_five_thousand_objects_come_back_in_chunks(store, look):
    saved = await store.save(large(count=5_000), after="")

    assert await store.load("shop") == saved
    assert len(await look("chunks/")) in {0, 2, 3}


async def test_a_large_state_is_in_values_that_a_request_can_hold(store, client, options):
    await store.save(large(), after="")
    answer = await client.range(requests.range_below(options["prefix"]))

    assert len(answer.kvs) > 2
    assert max(len(one.value) for one in answer.kvs) <= values.CHUNK_BYTES


async def test_a_save_sweeps_the_chunks_of_the_one_before(store, look):
    first = await store.save(large(), after="")
    count = len(await look("chunks/"))
    second = await store.save(replace(first, token=2), after=first.version)

    assert len(await look("chunks/")) == count
    await store.save(replace(second, inventory=()), after=second.version)
    assert await look("chunks/") == []


async def test_a_refused_save_leaves_no_chunks(store, look):
    saved = await store.save(a_full_state(), after="")
    with pytest.raises(StateConflict):
        await store.save(large(), after="")

    assert await look("chunks/") == []
    assert await store.load("shop") == saved


async def test_what_a_crash_left_is_swept(store, client, options, look):
    saved = await store.save(a_full_state(), after="")
    orphan = f"{options['prefix']}/3d0f2b1c-0000-4000-8000-000000000001/chunks/shop/dead/0"
    await client.txn(requests.txn(then=[requests.put(orphan, b"half")]))
    await store.save(saved, after=saved.version)

    assert await look("chunks/") == []


async def test_neighbors_keep_their_keys(store, look):
    one, ten = [await store.save(large(name), after="") for name in ("shop-1", "shop-10")]
    for name in ("shop-1", "shop-10"):
        await store.put_snapshot(name, b"data")
    before = await look()
    await store.delete("shop-1", after=one.version)
    after = await look()

    assert after == [key for key in before if "shop-1/" not in f"{key}/"]
    assert await store.load("shop-10") == ten


async def test_an_older_token_is_refused(store):
    saved = await store.save(RolloutState(rollout="shop", token=7), after="")
    with pytest.raises(StateConflict, match=r"later lock \(7\).*ours is 6"):
        await store.save(replace(saved, token=6), after=saved.version)

    assert await store.load("shop") == saved


async def test_tokens_are_compared_as_numbers(store):
    saved = await store.save(RolloutState(rollout="shop", token=9), after="")
    again = await store.save(replace(saved, token=10), after=saved.version)

    assert (await store.load("shop")).token == again.token == 10


async def test_a_save_under_a_lock_that_was_taken_is_refused(store, locks):
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE) as lock:
        saved = await store.save(RolloutState(rollout="shop", token=lock.token), after="")
        await locks.release("shop", reason="test")
        with pytest.raises(LockLost, match="'shop'"):
            await store.save(replace(saved, extra={"by": "old"}), after=saved.version)

    assert await store.load("shop") == saved


async def test_a_snapshot_leaves_with_its_last_revision(store, look):
    snapshot = await store.put_snapshot("shop", bytes(range(256)) * 4)
    revisions = (a_revision(1, snapshot=snapshot),)
    saved = await store.save(RolloutState(rollout="shop", revisions=revisions), after="")
    await store.save(replace(saved, revisions=()), after=saved.version)

    assert await look("snapshots/") == []


async def test_snapshots_are_compressed(store, client, options):
    await store.put_snapshot("shop", b"the same again and again\n" * 10_000)
    answer = await client.range(requests.range_below(options["prefix"]))

    assert sum(len(one.value) for one in answer.kvs) < 5_000


@pytest.mark.parametrize("value", [b"", b"nonsense", b"0\n{}\n", b'0\n{"digest":"x","kind":"y"}\n'])
async def test_foreign_content_is_named(store, client, options, value):
    key = f"{options['prefix']}/3d0f2b1c-0000-4000-8000-000000000001/states/shop"
    await client.txn(requests.txn(then=[requests.put(key, value)]))

    with pytest.raises(InvalidDocument, match="states/shop"):
        await store.load("shop")


async def test_clusters_do_not_share_states(options, bound):
    one = bound(EtcdStore.model_validate(options))
    other = bound(EtcdStore.model_validate(options), identity="another")
    await one.save(a_full_state(), after="")

    assert (await other.load("shop"), await other.list()) == (None, ())
