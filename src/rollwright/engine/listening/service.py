"""Listening as a whole: what is declared, the queue, the triggers, until somebody says stop.

Before: ``rollwright listen``, or a program of somebody else, opened a site.
After: every firing became a run; what is pending is noted for whoever listens next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from rollwright.engine.listening.attending import Attending
from rollwright.engine.listening.declared import Declared
from rollwright.engine.listening.dispatch import Dispatcher
from rollwright.engine.listening.listener import Listening
from rollwright.engine.listening.pending import Pending
from rollwright.engine.listening.rereading import Rereading
from rollwright.engine.listening.running import Ended, LocalRunner, Runner
from rollwright.engine.progress import Listener, ignore
from rollwright.engine.site import Site

_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A site that listens.

    Attributes:
        site: The installation; setting its ``stop`` ends runs after the write in flight.
        dispatcher: The queue at work.
        listening: The triggers at work.
        rereading: Sees what people change in the files meanwhile.
    """

    site: Site
    dispatcher: Dispatcher
    listening: Listening
    rereading: Rereading

    @property
    def declared(self) -> Declared:
        """What the site declares."""
        return self.dispatcher.declared

    async def serve(self, stop: asyncio.Event) -> None:
        """Listen and run until ``stop`` is set, or until there is nothing to listen to any more.

        Runs that are at work then come to their end; what is pending stays noted.
        """
        await self.dispatcher.recover()
        ending = asyncio.Event()
        working = asyncio.create_task(self.dispatcher.work(ending))
        watching = asyncio.create_task(self.rereading.watch())
        try:
            await self.listening.listen(stop)
            # Without anything left to listen to it is over when all runs have ended.
            await self._until_idle(stop)
        finally:
            if stop.is_set():
                self.site.stop.set()
            watching.cancel()
            ending.set()
            await asyncio.gather(watching, return_exceptions=True)
            await working

    async def once(self, count: int, stop: asyncio.Event) -> None:
        """Make the runs of what was accepted, and no more: ``count`` of them."""
        ending = asyncio.Event()
        working = asyncio.create_task(self.dispatcher.work(ending))
        try:
            await (self._until_idle(stop) if count else asyncio.sleep(0))
        finally:
            if stop.is_set():
                self.site.stop.set()
            ending.set()
            await working

    async def _until_idle(self, stop: asyncio.Event) -> None:
        while not (stop.is_set() or self.dispatcher.is_idle):  # noqa: ASYNC110  (two things end it)
            await asyncio.sleep(_LOOK_SECONDS)


def make_service(
    site: Site,
    *,
    runner: Runner | None = None,
    listener: Callable[[Pending], Listener] = lambda _pending: ignore,
    ended: Callable[[Pending, Ended, float], None] = lambda *_about: None,
) -> Service:
    """Return the service of a site.

    Args:
        site: The installation.
        runner: Makes the runs; in this process by default.
        listener: Gives whoever hears of a run's progress.
        ended: Called after each run: what was asked for, how it ended, the seconds it took.
    """
    site.courier.is_steady = True  # what is told keeps no run of a service
    rereading = Rereading(site=site)
    declared = rereading.read()
    dispatcher = Dispatcher(
        site=site,
        declared=declared,
        runner=runner or LocalRunner(site, declared.rollouts),
        listener=listener,
        ended=ended,
    )
    listening = Listening(site=site, dispatcher=dispatcher)
    attending = Attending(listening)
    dispatcher.freshen, dispatcher.removed = attending.freshen, attending.removed
    dispatcher.keys, dispatcher.overtaking.revision = listening.keys, listening.revision
    rereading.renew = listening.renew
    listening.all()  # what is wrong with a trigger is known before anything begins
    return Service(site=site, dispatcher=dispatcher, listening=listening, rereading=rereading)
