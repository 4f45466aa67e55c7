"""A run that only waits makes way for something that is really new (TR-10).

Before: a firing was noted while a run of the same instance waits for health or for a person.
After: the run sees that it is overtaken, and ends; a write is never cut off.

A firing that names no revision, such as that of a clock, is new if the source has moved since
the run at work made its plan.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from rollwright.engine.custody.desired import move_desired
from rollwright.engine.listening.pending import Pending
from rollwright.engine.listening.running import trigger_of
from rollwright.engine.operations import named_spec
from rollwright.engine.progress import Listener, Note, Planned, Progress, both
from rollwright.engine.site import Site
from rollwright.errors import RolloutError
from rollwright.plugins.contracts import Firing


async def _unknown(_rollout: str) -> str:
    return ""


@dataclass(slots=True)
class _AtWork:
    pending: Pending
    source: str = ""
    is_idle: bool = False
    newer: Pending | None = None


@dataclass(kw_only=True)
class Overtaking:
    """The runs at work, and what came since they began.

    Attributes:
        site: Whose notes say what is desired.
        revision: Asks the source of a rollout for its present revision.
    """

    site: Site
    revision: Callable[[str], Awaitable[str]] = field(default=_unknown)
    _at_work: dict[str, _AtWork] = field(default_factory=dict)
    _looks: set[asyncio.Task[None]] = field(default_factory=set)

    def began(self, pending: Pending, listener: Listener) -> Listener:
        """Take note of a run; return whoever hears of its progress."""
        run = self._at_work[pending.instance] = _AtWork(pending)

        def hear(progress: Progress) -> None:
            if isinstance(progress, Planned) and progress.plan.rollback is None:
                run.source = progress.plan.source

        return both(listener, hear)

    def ended(self, instance: str) -> None:
        """Forget a run."""
        self._at_work.pop(instance, None)

    def turn(self, instance: str, is_idle: bool) -> None:  # noqa: FBT001  (a switch is told)
        """Take note of a run that begins or ceases to only wait."""
        run = self._at_work.get(instance)
        if run is not None:
            run.is_idle = is_idle
            self._look_at(run)

    async def by(self, newer: Pending) -> None:
        """Let the run at work of the same instance make way, if something is new."""
        run = self._at_work.get(newer.instance)
        if run is None:
            return
        if _is_news(newer.firing, run.pending.firing):
            await self._move(newer)
        elif not newer.firing.revision:
            run.newer = newer
            self._look_at(run)

    def _look_at(self, run: _AtWork) -> None:
        """Ask the source beside whoever waits for an answer; a run that works goes on anyway."""
        if run.newer is None or not run.is_idle or not run.source:
            return
        newer, run.newer = run.newer, None
        task = asyncio.create_task(self._ask_for(newer, run))
        self._looks.add(task)
        task.add_done_callback(self._looks.discard)

    async def _ask_for(self, newer: Pending, run: _AtWork) -> None:
        try:
            revision = await self.revision(newer.rollout)
        except (RolloutError, OSError):
            return  # it is asked when the run has ended
        is_at_work = self._at_work.get(newer.instance) is run
        if is_at_work and revision and revision != run.source:
            await self._move(newer)

    async def _move(self, newer: Pending) -> None:
        try:
            spec = named_spec(newer.instance, newer.cluster)
            await move_desired(self.site, spec, trigger_of(newer))
        except RolloutError as error:
            self.site.tell(Note(f"{newer.instance}: goes on waiting: {error.message}"))


def _is_news(newer: Firing, at_work: Firing) -> bool:
    """Whether there is something new, and not only another reason to look at the same."""
    if newer.is_gone:
        return not at_work.is_gone
    is_other = newer.mark and newer.mark != at_work.mark
    return bool(is_other or (newer.revision and newer.revision != at_work.revision))
