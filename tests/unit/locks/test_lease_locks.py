from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from rollwright.errors import ClusterError, InvalidDocument, LockHeld, LockLost, Unreachable
from rollwright.locks.clock import elapsed_seconds
from rollwright.locks.lease import LeaseLocks
from rollwright.testing.contracts import LockContract
from rollwright.testing.lock_contract import AN_OWNER, ANOTHER, AT_ONCE

TTL, RENEW = 30, 10
LEASE = ("Lease", "rollwright-system", "rollwright.lock.shop")


class TestLeaseLocks(LockContract):
    patience = timedelta(hours=1)

    @pytest.fixture
    async def running(self, clock):
        task = asyncio.ensure_future(clock.run())
        yield clock
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    @pytest.fixture
    def locks(self, cluster, running):
        return LeaseLocks().bind(cluster, clock=running)

    @pytest.fixture
    def others(self, cluster, running):
        return LeaseLocks().bind(cluster.another(), clock=running)

    @pytest.fixture
    def dead_holder(self, cluster, running):
        async def die(key):
            token = await die_holding(key, cluster.another(), running)
            await running.sleep(TTL + 1)
            return token

        return die

    async def let_wait(self):
        for _ in range(40):
            await asyncio.sleep(0)


async def die_holding(key, cluster, clock):
    """Hold a lock by a client that no longer reaches the server."""
    async with LeaseLocks().bind(cluster, clock=clock).hold(key, owner=AN_OWNER, wait=None) as lock:
        cluster.cut()
        return lock.token


@pytest.fixture
def locks(cluster, clock):
    return LeaseLocks().bind(cluster, clock=clock)


@pytest.fixture
def others(cluster, clock):
    return LeaseLocks().bind(cluster.another(), clock=clock)


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


async def take(service, log, clock, *, wait=None, owner=ANOTHER):
    """Wait for the lock, note when it came, and keep it."""
    async with service.hold("shop", owner=owner, wait=wait) as lock:
        log.append((owner.id, clock.at))
        lock.check()
        await asyncio.Event().wait()


def lease_of(cluster):
    return cluster.shelf.objects[LEASE]


async def test_a_new_lock_is_two_requests_and_its_release_one(cluster, locks):
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE):
        taken, cluster.requests = cluster.requests, Counter()

    assert (taken, cluster.requests) == (Counter(get=1, create=1), Counter(replace=1))


async def test_a_known_lock_is_two_requests_and_its_release_one(cluster, locks):
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE):
        pass
    cluster.requests.clear()
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE):
        pass

    assert cluster.requests == Counter(get=1, replace=2)


async def test_a_missing_namespace_is_made(cluster, clock):
    locks = LeaseLocks(namespace="elsewhere").bind(cluster, clock=clock)
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE) as lock:
        lock.check()

    assert "elsewhere" in cluster.namespaces


async def test_a_lease_says_who_holds_it_and_why(cluster, locks):
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE) as lock:
        body = lease_of(cluster)
        annotations = body["metadata"]["annotations"]

    assert (body["spec"]["holderIdentity"], body["spec"]["leaseDurationSeconds"]) == ("run-1", TTL)
    assert body["spec"]["renewTime"].endswith("Z")
    assert annotations["rollwright.dev/token"] == str(lock.token)
    assert [annotations[f"rollwright.dev/{key}"] for key in ("actor", "operation", "host")] == [
        "ann",
        "rollout",
        "host-1",
    ]


async def test_a_released_lease_stays_without_a_holder(cluster, locks):
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE) as lock:
        pass
    body = lease_of(cluster)

    assert body["spec"]["holderIdentity"] == ""
    assert body["metadata"]["annotations"]["rollwright.dev/token"] == str(lock.token)


async def test_a_lock_is_renewed_as_long_as_it_is_held(cluster, locks, clock):
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE) as lock:
        cluster.requests.clear()
        await clock.move(10 * RENEW + 1)

        lock.check()
        assert cluster.requests == Counter(replace=10)


async def test_waiters_do_not_cost_the_holder_its_lock(locks, others, clock, start):
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE) as lock:
        for _ in range(20):
            start(take(others, [], clock))
            await clock.move(7)

        lock.check()


