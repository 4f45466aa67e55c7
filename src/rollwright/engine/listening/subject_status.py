"""A run told into the status of the object that set it off, while it goes on and at its end.

Before: ``dispatch`` begins the run of a firing that has a subject.
After: whoever reads the object sees which group is at work, and how it ended (FB-01, DOC-61).

What a run tells is only noted here; a task of its own writes it, as seldom as it may (FB-64, P12).
A run that has nothing to do writes nothing but what differs from before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from rollwright.engine.listening.pending import Pending
from rollwright.engine.listening.running import Ended
from rollwright.engine.listening.subject_patching import KindWays, SubjectWriter
from rollwright.engine.progress import (
    Grouped,
    Listener,
    Note,
    Planned,
    Progress,
    StageBegan,
    StepBegan,
    StepEnded,
)
from rollwright.engine.site import Site
from rollwright.errors import RolloutError
from rollwright.plugins.contracts import Subject
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.reasons import reason_of_cause, reason_of_report
from rollwright.rollouts.report import Outcome, Report
from rollwright.rollouts.triggering.conditions import Standing, SubjectStatus
from rollwright.rollouts.triggering.groups import Groups
from rollwright.rollouts.triggering.verdicts import failed, progressing, succeeded

PAUSE_SECONDS = 0.2
"""Between two writes of one run."""

_LAST_TRIES = 3
_PASSING = frozenset({Outcome.SUPERSEDED.value, Outcome.CANCELLED.value})
"""Ends that say nothing: another run follows."""


@dataclass(slots=True)
class SubjectStatuses:
    """The statuses of all subjects; it remembers what their kinds take."""

    site: Site
    _ways: dict[tuple[str, str, str], KindWays] = field(default_factory=dict)

    def of(self, pending: Pending) -> Telling:
        """Return what tells one run; it tells nothing where nobody is to be told."""
        subject = pending.firing.subject
        if subject is None or not subject.is_told or not subject.uid:
            return Telling(None, pending, self._note)
        kind = (subject.cluster, subject.api_version, subject.kind)
        ways = self._ways.setdefault(kind, KindWays())
        return Telling(SubjectWriter(self.site, subject, ways, self._note), pending, self._note)

    def _note(self, text: str) -> None:
        self.site.tell(Note(text))


class Telling:
    """One run, as its subject shows it.

    Args:
        writer: Writes; ``None`` to write nothing.
        pending: What is run.
        note: Tells a person what could not be written.
    """

    def __init__(
        self, writer: SubjectWriter | None, pending: Pending, note: Callable[[str], None]
    ) -> None:
        self._writer, self._pending, self._note = writer, pending, note
        self._groups = Groups()
        self._standing: Standing | None = None
        self._attempted = self._applied = self._handled = self._stage = ""
        self._has_plan = self._is_broken = False
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._writer is not None:
            self._task = asyncio.create_task(self._keep_writing())
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def hear(self, progress: Progress) -> None:
        """Take what a run tells; waits for nothing."""
        match progress:
            case StageBegan(stage):
                self._stage = stage
                return
            case Grouped(names):
                self._groups.named(names)
                return
            case Planned(plan):
                self._planned(plan)
            case StepBegan(step):
                self._groups.began(step)
            case StepEnded(result):
                self._groups.ended(result)
            case _:
                return
        if self._standing is not None:
            self._news.set()

    def also(self, listener: Listener) -> Listener:
        """Return a listener that tells both."""

        def tell(progress: Progress) -> None:
            self.hear(progress)
            listener(progress)

        return tell

    def _planned(self, plan: Plan) -> None:
        if plan.rollback is not None:
            return
        self._attempted, self._has_plan = plan.source, not plan.is_removal
        self._groups.planned(plan)
        if plan.is_removal:
            self._standing = progressing("what was made for it is being removed")
        elif not plan.is_done:
            self._standing = progressing(f"rolling out {plan.source}")

    async def end(self, ended: Ended, *, again: bool) -> None:
        """Tell how the run ended; ``again`` if it is tried again by itself."""
        if self._writer is None:
            return
        if ended.report is not None and ended.report.plan.id:
            self._attempted = ended.report.plan.source or self._attempted
            self._groups.concluded(ended.report)
        if ended.outcome not in _PASSING:
            self._standing = _standing(ended, self._stage, again=again)
            self._is_broken = ended.outcome == Outcome.FAILED and ended.report is None
            if self._is_broken:
                self._groups.broken(self._standing.message)
            self._applied = self._attempted if ended.is_good else ""
            self._handled = self._pending.firing.token
        is_over = self._pending.firing.is_gone and ended.is_good
        if self._standing is not None and not is_over:
            await self._write_at_last()

    async def _keep_writing(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self._write()
            except RolloutError:
                self._news.set()  # the next try may be luckier, and the last one is told
            except Exception:  # noqa: BLE001  (a status may have any form; the end tells of it)
                return
            await asyncio.sleep(PAUSE_SECONDS)

    async def _write_at_last(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for attempt in range(_LAST_TRIES):
            try:
                await self._write()
            except RolloutError as error:
                if not error.retryable or attempt == _LAST_TRIES - 1:
                    self._failed(error.message)
                    return
                await asyncio.sleep(PAUSE_SECONDS)
            except Exception as error:  # noqa: BLE001  (a status may have any form)
                self._failed(f"unexpected {type(error).__name__}")
                return
            else:
                return

    def _failed(self, why: str) -> None:
        self._note(f"{self._pending.instance}: cannot write a status: {why}")

    async def _write(self) -> None:
        subject = self._pending.firing.subject
        if self._writer is None or self._standing is None or subject is None:
            return
        await self._writer.write(self._wanted(subject, self._standing))

    @property
    def _has_groups(self) -> bool:
        """Whether the run knows its groups, or that it has none."""
        return self._groups.is_known or self._has_plan

    def _wanted(self, subject: Subject, standing: Standing) -> SubjectStatus:
        return SubjectStatus(
            generation=subject.generation,
            groups=self._groups.progress if self._has_groups else None,
            standing=standing,
            is_broken=self._is_broken,
            attempted=self._attempted,
            applied=self._applied,
            handled_trigger=self._handled,
        )


def _standing(ended: Ended, stage: str, *, again: bool) -> Standing:
    report = ended.report
    if ended.is_good:
        return succeeded(_words(report) if report else ended.message)
    if report is None:
        reason = reason_of_cause(ended.cause, stage, ended.message)
        return failed(reason, _line(ended.message), again=again)
    return failed(reason_of_report(report), _counted(report), again=again)


def _words(report: Report) -> str:
    """Return how it is, without how much had to be done: that is no change of the status."""
    return report.message.partition("; ")[2] or report.message


def _counted(report: Report) -> str:
    """Return the worst object with its cause, and how many more there are (FB-05)."""
    more = len(report.failures) - 1
    return _line(f"{report.message} (and {more} more)" if more > 0 else report.message)


def _line(text: str) -> str:
    return " ".join(text.split())
