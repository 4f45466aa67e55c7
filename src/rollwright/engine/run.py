"""A run in progress: what its steps share.

Before: the plan was approved, the lock taken, the journal written.
After: ``finish`` closes the journal.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from rollwright.engine.observe import Observer
from rollwright.engine.progress import Listener
from rollwright.plugins.contracts import Cluster, Lock, StateStore
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.state import RolloutState


def utc_now() -> datetime:
    """Return the present instant; the engine's clock."""
    return datetime.now(UTC)


@dataclass(kw_only=True)
class Run:
    """A run in progress.

    ``stop`` is set when nothing more may be started: a person cancelled, or the lock is lost.
    """

    id: str
    spec: RolloutSpec
    plan: Plan
    state: RolloutState
    lock: Lock
    cluster: Cluster
    store: StateStore
    observer: Observer
    tell: Listener
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    now: Callable[[], datetime] = utc_now


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


async def _stop_after(run: Run, reason: asyncio.Event) -> None:
    await reason.wait()
    run.stop.set()