@pytest.mark.parametrize("fault", ["cut", "hang"])
async def test_a_lock_is_lost_before_another_can_have_it(
    cluster, locks, others, clock, start, fault
):
    log: list[Any] = []
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE) as lock:
        start(take(others, log, clock))
        await clock.move(3 * RENEW)
        before = lease_of(cluster)["spec"]["renewTime"]
        while lease_of(cluster)["spec"]["renewTime"] == before:
            await clock.move(0.1)
        renewed_at = clock.at
        if fault == "cut":
            cluster.cut()
        cluster.is_hanging = fault == "hang"
        await clock.move(TTL * 5 / 6 - 0.5)
        lock.check()
        await clock.move(0.6)

        assert (lock.lost.is_set(), log) == (True, [])
        await clock.move(TTL)
        cluster.is_hanging = False

    assert log[0][1] - renewed_at <= TTL + 1


async def test_a_lock_that_was_lost_is_never_found_again(cluster, locks, clock):
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE) as lock:
        before = cluster.before
        cluster.cut()
        await clock.move(TTL)
        cluster.before = before
        await clock.move(TTL)

        with pytest.raises(LockLost, match="not renewed in time"):
            lock.check()


async def test_a_passing_failure_costs_nothing(cluster, locks, clock):
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE) as lock:
        before = cluster.before
        cluster.cut()
        await clock.move(RENEW + 8)
        cluster.before = before
        await clock.move(TTL)

        lock.check()


async def test_a_process_that_was_frozen_sees_it_at_its_next_check(locks, clock):
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE) as lock:
        clock.at += TTL  # nothing ran meanwhile

        with pytest.raises(LockLost):
            lock.check()
        assert lock.lost.is_set()


async def test_a_frozen_holder_does_not_disturb_whoever_took_over(locks, others, clock, start):
    log: list[Any] = []
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE) as frozen:
        await clock.move(1)
        clock.sleepers, kept = [], clock.sleepers
        start(take(others, log, clock))
        await clock.move(TTL + 1)
        clock.sleepers = sorted(clock.sleepers + kept)
        await clock.move(RENEW)
    (record,) = await others.list()

    assert (record.owner.id, len(log)) == ("run-2", 1)
    assert record.token > frozen.token


@pytest.mark.parametrize("jump", [timedelta(days=-400), timedelta(hours=1), timedelta(days=400)])
async def test_jumps_of_the_wall_clock_do_not_matter(cluster, locks, others, clock, start, jump):
    log: list[Any] = []
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE) as lock:
        start(take(others, log, clock))
        await clock.move(RENEW / 2)
        clock.wall = jump
        await clock.move(3 * TTL)
        impatient = start(take(others, log, clock, wait=AT_ONCE))
        await clock.move(TTL)

        assert isinstance(impatient.exception(), LockHeld)
        assert log == []
        lock.check()


async def test_the_first_waiter_takes_over_within_the_time_to_live_and_a_second(
    cluster, others, clock, start
):
    log: list[Any] = []
    holding = start(take(LeaseLocks().bind(dead := cluster.another(), clock=clock), [], clock))
    await clock.move(1)
    for number in range(3):
        start(
            take(
                others, log, clock, owner=ANOTHER.__class__(id=f"w{number}", actor="", operation="")
            )
        )
        await clock.move(2)
    await clock.move(20)
    before = cluster.shelf.objects[LEASE]["spec"]["renewTime"]
    dead.cut()
    died_at = clock.at
    await clock.move(TTL + 1)
    holding.cancel()

    assert before
    assert [name for name, _ in log] == ["w0"]
    assert log[0][1] - died_at <= TTL + 1


async def test_a_dead_waiter_delays_the_next_by_seconds(cluster, locks, others, clock, start):
    log: list[Any] = []
    dead = cluster.another()
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE):
        start(take(LeaseLocks().bind(dead, clock=clock), [], clock)).add_done_callback(
            lambda task: task.exception()
        )
        await clock.move(1)
        start(take(others, log, clock))
        await clock.move(1)
        dead.cut()
        await clock.move(1)
    released_at = clock.at
    await clock.move(10)

    assert log
    assert log[0][1] - released_at <= 7


async def test_a_hundred_waiters_are_served_in_order(cluster, locks, clock, start):
    log: list[Any] = []

    async def work(number):
        owner = ANOTHER.__class__(id=f"{number}", actor="", operation="")
        async with locks.hold("shop", owner=owner, wait=None):
            log.append(number)

    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE):
        tasks = []
        for number in range(100):
            tasks.append(start(work(number)))
            await clock.move(0.01)
    cluster.requests.clear()
    while len(log) < 100 and clock.at < 10_000:
        await clock.move(1)
    await asyncio.gather(*tasks)

    assert log == list(range(100))
    assert cluster.requests["replace"] <= 2 * 100 + 20


