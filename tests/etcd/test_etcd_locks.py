from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from rollwright.errors import LockHeld, LockLost
from rollwright.locks.etcd import EtcdLocks
from rollwright.testing.contracts import LockContract
from rollwright.testing.lock_contract import AN_OWNER, ANOTHER, AT_ONCE


@pytest.fixture
def plugin(etcd):
    return EtcdLocks.model_validate(etcd.options(ttl="2s"))


class TestEtcdLocks(LockContract):
    @pytest.fixture
    def locks(self, plugin, bound):
        return bound(plugin)

    @pytest.fixture
    def others(self, etcd, plugin, bound):
        # Another prefix of options is another connection, as in another process.
        return bound(
            plugin.model_copy(update={"endpoints": (*plugin.endpoints, *plugin.endpoints)})
        )

    @pytest.fixture
    def dead_holder(self, plugin, worker, locks):
        async def die(key):
            holder = await worker("hold", plugin.model_dump(mode="json", by_alias=True), key)
            token = int(await holder.line())
            await holder.end()
            while await locks.list():
                await asyncio.sleep(0.05)
            return token

        return die


async def test_nothing_is_left_behind(plugin, bound, client):
    locks = bound(plugin)
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE):
        with pytest.raises(LockHeld):
            async with locks.hold("shop", owner=ANOTHER, wait=AT_ONCE):
                pass
    await locks.close()

    assert [key.rpartition("/")[2] for key in await keys_of(client, plugin)] == ["epoch"]


async def test_clusters_do_not_share_locks(plugin, bound):
    one, other = bound(plugin), bound(plugin, identity="another")
    async with (
        one.hold("shop", owner=AN_OWNER, wait=AT_ONCE),
        other.hold("shop", owner=ANOTHER, wait=AT_ONCE) as lock,
    ):
        lock.check()

        assert [record.owner for record in await other.list()] == [ANOTHER]


async def test_a_broken_lock_is_lost_at_once(plugin, bound):
    locks = bound(plugin)
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE) as lock:
        await locks.release("shop", reason="it hangs (eve)")
        await asyncio.wait_for(lock.lost.wait(), 5)

        with pytest.raises(LockLost, match="shop"):
            lock.check()


async def test_a_list_says_when_a_lease_ends(plugin, bound):
    locks = bound(plugin)
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE):
        (record,) = await locks.list()

        assert record.expires_at - record.acquired_at <= timedelta(seconds=3)


async def test_similar_keys_do_not_wait_for_one_another(plugin, bound):
    locks = bound(plugin)
    async with (
        locks.hold("shop-1", owner=AN_OWNER, wait=AT_ONCE),
        locks.hold("shop-10", owner=ANOTHER, wait=AT_ONCE) as lock,
    ):
        lock.check()


async def keys_of(client, plugin):
    from rollwright.etcd import requests

    answer = await client.range(requests.range_below(plugin.prefix, keys_only=True))
    return [one.key.decode() for one in answer.kvs]
