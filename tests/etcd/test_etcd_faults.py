from __future__ import annotations

import asyncio
import runpy
import signal
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from rollwright.errors import LockLost, RolloutError, Unreachable
from rollwright.etcd import requests
from rollwright.etcd.access import Access
from rollwright.etcd.client import Client
from rollwright.etcd.session import Session
from rollwright.etcd.shim import rpc
from rollwright.etcd.watch import Compacted, Watch
from rollwright.locks.etcd import EtcdLocks
from rollwright.rollouts.state import RolloutState
from rollwright.stores.etcd import EtcdStore
from rollwright.testing.lock_contract import AN_OWNER, ANOTHER, AT_ONCE

HEAVY = runpy.run_path(str(Path(__file__).parent / "conftest.py"))["HEAVY"]
PATIENCE = timedelta(seconds=30)
TTL_SECONDS = 3


def locks_of(etcd, ttl=f"{TTL_SECONDS}s", **more):
    return EtcdLocks.model_validate(etcd.options(ttl=ttl, **more))


def plain(plugin):
    return plugin.model_dump(mode="json", by_alias=True)


async def test_after_a_kill_the_next_is_in_within_the_lease_and_a_second(etcd, worker, bound):
    plugin = locks_of(etcd)
    locks = bound(plugin)
    holder = await worker("hold", plain(plugin), "shop")
    token = int(await holder.line())
    holder.send(signal.SIGKILL)
    wait = timedelta(seconds=TTL_SECONDS + 1)
    async with locks.hold("shop", owner=ANOTHER, wait=wait) as lock:
        assert lock.token > token
        assert lock.taken_from.owner.actor == "zoe"


async def test_a_frozen_holder_is_told_when_it_wakes(etcd, worker, bound):
    plugin = locks_of(etcd, ttl="2s")
    holder = await worker("hold", plain(plugin), "shop")
    await holder.line()
    holder.send(signal.SIGSTOP)
    async with bound(plugin).hold("shop", owner=ANOTHER, wait=PATIENCE) as lock:
        holder.send(signal.SIGCONT)
        await holder.say()

        assert (await holder.line()).startswith("LockLost lock 'shop' is lost")
        lock.check()


async def test_the_write_of_a_frozen_holder_is_refused_by_the_store(etcd, worker, bound):
    plugin = locks_of(etcd, ttl="2s")
    store = bound(EtcdStore.model_validate({**etcd.options(), "prefix": plugin.prefix}))
    holder = await worker("write", plain(plugin), "shop")
    token = int(await holder.line())
    saved = await store.load("shop")
    holder.send(signal.SIGSTOP)
    async with bound(plugin).hold("shop", owner=ANOTHER, wait=PATIENCE) as lock:
        holder.send(signal.SIGCONT)
        await holder.say()

        assert (await holder.line()).startswith("LockLost lock 'shop' is lost: its ticket is gone")
        assert lock.token > token
        assert await store.load("shop") == saved


async def test_a_frozen_etcd_stops_the_holder_before_its_lease_can_be_gone(own_etcd, bound):
    etcd = own_etcd()
    seconds = 12 if HEAVY else 5
    locks = bound(locks_of(etcd, ttl=f"{seconds}s"))
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE) as lock:
        etcd.members[0].send(signal.SIGSTOP)
        try:
            await asyncio.wait_for(lock.lost.wait(), seconds)  # renewed now, it would last so long
            with pytest.raises(LockLost, match="not renewed in time"):
                lock.check()
        finally:
            etcd.members[0].send(signal.SIGCONT)
    async with locks.hold("shop", owner=ANOTHER, wait=PATIENCE) as following:
        assert following.token > lock.token


@pytest.mark.skipif(not HEAVY, reason="takes as long as the patience of a client")
async def test_a_wish_that_etcd_did_not_answer_blocks_nobody(own_etcd, bound):
    etcd = own_etcd()
    plugin = locks_of(etcd, ttl="60s")
    one, other = bound(plugin), bound(plugin.model_copy(update={"ttl": timedelta(seconds=61)}))
    for service in (one, other):
        async with service.hold("warm-up", owner=AN_OWNER, wait=AT_ONCE):
            pass
    etcd.members[0].send(signal.SIGSTOP)
    with pytest.raises(Unreachable, match=etcd.endpoints[0]):
        async with one.hold("shop", owner=AN_OWNER, wait=AT_ONCE):
            pass
    etcd.members[0].send(signal.SIGCONT)
    async with other.hold("shop", owner=ANOTHER, wait=PATIENCE) as lock:
        lock.check()


