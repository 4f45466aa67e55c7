from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from rollwright.errors import LockHeld, LockLost
from rollwright.etcd import requests
from rollwright.locks.etcd import EtcdLocks
from rollwright.testing.lock_contract import AN_OWNER, ANOTHER, AT_ONCE

PATIENCE = timedelta(seconds=30)


@pytest.fixture
def plugin(etcd):
    return EtcdLocks.model_validate(etcd.options(ttl="2s"))


@pytest.fixture
def limit(plugin, bound):
    return bound.keep(plugin.limit("rollouts", 2))


@pytest.fixture
async def stack():
    async with AsyncExitStack() as opened:
        yield opened


def held(limit, key="shop", owner=AN_OWNER, wait=AT_ONCE):
    return limit.hold(key, owner=owner, wait=wait)


async def test_so_many_are_in_at_once(limit, stack):
    for _ in range(2):
        await stack.enter_async_context(held(limit))

    with pytest.raises(
        LockHeld, match=r"'rollouts' of shop: all 2 places.*: rollout by ann, rollout by ann"
    ):
        await stack.enter_async_context(held(limit, owner=ANOTHER))


async def test_keys_of_a_limit_are_apart(limit, stack):
    for key in ("shop-1", "shop-10", "shop-1", "shop-10", "shop"):
        lock = await stack.enter_async_context(held(limit, key))

        lock.check()


async def test_whoever_leaves_makes_room(limit, stack):
    await stack.enter_async_context(held(limit))
    async with held(limit):
        pass
    lock = await stack.enter_async_context(held(limit, owner=ANOTHER))

    lock.check()


@pytest.mark.parametrize("leaver", [0, 1])
async def test_the_first_in_the_queue_is_next_whoever_leaves(limit, stack, leaver):
    order = []

    async def wait(number):
        async with held(limit, wait=PATIENCE):
            order.append(number)
            await asyncio.sleep(0.05)

    inside = [AsyncExitStack(), AsyncExitStack()]
    for one in inside:
        await one.enter_async_context(held(limit))
    tasks = []
    for number in range(5):
        tasks.append(asyncio.ensure_future(wait(number)))
        await asyncio.sleep(0.05)
    await inside[leaver].aclose()
    await asyncio.gather(*tasks)
    await inside[1 - leaver].aclose()

    assert order == [0, 1, 2, 3, 4]


async def test_tokens_grow(limit):
    tokens = []
    for _ in range(3):
        async with held(limit) as place:
            tokens.append(place.token)

    assert tokens == sorted(set(tokens))


async def test_who_gives_up_leaves_nothing(limit, stack, client, plugin):
    for _ in range(2):
        await stack.enter_async_context(held(limit))
    with pytest.raises(LockHeld):
        await stack.enter_async_context(held(limit, wait=timedelta(milliseconds=50)))
    answer = await client.range(requests.range_below(plugin.prefix, keys_only=True))

    assert len(answer.kvs) == 2


async def test_a_place_that_was_taken_is_lost(limit, client, plugin):
    async with held(limit) as place:
        await client.txn(requests.txn(then=[requests.delete_below(plugin.prefix)]))
        await asyncio.wait_for(place.lost.wait(), 5)

        with pytest.raises(LockLost, match="'rollouts'"):
            place.check()


async def test_a_list_names_who_is_in(limit, stack):
    await stack.enter_async_context(held(limit))
    await stack.enter_async_context(held(limit, owner=ANOTHER))

    assert [one.owner for one in await limit.list("shop")] == [AN_OWNER, ANOTHER]
