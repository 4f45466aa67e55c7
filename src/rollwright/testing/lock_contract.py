"""What every lock must do; see ``contracts`` for how to use it."""

# ruff: noqa: D102
# A test's name says what it asks; a docstring would say it again.

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from rollwright.errors import LockHeld, LockLost
from rollwright.plugins.contracts import Lock, LockOwner, LockRecord, LockService

AN_OWNER = LockOwner(id="run-1", actor="ann", operation="rollout", host="host-1")
ANOTHER = LockOwner(id="run-2", actor="bob", operation="rollback", host="host-2")
AT_ONCE = timedelta()

DeadHolder = Callable[[str], Awaitable[int]]
"""Leaves a key locked by a holder that died without releasing it; returns its token.

It returns when the wall clock says that the lock has expired, if such a lock expires.
"""


class LockContract:
    """What a ``LockService`` must do.

    Override the fixture ``locks``; ``others`` too if there is more to a second client than a
    second call; ``dead_holder`` if a holder can die alone; and ``settle`` if a service acts by a
    clock of its own.
    """

    patience = timedelta(seconds=30)
    """How long a waiter waits where it should succeed."""
    brief = timedelta(milliseconds=50)
    """How long a waiter waits where it should not."""

    @pytest.fixture
    def locks(self) -> LockService:
        """Return a service in which nothing is locked."""
        raise NotImplementedError

    @pytest.fixture
    def others(self, locks: LockService) -> LockService:
        """Return what another program would use for the same locks."""
        return locks

    @pytest.fixture
    def dead_holder(self) -> DeadHolder:
        """Return what leaves a dead holder behind."""
        pytest.skip("holders of this kind die with the service")

    async def settle(self, is_so: Callable[[], bool]) -> None:
        """Let time pass until something is so, at most as long as a holder takes to notice."""
        for _ in range(3000):
            if is_so():
                return
            await asyncio.sleep(0.005)

    @asynccontextmanager
    async def waiting(
        self, locks: LockService, count: int, order: list[int]
    ) -> AsyncIterator[list[asyncio.Task[None]]]:
        """Start waiters one after the other; each notes its number when it has the lock."""

        async def wait(number: int) -> None:
            owner = replace(ANOTHER, id=f"waiter-{number}")
            async with locks.hold("shop", owner=owner, wait=self.patience):
                order.append(number)

        tasks = []
        try:
            for number in range(count):
                tasks.append(asyncio.ensure_future(wait(number)))
                await self.let_wait()
            yield tasks
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def let_wait(self) -> None:
        """Return when a waiter that was just started stands in the queue."""
        await asyncio.sleep(0.05)

    async def test_a_free_lock_is_held_at_once(self, locks: LockService) -> None:
        async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE) as lock:
            lock.check()

            assert (lock.key, lock.lost.is_set()) == ("shop", False)

    async def test_a_held_lock_refuses_others(
        self, locks: LockService, others: LockService
    ) -> None:
        async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE):
            with pytest.raises(LockHeld, match=r"'shop'.*ann.*since \d{4}-.*rollout"):
                async with others.hold("shop", owner=ANOTHER, wait=AT_ONCE):
                    pass

    async def test_a_held_lock_refuses_its_own_owner(self, locks: LockService) -> None:
        async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE):
            with pytest.raises(LockHeld):
                async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE):
                    pass

    async def test_a_released_lock_is_free(self, locks: LockService, others: LockService) -> None:
        async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE):
            pass
        async with others.hold("shop", owner=ANOTHER, wait=AT_ONCE) as lock:
            lock.check()

            assert [record.owner.id for record in await locks.list()] == ["run-2"]

    async def test_a_failure_inside_releases_the_lock(self, locks: LockService) -> None:
        with pytest.raises(ZeroDivisionError):
            async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE):
                raise ZeroDivisionError

        assert await locks.list() == ()

    async def test_a_cancelled_holder_releases_the_lock(self, locks: LockService) -> None:
        has_it = asyncio.Event()

        async def hold() -> None:
            async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE):
                has_it.set()
                await asyncio.Event().wait()

        task = asyncio.ensure_future(hold())
        await has_it.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

        assert await locks.list() == ()

    async def test_tokens_grow_with_every_holder(
        self, locks: LockService, others: LockService
    ) -> None:
        tokens = []
        for service in (locks, others, locks, others):
            async with service.hold("shop", owner=AN_OWNER, wait=AT_ONCE) as lock:
                tokens.append(lock.token)

        assert tokens == sorted(set(tokens))

    async def test_keys_are_apart(self, locks: LockService) -> None:
        keys = ("shop", "shop-2", "shop/2", "shop.2", "SHOP", "..", "ö", "s" * 300, "s" * 299)
        async with AsyncExitStack() as stack:
            for key in keys:
                holding = locks.hold(key, owner=AN_OWNER, wait=AT_ONCE)
                await stack.enter_async_context(holding)

            assert sorted(record.key for record in await locks.list()) == sorted(keys)

    async def test_list_says_who_holds_what(self, locks: LockService, others: LockService) -> None:
        async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE) as lock:
            (record,) = await others.list()

            assert (record.key, record.owner, record.token) == ("shop", AN_OWNER, lock.token)
            assert record.acquired_at.tzinfo is not None

    async def test_list_of_free_locks_is_empty(self, locks: LockService) -> None:
        async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE):
            pass

        assert await locks.list() == ()

    async def test_waiters_are_served_in_the_order_they_came(self, locks: LockService) -> None:
        order: list[int] = []
        async with AsyncExitStack() as stack:
            holding = locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE)
            async with holding:
                tasks = await stack.enter_async_context(self.waiting(locks, 4, order))
            await asyncio.gather(*tasks)

        assert order == [0, 1, 2, 3]

    async def test_never_two_hold_at_once(self, locks: LockService, others: LockService) -> None:
        inside: list[int] = []
        counts: list[int] = []

        async def work(number: int) -> None:
            service = (locks, others)[number % 2]
            async with service.hold("shop", owner=AN_OWNER, wait=None):
                inside.append(number)
                counts.append(len(inside))
                await asyncio.sleep(0.001)
                inside.remove(number)

        await asyncio.gather(*(work(number) for number in range(8)))

        assert counts == [1] * 8

    async def test_a_waiter_gives_up_in_time(self, locks: LockService) -> None:
        async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE):
            with pytest.raises(LockHeld, match="ann"):
                async with locks.hold("shop", owner=ANOTHER, wait=self.brief):
                    pass
        async with locks.hold("shop", owner=ANOTHER, wait=AT_ONCE) as lock:
            lock.check()

            assert [record.token for record in await locks.list()] == [lock.token]

    async def test_a_cancelled_waiter_leaves_nothing(self, locks: LockService) -> None:
        order: list[int] = []
        async with AsyncExitStack() as stack:
            async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE):
                tasks = await stack.enter_async_context(self.waiting(locks, 3, order))
                for task in tasks[:2]:
                    task.cancel()
                await asyncio.gather(*tasks[:2], return_exceptions=True)
            await tasks[2]

        assert (order, await locks.list()) == ([2], ())

    async def test_release_of_a_free_lock_is_none(self, locks: LockService) -> None:
        assert await locks.release("shop", reason="test") is None

    async def test_release_says_whose_lock_it_was(
        self, locks: LockService, others: LockService
    ) -> None:
        async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE) as lock:
            record = await others.release("shop", reason="test")

        assert record
        assert (record.owner, record.token) == (AN_OWNER, lock.token)

    async def test_whoever_lost_a_lock_may_not_write(
        self, locks: LockService, others: LockService
    ) -> None:
        async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE) as lock:
            await others.release("shop", reason="test")
            await self.settle(lambda: _is_lost(lock))

            with pytest.raises(LockLost, match="'shop'"):
                lock.check()
            assert lock.lost.is_set()

    async def test_whoever_lost_a_lock_does_not_release_the_next_ones(
        self, locks: LockService, others: LockService
    ) -> None:
        async with AsyncExitStack() as stack:
            async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE) as lost:
                await others.release("shop", reason="test")
                holding = others.hold("shop", owner=ANOTHER, wait=AT_ONCE)
                lock = await stack.enter_async_context(holding)
            records = await locks.list()

            assert [record.owner.id for record in records] == ["run-2"]
            assert lock.token > lost.token
            lock.check()

    async def test_release_serves_the_next_waiter(self, locks: LockService) -> None:
        order: list[int] = []
        async with (
            locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE),
            self.waiting(locks, 2, order) as tasks,
        ):
            await locks.release("shop", reason="test")
            await asyncio.gather(*tasks)

        assert order == [0, 1]

    async def test_a_dead_holders_lock_is_taken_over(
        self, locks: LockService, dead_holder: DeadHolder
    ) -> None:
        token = await dead_holder("shop")
        async with locks.hold("shop", owner=AN_OWNER, wait=self.patience) as lock:
            lock.check()

            assert lock.token > token

    async def test_a_dead_holders_lock_is_taken_over_by_one_who_would_not_wait(
        self, locks: LockService, dead_holder: DeadHolder
    ) -> None:
        token = await dead_holder("shop")
        async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE) as lock:
            assert lock.token > token

    async def test_whoever_takes_over_learns_whose_lock_it_was(
        self, locks: LockService, dead_holder: DeadHolder
    ) -> None:
        token = await dead_holder("shop")
        async with locks.hold("shop", owner=ANOTHER, wait=self.patience) as lock:
            record = lock.taken_from

            assert record
            assert (record.key, record.token, record.broken) == ("shop", token, "")
            assert record.owner.actor != ANOTHER.actor

    async def test_whoever_follows_a_takeover_took_nothing_over(
        self, locks: LockService, dead_holder: DeadHolder
    ) -> None:
        await dead_holder("shop")
        async with locks.hold("shop", owner=AN_OWNER, wait=self.patience):
            pass
        async with locks.hold("shop", owner=ANOTHER, wait=AT_ONCE) as lock:
            assert lock.taken_from is None

    async def test_a_lock_that_was_given_back_is_taken_from_nobody(
        self, locks: LockService, others: LockService
    ) -> None:
        async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE) as first:
            pass
        async with others.hold("shop", owner=ANOTHER, wait=AT_ONCE) as second:
            assert (first.taken_from, second.taken_from) == (None, None)

    async def test_a_lock_that_a_waiter_was_given_is_taken_from_nobody(
        self, locks: LockService
    ) -> None:
        found: list[LockRecord | None] = []

        async def wait() -> None:
            async with locks.hold("shop", owner=ANOTHER, wait=self.patience) as lock:
                found.append(lock.taken_from)

        async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE):
            task = asyncio.ensure_future(wait())
            await self.let_wait()
        await task

        assert found == [None]

    async def test_whoever_follows_a_release_by_force_learns_whose_it_was_and_why(
        self, locks: LockService, others: LockService
    ) -> None:
        async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE) as broken:
            await others.release("shop", reason="it hangs (eve)")
            async with others.hold("shop", owner=ANOTHER, wait=AT_ONCE) as lock:
                record = lock.taken_from

        assert record
        assert (record.owner, record.token) == (AN_OWNER, broken.token)
        assert record.broken == "it hangs (eve)"

    async def test_only_the_first_after_a_release_by_force_learns_of_it(
        self, locks: LockService, others: LockService
    ) -> None:
        async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE):
            await others.release("shop", reason="it hangs (eve)")
        async with others.hold("shop", owner=ANOTHER, wait=AT_ONCE):
            pass
        async with others.hold("shop", owner=ANOTHER, wait=AT_ONCE) as lock:
            assert lock.taken_from is None


def _is_lost(lock: Lock) -> bool:
    try:
        lock.check()
    except LockLost:
        return True
    return False