@pytest.mark.parametrize("victim", ["any", "leader"] if HEAVY else ["leader"])
async def test_the_end_of_one_member_of_three_is_no_error(own_etcd, bound, victim):
    etcd = own_etcd(count=3)
    plugin = locks_of(etcd, ttl="5s")
    locks = bound(plugin)
    store = bound(EtcdStore.model_validate({**etcd.options(), "prefix": plugin.prefix}))
    done = []

    async def work(number):
        name = f"shop-{number}"
        for _ in range(12):
            async with locks.hold(name, owner=AN_OWNER, wait=PATIENCE) as lock:
                state = await store.load(name) or RolloutState(rollout=name)
                await store.save(replace(state, token=lock.token), after=state.version)
                lock.check()
                done.append(number)
                await asyncio.sleep(0.05)

    async with locks.hold("throughout", owner=AN_OWNER, wait=AT_ONCE) as lock:
        tasks = [asyncio.ensure_future(work(number)) for number in range(3)]
        while len(done) < 6:
            await asyncio.sleep(0.01)
        number = await leader_of(etcd) if victim == "leader" else 0
        etcd.members[number].kill()
        await asyncio.gather(*tasks)

        assert len(done) == 36
        lock.check()


async def leader_of(etcd):
    for number, endpoint in enumerate(etcd.endpoints):
        one = Client(Access(endpoints=(endpoint,)))
        status = await one.call("Maintenance", "Status", rpc().StatusRequest())
        await one.close()
        if status.leader == status.header.member_id:
            return number
    raise AssertionError("no leader")


async def test_waiters_outlive_a_restart(own_etcd, bound):
    etcd = own_etcd()
    locks = bound(locks_of(etcd, ttl="20s"))
    order = []

    async def wait(number):
        async with locks.hold("shop", owner=ANOTHER, wait=PATIENCE):
            order.append(number)

    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE) as lock:
        tasks = []
        for number in range(3):
            tasks.append(asyncio.ensure_future(wait(number)))
            await asyncio.sleep(0.05)
        etcd.members[0].kill()
        etcd.start()
        lock.check()
    await asyncio.gather(*tasks)

    assert order == [0, 1, 2]


async def test_a_watch_goes_on_after_a_restart_and_misses_nothing(own_etcd):
    etcd = own_etcd()
    client, other = etcd.client(), etcd.client()
    first = await write(client, "/t/a")
    seen = []

    async def watch():
        watch = Watch(client=client, keys=("/t/a",), since=first, only_deletes=False)
        async for event in watch.events():
            seen.append(event.revision)
            if len(seen) == 4:
                return

    task = asyncio.ensure_future(watch())
    wanted = [first, await write(other, "/t/a")]
    while len(seen) < 2:
        await asyncio.sleep(0.01)
    etcd.members[0].kill()
    etcd.start()
    wanted += [await write(other, "/t/a"), await write(other, "/t/a")]
    await asyncio.wait_for(task, 20)
    await asyncio.gather(client.close(), other.close())

    assert seen == wanted


async def write(client, key):
    return (await client.txn(requests.txn(then=[requests.put(key, b"x")]))).revision


async def test_a_watch_says_when_its_past_is_forgotten(etcd, client):
    first = await write(client, "/compacted/a")
    last = await write(client, "/compacted/a")
    with suppress(RolloutError):
        await client.call("KV", "Compact", rpc().CompactionRequest(revision=last))

    with pytest.raises(Compacted):
        async for _ in Watch(client=client, keys=("/compacted/a",), since=first).events():
            pass


async def test_a_waiter_outlives_a_compaction(own_etcd, bound):
    etcd = own_etcd()
    locks, client = bound(locks_of(etcd, ttl="20s")), etcd.client()
    entered = asyncio.Event()

    async def wait():
        async with locks.hold("shop", owner=ANOTHER, wait=PATIENCE):
            entered.set()

    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE) as lock:
        task = asyncio.ensure_future(wait())
        await asyncio.sleep(0.2)
        etcd.members[0].kill()
        etcd.start()
        for _ in range(5):
            last = await write(client, "/other")
        await client.call("KV", "Compact", rpc().CompactionRequest(revision=last))
        lock.check()
    await asyncio.wait_for(task, 20)
    await client.close()

    assert entered.is_set()


async def test_a_session_that_is_retired_ends_when_nobody_uses_it(etcd, client):
    session = await Session.open(client, 5)
    with session.used():
        session.retire()
        before = await leases_of(client)
    await session.close()

    assert session.lease in before
    assert session.lease not in await leases_of(client)


async def leases_of(client):
    answer = await client.call("Lease", "LeaseLeases", rpc().LeaseLeasesRequest())
    return {one.ID for one in answer.leases}


async def test_a_lease_that_was_taken_away_is_lost(etcd, client):
    session = await Session.open(client, 2)
    await client.call("Lease", "LeaseRevoke", rpc().LeaseRevokeRequest(ID=session.lease))
    await asyncio.wait_for(session.lost.wait(), 10)
    await session.close()

    assert (session.why_lost, session.check()) == ("its lease has ended", False)


async def test_after_a_lost_session_there_is_a_new_one(etcd, bound, client):
    locks = bound(locks_of(etcd, ttl="2s"))
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE) as lock:
        for lease in await leases_of(client):
            with suppress(RolloutError):
                await client.call("Lease", "LeaseRevoke", rpc().LeaseRevokeRequest(ID=lease))
        await asyncio.wait_for(lock.lost.wait(), 10)
    async with locks.hold("shop", owner=AN_OWNER, wait=PATIENCE) as following:
        following.check()

        assert following.token > lock.token