async def test_a_lost_answer_to_the_acquisition_leaves_nothing(cluster, locks, others):
    def lose(verb, *_):
        if verb == "create":
            raise Unreachable("connection reset")

    cluster.after = lose
    with pytest.raises(Unreachable):
        async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE):
            pass

    assert await others.list() == ()


async def test_a_request_that_was_sent_twice_is_ours(cluster, locks):
    answers: Counter[str] = Counter()

    def answer_to_the_second(verb, *_):
        answers[verb] += 1
        if verb == "create":
            raise ClusterError("already exists", status=409)

    cluster.after = answer_to_the_second
    async with AsyncExitStack() as stack:
        holding = asyncio.ensure_future(
            stack.enter_async_context(locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE))
        )
        while not holding.done():
            await locks._clock.move(0.1)
        holding.result().check()

    assert answers["create"] == 1


@pytest.mark.parametrize("steps", range(1, 12))
async def test_a_cancelled_acquisition_leaves_nothing(locks, others, steps):
    async def hold():
        async with locks.hold("shop", owner=AN_OWNER, wait=None):
            await asyncio.Event().wait()

    task = asyncio.ensure_future(hold())
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert await others.list() == ()


@pytest.mark.parametrize("steps", range(1, 20))
async def test_a_cancelled_waiter_leaves_the_queue(cluster, locks, others, clock, steps):
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE):
        task = asyncio.ensure_future(take(others, [], clock))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

        assert "rollwright.dev/queue" not in lease_of(cluster)["metadata"]["annotations"]


async def test_a_deleted_lease_is_a_lost_lock(cluster, locks, clock):
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE) as lock:
        del cluster.shelf.objects[LEASE]
        await clock.move(RENEW)

        assert lock.lost.is_set()


async def test_tokens_grow_even_when_the_lease_was_deleted(cluster, locks, clock):
    tokens = []
    for _ in range(3):
        async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE) as lock:
            tokens.append(lock.token)
    del cluster.shelf.objects[LEASE]
    await clock.move(60)
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE) as lock:
        assert lock.token > max(tokens)


async def test_a_release_by_force_leaves_a_note(cluster, locks, others):
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE):
        await others.release("shop", reason="it hangs")
        note = lease_of(cluster)["metadata"]["annotations"]["rollwright.dev/broken"]

    assert '"reason":"it hangs"' in note
    assert '"actor":"ann"' in note


async def test_a_server_that_dies_does_not_hide_a_failure_of_the_run(cluster, locks, clock):
    async def run():
        async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE):
            cluster.cut()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await run()


async def test_a_missing_permission_is_named(cluster, locks):
    def forbid(*_):
        raise ClusterError("leases is forbidden", status=403)

    cluster.before = forbid
    calls = (
        locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE).__aenter__,
        locks.list,
        lambda: locks.release("shop", reason=""),
    )
    for call in calls:
        with pytest.raises(ClusterError) as caught:
            await call()

        assert "leases.coordination.k8s.io in namespace" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("place", "value"),
    [("token", "many"), ("token", None), ("lock", None), ("lock", "shop-2"), ("queue", "{")],
)
async def test_a_lease_that_was_changed_by_hand_is_named(cluster, locks, place, value):
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE):
        pass
    annotations = lease_of(cluster)["metadata"]["annotations"]
    annotations.pop(f"rollwright.dev/{place}", None)
    if value is not None:
        annotations[f"rollwright.dev/{place}"] = value
    with pytest.raises(InvalidDocument, match=r"Lease/rollwright-system/rollwright\.lock\.shop"):
        async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE):
            pass


@pytest.mark.parametrize(
    ("text", "seconds"), [("15s", 15), ("1m", 60), ("1m30s", 90), ("1h", 3600)]
)
def test_durations_are_read_as_people_write_them(text, seconds):
    assert LeaseLocks.model_validate({"ttl": text, "renewEvery": "5s"}).ttl == timedelta(
        seconds=seconds
    )


@pytest.mark.parametrize(
    "options",
    [
        {"ttl": "1.5s"},
        {"ttl": "1500ms", "renewEvery": "100ms"},
        {"ttl": "0s", "renewEvery": "0s"},
        {"ttl": "30s", "renewEvery": "11s"},
        {"ttl": "soon"},
        {"namespace": "Not A Name"},
        {"timeToLive": "30s"},
    ],
)
def test_options_that_cannot_work_are_refused(options):
    with pytest.raises(ValidationError):
        LeaseLocks.model_validate(options)


def test_the_clock_of_the_machine_does_not_go_back():
    assert elapsed_seconds() <= elapsed_seconds()
