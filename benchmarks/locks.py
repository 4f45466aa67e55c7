"""What it costs to exclude others: each lock in turn, alone and with many who wait for it.

Lock and release, again and again, with nobody else there; then many who wait in order of their
arrival for one lock, each of whom gives it back at once: from one's release to the next one's
turn is a hand-over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic, perf_counter, process_time
from typing import Any

from benchmarks import servers
from benchmarks.figures import Measured, Results, Sample, summarize
from benchmarks.goals import Verdict
from benchmarks.rounds import Plan, say
from benchmarks.sandboxes import fresh
from rollwright.errors import SandboxError
from rollwright.etcd import requests
from rollwright.etcd.access import Access
from rollwright.etcd.client import Client
from rollwright.kube import connect
from rollwright.locks.etcd import EtcdLocks
from rollwright.locks.file import FileLocks
from rollwright.locks.lease import LeaseLocks
from rollwright.locks.memory import MemoryLocks
from rollwright.locks.objects import LeaseObjects
from rollwright.plugins.contracts import LockOwner, LockPlugin, LockService
from rollwright.testing.fake import FakeCluster

ALONE, QUEUE = "acquire and release, nobody else there", "hand-over, many wait"
CASES = (ALONE, QUEUE)
WAITERS = 100
SHORT = 25
POLLED = 10
"""Who wait for a Lease, where each look is some tenths of a second away on purpose."""

REPEATS = 20
"""Of acquire and release in a round; they are short."""

GOAL_SECONDS = 0.005
MEMORY = "memory"
_GOAL_OF = "etcd"
_OWNER = LockOwner(id="run-0", actor="ann", operation="rollout", host="host")
_KEY = "queue"
_ARRIVE_SECONDS = 0.02
_ARRIVE_LOOKS = 250

Opened = AbstractAsyncContextManager["Opening"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """An open lock service.

    Attributes:
        calls: What its server has counted so far.
        waiting: How many stand in the queue; ``None`` where who comes stands in it at once.
    """

    locks: LockService
    calls: Callable[[], dict[str, int]] = dict
    waiting: Callable[[], Awaitable[int]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of lock; ``is_polled`` when who waits looks only now and then."""

    name: str
    open: Callable[[], Opened]
    is_polled: bool = False


@dataclass(slots=True, kw_only=True)
class Queue:
    """Who came and who was served, with the instants of each.

    Attributes:
        served: Numbers of those who waited, in the order of their turns.
        taken_at: When each turn began, in that order.
        given_at: When each lock before it was given back.
    """

    served: list[int] = field(default_factory=list)
    taken_at: list[float] = field(default_factory=list)
    given_at: list[float] = field(default_factory=list)

    @property
    def handovers(self) -> list[float]:
        """Seconds from each release to the turn that followed it."""
        return [taken - given for given, taken in zip(self.given_at, self.taken_at, strict=False)]

    @property
    def failure(self) -> str:
        """Why it counts for nothing: somebody was served before their turn."""
        late = [(one, was) for one, was in enumerate(self.served) if one != was]
        return f"out of order: number {late[0][1]} at place {late[0][0]}" if late else ""


def run(plan: Plan, waiters: int) -> Results:
    """Measure every kind of lock that can be had."""
    with ExitStack() as stack:
        kinds = _start_kinds(stack, plan)
        return Results(tuple(asyncio.run(_rounds(plan, kinds, waiters))))


async def _rounds(plan: Plan, kinds: tuple[Kind, ...], waiters: int) -> list[Sample]:
    began_at = monotonic()
    samples: list[Sample] = []
    for number in range(plan.rounds):
        for kind in kinds:
            say(f"locks: round {number + 1} of {plan.rounds}: {kind.name}", began_at)
            async with kind.open() as opening:
                samples += [one async for one in _alone(kind.name, opening, number)]
                if not kind.is_polled or number == 0:
                    count = min(waiters, POLLED) if kind.is_polled else waiters
                    samples += await _queued(kind.name, opening, number, count)
    return samples


async def _alone(name: str, opening: Opening, number: int) -> AsyncIterator[Sample]:
    async with opening.locks.hold("alone", owner=_OWNER, wait=None):
        pass  # a connection, a session, a Lease: once for a process, not for each lock
    before = opening.calls()
    measured = []
    for _ in range(REPEATS):
        began_at, used = perf_counter(), process_time()
        async with opening.locks.hold("alone", owner=_OWNER, wait=None):
            pass
        measured.append((perf_counter() - began_at, process_time() - used))
    sent = servers.difference(opening.calls(), before)
    calls = {word: round(count / REPEATS, 1) for word, count in sent.items()}
    for place, (seconds, used) in enumerate(measured):
        shown = Measured(seconds=seconds, cpu_seconds=used, calls=whole(calls))
        yield Sample(case=ALONE, peer=name, round=number * REPEATS + place, measured=shown)


def whole(calls: dict[str, float]) -> dict[str, int]:
    """Return calls of one acquire and release, without what was sent now and then besides."""
    return {word: round(count) for word, count in calls.items() if round(count)}


async def _queued(name: str, opening: Opening, number: int, count: int) -> list[Sample]:
    used, before = process_time(), opening.calls()
    queue = await serve(opening, count)
    used = process_time() - used
    calls = servers.difference(opening.calls(), before)
    samples = []
    for place, seconds in enumerate(queue.handovers):
        shown = Measured(
            seconds=seconds,
            cpu_seconds=used / count,
            calls={"waiters": count, **calls},
            failure="" if place else queue.failure,
        )
        samples.append(Sample(case=QUEUE, peer=name, round=number * count + place, measured=shown))
    return samples


