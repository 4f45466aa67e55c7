"""A run in progress: what its steps share.

Before: the plan was approved, the lock taken, the journal written.
After: ``finish`` closes the journal.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from rollwright.engine.progress import Listener
from rollwright.engine.site import Site
from rollwright.engine.waiting.observe import Observer
from rollwright.engine.writing.applyset import Fence
from rollwright.plugins.contracts import Cluster, Lock, StateStore
from rollwright.rollouts.desired import Desired
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.report import Outcome
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.state import RolloutState


def utc_now() -> datetime:
    """Return the present instant, as the machine's wall clock has it."""
    return datetime.now(UTC)


def steady_clock(now: Callable[[], datetime] = utc_now) -> Callable[[], datetime]:
    """Return a clock that agrees with the wall clock now and is never set afterwards.

    Waits and windows are measured by it: a wall clock that is corrected in the middle of a run
    would end them all at once, or make them last for ever.
    """
    began, start = now(), time.monotonic()
    return lambda: began + timedelta(seconds=time.monotonic() - start)


@dataclass(kw_only=True)
class Run:
    """A run in progress.

    ``stop`` is set when nothing more may be started: a person cancelled, the lock is lost, or the
    run takes too long: ``is_overdue``. ``fenced`` is when the fence was last looked at, and for
    which group. ``salt`` is the installation's key, for digests of
    Secrets. ``goes_on_from`` is the interrupted run whose work this one goes on with.
    """

    id: str
    spec: RolloutSpec
    plan: Plan
    state: RolloutState
    lock: Lock
    cluster: Cluster
    store: StateStore
    observer: Observer
    fence: Fence
    tell: Listener
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    now: Callable[[], datetime] = utc_now
    salt: str = field(default="", repr=False)
    site: Site | None = None
    goes_on_from: str = ""
    is_overdue: bool = False
    newer: Desired | None = None
    """What the run makes way for."""
    pausing: int = 0
    """How many steps of it only let time pass."""
    acting: int = 0
    """How many plugins are at work."""
    fenced: tuple[str, datetime] | None = None
    hooks_gone: set[ObjectRef] = field(default_factory=set)
    """What hooks had left, and is there no more."""
    hooks_ended: dict[str, Outcome] = field(default_factory=dict)
    """How the steps of hooks ended."""
    saving: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    @property
    def is_waiting(self) -> bool:
        """Whether nothing is written or acts: something is waited for, or a pause goes on."""
        is_idle = self.observer.is_idle and self.acting == 0
        return is_idle and (self.observer.is_waiting or self.pausing > 0)


@asynccontextmanager
async def stopping(run: Run, *reasons: asyncio.Event) -> AsyncIterator[None]:
    """Stop the run as soon as one of the events is set while inside."""
    if any(reason.is_set() for reason in reasons):
        run.stop.set()
    tasks = [asyncio.create_task(_stop_after(run, reason)) for reason in reasons]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def stopping_in_time(run: Run, limit: timedelta | None) -> AsyncIterator[None]:
    """Stop the run when it has taken longer than it may."""
    task = asyncio.create_task(_overdue_after(run, limit)) if limit else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _overdue_after(run: Run, limit: timedelta) -> None:
    await asyncio.sleep(limit.total_seconds())
    run.is_overdue = True
    run.stop.set()


async def _stop_after(run: Run, reason: asyncio.Event) -> None:
    await reason.wait()
    run.stop.set()
