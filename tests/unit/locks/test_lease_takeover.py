"""How long a lease whose holder is gone is watched before it is taken over (ST-03, ST-06)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import cycle
from typing import Any

import pytest

from rollwright.errors import ClusterError, LockHeld
from rollwright.locks.lease import LONG_DEAD, LeaseLocks
from rollwright.testing.lock_contract import AN_OWNER, ANOTHER, AT_ONCE

TTL, RENEW = 30, 10
LEASE = ("Lease", "rollwright-system", "rollwright.lock.shop")


@pytest.fixture
def stamped(cluster, clock):
    """A server that stamps every write with a clock of its own, hours away from all others."""
    cluster.stamp = lambda: clock.now() - timedelta(hours=7)
    return cluster


@pytest.fixture
async def start(clock):
    """Start tasks that are ended with the test."""
    tasks = []

    def start(call):
        tasks.append(asyncio.ensure_future(call))
        return tasks[-1]

    yield start
    time = asyncio.ensure_future(clock.run())
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    time.cancel()


async def die(cluster, clock, ago):
    """Leave a lease whose holder died so many seconds ago, right after it had it."""
    client = cluster.another()
    async with LeaseLocks().bind(client, clock=clock).hold("shop", owner=AN_OWNER, wait=None):
        client.cut()
    await clock.move(ago)


async def take(cluster, clock, found, wait=AT_ONCE):
    locks = LeaseLocks().bind(cluster.another(), clock=clock)
    async with locks.hold("shop", owner=ANOTHER, wait=wait) as lock:
        found.append((clock.at, lock))
        await asyncio.Event().wait()


async def wait_for(found, clock, start, call):
    """Return how long it took until the lock was had."""
    began = clock.at
    start(call)
    while not found and clock.at < began + 3 * TTL:
        await clock.move(0.25)
    return found[0][0] - began


@pytest.mark.parametrize("wait", [AT_ONCE, timedelta(minutes=5)])
async def test_a_holder_that_died_long_ago_is_not_watched(stamped, clock, start, wait):
    await die(stamped, clock, ago=LONG_DEAD * TTL + 2)
    found: list[Any] = []

    took = await wait_for(found, clock, start, take(stamped, clock, found, wait))

    assert took < 0.5


@pytest.mark.parametrize("ago", [TTL + 2, 2 * TTL, 10 * TTL])
async def test_a_lease_that_has_ended_is_watched_for_one_renewal(stamped, clock, start, ago):
    await die(stamped, clock, ago)
    found: list[Any] = []

    took = await wait_for(found, clock, start, take(stamped, clock, found))

    assert RENEW < took <= 0.4 * TTL + 1


@pytest.mark.parametrize("ago", [1, 5, 15])
async def test_a_lease_is_taken_over_a_second_after_its_end(stamped, clock, start, ago):
    await die(stamped, clock, ago)
    found: list[Any] = []

    took = await wait_for(found, clock, start, take(stamped, clock, found, timedelta(hours=1)))

    assert TTL - 0.5 <= ago + took <= TTL + 2


async def test_without_stamps_the_whole_time_to_live_is_watched(cluster, clock, start):
    await die(cluster, clock, ago=LONG_DEAD * TTL + 2)
    found: list[Any] = []

    took = await wait_for(found, clock, start, take(cluster, clock, found))

    assert TTL <= took <= TTL + 1


@pytest.mark.parametrize("minutes", [-9, -1, 1, 9])
async def test_servers_that_disagree_about_the_time_do_not_cost_a_holder_its_lock(
    cluster, clock, start, minutes
):
    apart = cycle([timedelta(), timedelta(minutes=minutes)])
    cluster.stamp = lambda: clock.now() + next(apart)
    locks = LeaseLocks().bind(cluster, clock=clock)
    found: list[Any] = []
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE) as lock:
        for _ in range(6):
            start(take(cluster, clock, found, timedelta(hours=1)))
            await clock.move(7)
        await clock.move(3 * TTL)

        lock.check()
        assert found == []


@pytest.mark.parametrize("jump", [timedelta(days=-400), timedelta(days=400)])
async def test_a_holder_with_a_wrong_clock_keeps_its_lock(stamped, clock, start, jump):
    server = clock.now()
    at = clock.at
    stamped.stamp = lambda: server + timedelta(seconds=clock.at - at)
    found: list[Any] = []
    async with (
        LeaseLocks().bind(stamped, clock=clock).hold("shop", owner=AN_OWNER, wait=AT_ONCE) as lock
    ):
        clock.wall = jump
        impatient = start(take(stamped, clock, found))
        await clock.move(2 * TTL)

        assert isinstance(impatient.exception(), LockHeld)
        lock.check()


async def test_a_takeover_names_the_former_holder(stamped, clock, start):
    await die(stamped, clock, ago=LONG_DEAD * TTL + 2)
    found: list[Any] = []
    await wait_for(found, clock, start, take(stamped, clock, found))

    ((_, lock),) = found
    assert (lock.taken_from.owner, lock.token) == (AN_OWNER, lock.taken_from.token + 1)


async def test_a_lost_answer_does_not_hide_whom_a_lock_was_taken_from(stamped, clock, start):
    await die(stamped, clock, ago=LONG_DEAD * TTL + 2)
    client = stamped.another()
    lost: list[str] = []

    def lose(verb, *_):
        holder = stamped.shelf.objects[LEASE]["spec"]["holderIdentity"]
        if verb == "replace" and holder == ANOTHER.id and not lost:
            lost.append(verb)
            raise ClusterError("conflict of a request that was sent twice", status=409)

    client.after = lose
    client.another = lambda: client
    found: list[Any] = []
    await wait_for(found, clock, start, take(client, clock, found))

    ((_, lock),) = found
    assert (lost, lock.taken_from.owner) == (["replace"], AN_OWNER)
