"""A run that brings nothing new waits behind the one at work, in whichever process that is (TR-10).

Before: it is the turn of a firing, and perhaps another process carries the same rollout out.
After: that run has ended, or there is something new; then it makes way, as soon as it only waits.

Whoever begins moves the desired revision, and a run at work makes way for that. So nobody begins
who only wants another look at what is being carried out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from rollwright.engine.inputs.fetching import resolve_source
from rollwright.engine.listening.pending import Pending, overtaken
from rollwright.engine.progress import Note
from rollwright.engine.site import Site
from rollwright.errors import RolloutError
from rollwright.rollouts.spec import RolloutSpec

LOOK_SECONDS = 2.0
"""How often it is looked whether the run at work has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """One run and its place behind another one.

    Attributes:
        site: The site, for this rollout.
        spec: The instance.
        pending: What is asked for.
        idle: Told whether the run only waits.
        by_person: Kinds of firings by a person.
    """

    site: Site
    spec: RolloutSpec
    pending: Pending
    idle: Callable[[bool], None]
    by_person: Collection[str] = ()

    async def wait(self) -> str:
        """Wait; return why no run is needed any more, in words, and empty if one is.

        Raises:
            RolloutError: The locks or the store do not answer.
        """
        is_asked = False
        if self._names_news() or not await self._at_work():
            return ""
        with self._resting():
            self.site.tell(Note(f"waiting for the run of {self.spec.name} that is at work"))
            while await self._at_work():
                # Once is enough: what moves later is somebody else's news.
                if not is_asked and (planned := await self._planned_from()):
                    is_asked = True
                    if await self._is_news(planned):
                        return ""
                if words := await self._not_needed():
                    return words
        return ""

    def _names_news(self) -> bool:
        """Whether it says itself what is new; what a person asks for is what is there anyway."""
        firing = self.pending.firing
        has_mark = bool(firing.mark) and self.pending.kind not in self.by_person
        return bool(firing.revision) or has_mark or firing.is_gone

    @contextmanager
    def _resting(self) -> Iterator[None]:
        self.idle(True)  # noqa: FBT003  (a switch is told)
        try:
            yield
        finally:
            self.idle(False)  # noqa: FBT003  (as above)

    async def _not_needed(self) -> str:
        """Wait a little; return why no run is needed any more, in words."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.site.stop.wait(), LOOK_SECONDS)
        if self.site.stop.is_set():
            return "cancelled while it waited for the run at work"
        return await overtaken(self.site, self.pending)

    async def _at_work(self) -> bool:
        records = await (await self.site.locks(self.spec)).list()
        now = datetime.now(UTC)
        alive = (one for one in records if one.expires_at is None or one.expires_at > now)
        return any(one.key == self.spec.name for one in alive)

    async def _planned_from(self) -> str:
        """Return the revision that the run at work made its plan of; empty before it has one."""
        state = await (await self.site.store(self.spec)).load(self.spec.name)
        journal = state.journal if state else None
        return journal.source if journal else ""

    async def _is_news(self, planned: str) -> bool:
        try:
            return await resolve_source(self.site, self.spec) != planned
        except (RolloutError, OSError):
            return False  # it is asked again when that run has ended
