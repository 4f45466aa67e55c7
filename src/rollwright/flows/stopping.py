"""A flow run that is cancelled stops after the write in flight, never in the middle of it.

Before: somebody cancelled the flow run. A worker sends SIGTERM to its process; a flow that runs
without a worker is told by nobody, so it looks at its own state.
After: the journal is closed as cancelled, and the flow run ends as Cancelled.

Until the journal is open there is nothing to close: the walk is broken off.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, TypeVar
from uuid import UUID

from prefect import get_client
from prefect.client.schemas.objects import StateType
from prefect.logging import get_run_logger

from rollwright.engine.progress import Listener, Progress, StageBegan
from rollwright.engine.site import Site
from rollwright.flows.flow_runs import current

T = TypeVar("T")

LOOK_SECONDS = 3.0
"""How often a run looks whether it was cancelled."""

_CANCELLED = {StateType.CANCELLING, StateType.CANCELLED}


class Stopped(Exception):
    """The flow run was cancelled before anything was begun."""


@dataclass(kw_only=True)
class _Stop:
    """What a cancel does: until the journal is open it breaks the walk off, then it asks it."""

    site: Site
    task: asyncio.Future[Any]
    listener: Listener
    has_begun: bool = False
    is_asked: bool = False
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    def take(self, progress: Progress) -> None:
        if isinstance(progress, StageBegan) and progress.stage == "begin":
            self.has_begun = True
        self.listener(progress)

    def ask(self, by: str = "the cancellation of its flow run") -> None:
        self.is_asked = True
        self.site.stop.ask(by)
        if not self.has_begun:
            self.task.cancel()


async def until_stopped(site: Site, walking: Awaitable[T]) -> T:
    """Walk; return what comes of it, also when the flow run is cancelled meanwhile.

    Raises:
        Stopped: It was cancelled before anything was begun.
    """
    task = asyncio.ensure_future(walking)
    stop = _Stop(site=site, task=task, listener=site.tell)
    site.tell = stop.take
    looking = asyncio.create_task(_look(current().id, stop))
    try:
        with _on_sigterm(stop):
            return await _ended(task, stop)
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


async def _ended(task: asyncio.Future[T], stop: _Stop) -> T:
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if task.cancelled() and stop.is_asked:
            raise Stopped from None
        if not task.done():  # we are cancelled, not the walk: let it come to an orderly end
            stop.ask()
            await asyncio.wait([task])
        raise


async def _look(flow_run: UUID, stop: _Stop) -> None:
    """Ask Prefect every few seconds whether the flow run is to go on."""
    while not stop.is_asked:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            async with get_client() as client:
                state = (await client.read_flow_run(flow_run)).state
        except Exception as error:  # noqa: BLE001  (a server that is gone stops no rollout)
            get_run_logger().debug("the flow run's state is not known: %s", type(error).__name__)
            continue
        if state is not None and state.type in _CANCELLED:
            stop.ask()


_STOPS: list[_Stop] = []
"""Walks of this process that a SIGTERM stops: a fan-out has many at a time."""


@contextmanager
def _on_sigterm(stop: _Stop) -> Iterator[None]:
    """Let SIGTERM stop the walk in order while inside.

    NB: Prefect's own handler raises in the middle of whatever runs; and it comes back whenever a
    flow run begins inside this one, so each walk puts ours before it again.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _STOPS.append(stop)
    before = signal.signal(signal.SIGTERM, _stop_all)
    try:
        yield
    finally:
        _STOPS.remove(stop)
        if signal.getsignal(signal.SIGTERM) is _stop_all:
            signal.signal(signal.SIGTERM, before)


def _stop_all(_number: int, _frame: FrameType | None) -> None:
    for stop in tuple(_STOPS):
        stop.loop.call_soon_threadsafe(stop.ask, "SIGTERM to the process of its flow run")
