"""What a run has told so far, counted.

Before: the engine tells one thing after another. After: ``plain`` and ``live`` show the sums.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from rollwright.engine.progress import (
    Applied,
    ChangeEnded,
    Counted,
    Note,
    Planned,
    Progress,
    Seen,
    StageBegan,
    StepBegan,
    StepEnded,
)
from rollwright.errors import excerpt
from rollwright.rollouts.change import Operation
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.plan import Plan, Step
from rollwright.rollouts.report import ChangeResult, Outcome, StepResult
from rollwright.rollouts.status import ObjectStatus

STAGES = {
    "fetch": "fetching the source",
    "render": "rendering",
    "state": "reading what is remembered",
    "read": "reading the cluster",
    "forecast": "asking the server what would change",
    "begin": "opening the journal",
    "finish": "closing the journal",
}
"""Stages of the walk in words."""

DONE = {
    Operation.CREATE: "created",
    Operation.UPDATE: "updated",
    Operation.ADOPT: "adopted",
    Operation.REPLACE: "replaced",
    Operation.PRUNE: "deleted",
    Operation.RUN: "run",
    Operation.KEEP: "unchanged",
}
_BAD = {Outcome.FAILED: "failed", Outcome.TIMED_OUT: "timed out"}
_LONGEST_WORDS = 80


@dataclass(kw_only=True)
class Waiting:
    """An object that is not yet Current, and since when we wait for it."""

    status: ObjectStatus
    since: float


@dataclass(kw_only=True)
class StepProgress:
    """How far one step is.

    Attributes:
        total: All its changes.
        began, ended: Readings of a monotonic clock.
        done: Results so far, by what was done.
        idle: How many changes ended without anything being done.
        failures: What went wrong.
        waiting: What is not yet Current.
        message: What its action says of its end.
    """

    name: str
    total: int
    began: float | None = None
    ended: float | None = None
    outcome: Outcome | None = None
    done: Counter[Operation] = field(default_factory=Counter)
    idle: int = 0
    failures: list[ChangeResult] = field(default_factory=list)
    waiting: dict[ObjectRef, Waiting] = field(default_factory=dict)
    message: str = ""

    def take(self, result: ChangeResult) -> None:
        """Count what became of one object."""
        if result.outcome in _BAD:
            self.failures.append(result)
        elif result.outcome is Outcome.SUCCEEDED:
            self.done[result.operation] += 1
        else:
            self.idle += 1

    @property
    def ended_count(self) -> int:
        """How many changes have a result."""
        return self.done.total() + self.idle + len(self.failures)

    def seconds(self, now: float) -> float:
        """How long it took, or takes so far."""
        return (self.ended or now) - self.began if self.began is not None else 0.0

    def counts(self) -> str:
        """Return what was done in words: ``3 created, 12 unchanged``."""
        parts = [f"{self.done[one]} {words}" for one, words in DONE.items() if self.done[one]]
        bad = Counter(one.outcome for one in self.failures)
        parts += [f"{bad[one]} {words}" for one, words in _BAD.items() if bad[one]]
        parts += [f"{self.idle} not done"] if self.idle else []
        return ", ".join(parts) or self._end_in_words()

    def _end_in_words(self) -> str:
        """Return how a step without objects ended: what its action says of it."""
        outcome = "" if self.outcome in {None, Outcome.SUCCEEDED} else str(self.outcome)
        said = excerpt(self.message, _LONGEST_WORDS) if self.message else ""
        return ": ".join(filter(None, (outcome, said))) or str(self.outcome or "nothing")


@dataclass(kw_only=True)
class Tracker:
    """A run so far."""

    clock: Callable[[], float] = monotonic
    stage: str = ""
    plan: Plan | None = None
    steps: dict[str, StepProgress] = field(default_factory=dict)
    began: float | None = None
    _step_of: dict[ObjectRef, StepProgress] = field(default_factory=dict)

    def take(self, progress: Progress) -> None:
        """Count one thing that happened."""
        match progress:
            case StageBegan(stage):
                self._take_stage(stage)
            case Planned(plan):
                self._take_plan(plan)
            case StepBegan(step):
                self._take_begin(step)
            case Seen(status):
                self._take_status(status)
            case ChangeEnded(result):
                self._take_result(result)
            case StepEnded(result):
                self._take_end(result)
            case Applied() | Note() | Counted():
                pass

    def step_of(self, ref: ObjectRef) -> StepProgress:
        """Return the step that an object belongs to."""
        return self._step_of.get(ref) or self.step_of_name("", 0)

    def step_of_name(self, name: str, total: int) -> StepProgress:
        """Return a step by its name."""
        return self.steps.setdefault(name, StepProgress(name=name, total=total))

    def _take_stage(self, stage: str) -> None:
        self.stage = stage
        if self.began is None:
            self.began = self.clock()

    def _take_plan(self, plan: Plan) -> None:
        self.plan = plan
        # A run that is rolled back has a second plan, whose steps have the same names.
        self.steps, self._step_of = {}, {}
        for step in (step for wave in plan.waves for step in wave.steps):
            progress = self.step_of_name(step.name, len(step.changes))
            self._step_of |= {change.ref: progress for change in step.changes}

    def _take_begin(self, step: Step) -> None:
        progress = self.step_of_name(step.name, len(step.changes))
        progress.began = self.clock()
        # An object may be in several steps: it belongs to the one that is at work.
        self._step_of |= {change.ref: progress for change in step.changes}

    def _take_status(self, status: ObjectStatus) -> None:
        waiting = self.step_of(status.ref).waiting
        since = waiting[status.ref].since if status.ref in waiting else self.clock()
        waiting[status.ref] = Waiting(status=status, since=since)

    def _take_result(self, result: ChangeResult) -> None:
        step = self.step_of(result.ref)
        step.waiting.pop(result.ref, None)
        step.take(result)

    def _take_end(self, result: StepResult) -> None:
        step = self.step_of_name(result.step, len(result.changes))
        step.ended, step.outcome, step.message = self.clock(), result.outcome, result.message
        # What it says itself counts: an object may be in several steps, or be told by nobody.
        if len(result.changes) > step.ended_count:
            step.done, step.idle, step.failures = Counter(), 0, []
            for change in result.changes:
                step.take(change)
        step.waiting.clear()
