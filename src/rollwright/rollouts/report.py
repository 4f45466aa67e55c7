"""What became of a run: the results of objects and steps, and the report that holds them.

Before: ``engine.writing.execute`` carried out the waves.
After: ``state`` keeps the facts; feedback sinks and faces print the report.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from rollwright.rollouts.change import Operation
from rollwright.rollouts.diff import Conflict
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.status import ObjectStatus, Status
from rollwright.rollouts.trigger import Trigger


class Outcome(StrEnum):
    """How a change, a step or a run ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    TIMED_OUT = "timed-out"
    CANCELLED = "cancelled"
    NOT_STARTED = "not-started"
    SUPERSEDED = "superseded"


FAILURES = frozenset({Outcome.FAILED, Outcome.TIMED_OUT})
"""Outcomes that are somebody's or something's fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeResult:
    """What became of one object.

    Attributes:
        ref: The object.
        operation: What was to be done.
        outcome: How it ended; ``skipped`` names its cause in ``message``.
        message: One sentence for a person.
        status: The last verdict on the object, if it was looked at.
        uid, resource_version, owned_digest: Facts of the object right after our write.
        conflicts: Fields that the write took from other managers.
        hint: What to do, if anything is known.
    """

    ref: ObjectRef
    operation: Operation
    outcome: Outcome
    message: str = ""
    status: ObjectStatus | None = None
    uid: str = ""
    resource_version: str = ""
    owned_digest: str = ""
    conflicts: tuple[Conflict, ...] = ()
    hint: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What became of one step: the results of its changes.

    ``logs`` holds what its containers and programs wrote, by their names: bounded, and without
    values of Secrets. ``is_reported`` says that it counts as done only because somebody was told
    that it timed out, or failed (DOC-34).
    """

    step: str
    outcome: Outcome
    changes: tuple[ChangeResult, ...] = ()
    message: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    logs: Mapping[str, str] = field(default_factory=dict, repr=False)
    hint: str = ""
    is_reported: bool = False


@dataclass(frozen=True, kw_only=True)
class Report:
    """The record of one run.

    Attributes:
        rollout, cluster: Which rollout, where.
        run_id: Of this run; empty when nothing had to be done.
        outcome: ``succeeded`` also when nothing had to be done.
        plan: The plan that was carried out.
        results: Per step, in order.
        statuses: The last verdict on each wanted object.
        calls: API requests by kind (``list``, ``dry-run``, ``apply``, ``delete``, ``watch``, …).
        message: The worst object and its cause in one sentence; first line of a failed run.
        hint: What to do next.
        revision: Number under which the run is remembered; zero when nothing had to be done.
        rollback: What became of going back to a former revision, where the run failed or one
            before it was killed; its API requests are counted in this report.
    """

    rollout: str
    cluster: str
    plan: Plan = field(repr=False)
    trigger: Trigger
    outcome: Outcome
    started_at: datetime
    ended_at: datetime
    run_id: str = ""
    results: tuple[StepResult, ...] = field(default=(), repr=False)
    statuses: tuple[ObjectStatus, ...] = field(default=(), repr=False)
    calls: Mapping[str, int] = field(default_factory=dict)
    message: str = ""
    hint: str = ""
    revision: int = 0
    rollback: Report | None = field(default=None, repr=False)

    @property
    def changes(self) -> tuple[ChangeResult, ...]:
        """The results of all steps' changes, in order."""
        return tuple(change for step in self.results for change in step.changes)

    @property
    def failures(self) -> tuple[ChangeResult, ...]:
        """What went wrong, worst first; what was skipped because of it is not among them."""
        bad = [c for c in self.changes if c.outcome in FAILURES]
        return tuple(sorted(bad, key=_badness))


def must_stop(plan: Plan, results: Sequence[StepResult]) -> bool:
    """Whether no further wave may start: a step did not succeed (OR-101, OR-102).

    One that failed and says ``continueOnError`` stops nobody; a cancelled one always does.
    """
    forgiven = forgiven_steps(plan, results)
    return any(not is_good(step) and step.step not in forgiven for step in results)


def is_good(result: StepResult) -> bool:
    """Whether a step succeeded."""
    return result.outcome is Outcome.SUCCEEDED


def forgiven_steps(plan: Plan, results: Iterable[StepResult]) -> frozenset[str]:
    """Return the steps that failed although the run went on (DOC-10)."""
    others = (step for wave in (*plan.undo, *plan.on_failure) for step in wave.steps)
    names = {step.name for step in (*plan.steps, *others) if step.continue_on_error}
    if not names:
        return frozenset()
    return frozenset(one.step for one in results if one.step in names and one.outcome in FAILURES)


def step_outcome(changes: Iterable[ChangeResult]) -> Outcome:
    """Return how a step ended, from how its changes ended."""
    outcomes = {change.outcome for change in changes}
    for bad in (Outcome.CANCELLED, Outcome.FAILED, Outcome.TIMED_OUT):
        if bad in outcomes:
            return bad
    is_partial = outcomes & {Outcome.SKIPPED, Outcome.NOT_STARTED}
    return Outcome.FAILED if is_partial else Outcome.SUCCEEDED


def _badness(change: ChangeResult) -> tuple[int, ObjectRef]:
    severity = change.status.status.severity if change.status else len(Status)
    return -severity, change.ref