async def serve(opening: Opening, count: int) -> Queue:
    """Let so many wait for one lock, one after the other, then give it back to the first."""
    queue, locks = Queue(), opening.locks

    async def wait(number: int) -> None:
        async with locks.hold(_KEY, owner=_OWNER, wait=None):
            queue.taken_at.append(perf_counter())
            queue.served.append(number)
            queue.given_at.append(perf_counter())

    async with locks.hold(_KEY, owner=_OWNER, wait=None):
        waiting = []
        for number in range(count):
            waiting.append(asyncio.ensure_future(wait(number)))
            await _arrived(opening, number + 1)  # who comes later stands behind
        queue.given_at.append(perf_counter())
    await asyncio.gather(*waiting)
    return queue


async def _arrived(opening: Opening, count: int) -> None:
    for _ in range(_ARRIVE_LOOKS):
        await asyncio.sleep(_ARRIVE_SECONDS)
        if opening.waiting is None or await opening.waiting() >= count:
            return
    raise RuntimeError(f"locks: number {count} does not get into the queue")


def judge(results: Results) -> Iterator[Verdict]:
    """Yield the goal of a lock that nobody else wants, and of the order of those who wait."""
    seconds = results.seconds(ALONE, _GOAL_OF)
    middle = summary.median if (summary := summarize(seconds.values())) else None
    yield Verdict(
        case="locks",
        who=_GOAL_OF,
        text="acquire and release, on this machine",
        goal=f"<= {GOAL_SECONDS * 1e3:.1f} ms",
        figure="" if middle is None else f"{middle * 1e3:.1f} ms",
        is_reached=None if middle is None else middle <= GOAL_SECONDS,
    )
    for peer in results.peers(QUEUE):
        failures = results.failures(QUEUE, peer)
        yield Verdict(
            case="locks",
            who=peer,
            text=f"{results.calls(QUEUE, peer).get('waiters', 0)} wait: first come, first served",
            goal="in order",
            figure=failures[0] if failures else "in order",
            is_reached=not failures,
        )


def _start_kinds(stack: ExitStack, plan: Plan) -> tuple[Kind, ...]:
    work = plan.work / "locks"
    work.mkdir()
    kept = MemoryLocks()
    found = [
        Kind(name=MEMORY, open=lambda: _bound(kept)),
        Kind(name="file", open=lambda: _file(work / "file")),
    ]
    for name, start in (("lease", _lease), ("etcd", _etcd)):
        try:
            found.append(start(stack, plan, work))
        except (servers.NotHad, SandboxError) as error:
            say(f"locks: {name} is left out: {error}", None)
    return tuple(found)


@asynccontextmanager
async def _file(folder: Path) -> AsyncIterator[Opening]:
    def count() -> int:
        return len(list(folder.glob(f"*/{_KEY}.queue/*")))

    async def waiting() -> int:
        return count()

    async with _bound(FileLocks(path=folder)) as opening:
        yield replace(opening, waiting=waiting)


def _lease(stack: ExitStack, plan: Plan, _work: Path) -> Kind:
    kubeconfig = stack.enter_context(fresh(plan.work, plan.warm_up)).sandbox.kubeconfig

    @asynccontextmanager
    async def opened() -> AsyncIterator[Opening]:
        plugin = LeaseLocks()
        # A second connection: what we look at is not what a lock asks for.
        target, other = [await connect(kubeconfig=kubeconfig, name="benchmark") for _ in range(2)]
        leases = LeaseObjects(other, plugin.namespace)

        async def waiting() -> int:
            lease = await leases.read(_KEY)
            return len(lease.queue) if lease else 0

        locks = plugin.bind(target)
        try:
            yield Opening(locks=locks, calls=lambda: dict(target.calls), waiting=waiting)
        finally:
            await target.close()
            await other.close()

    return Kind(name="lease", open=opened, is_polled=True)


def _etcd(stack: ExitStack, _plan: Plan, work: Path) -> Kind:
    port = stack.enter_context(servers.etcd(work / "etcd"))
    endpoint = f"{servers.HOST}:{port}"
    plugin = EtcdLocks(endpoints=(endpoint,), prefix="/benchmark")

    @asynccontextmanager
    async def opened() -> AsyncIterator[Opening]:
        client = Client(Access(endpoints=(endpoint,)))
        looks = {"Range": 0}

        def calls() -> dict[str, int]:
            return servers.difference(servers.etcd_calls(port), looks)

        async def waiting() -> int:
            looks["Range"] += 1  # ours, not those of a lock
            answer = await client.range(requests.range_below("/benchmark", keys_only=True))
            tickets = [one for one in answer.kvs if f"/locks/{_KEY}/".encode() in one.key]
            return len(tickets) - 1  # the holder's is among them

        try:
            async with _bound(plugin, calls) as opening:
                yield replace(opening, waiting=waiting)
        finally:
            await client.close()

    return Kind(name="etcd", open=opened)


@asynccontextmanager
async def _bound(
    plugin: LockPlugin, calls: Callable[[], dict[str, int]] = dict
) -> AsyncIterator[Opening]:
    # They ask the cluster who it is, and nothing else.
    locks: Any = plugin.bind(FakeCluster(name="benchmark"))
    try:
        yield Opening(locks=locks, calls=calls)
    finally:
        if hasattr(locks, "close"):
            await locks.close()
