"""What became of a run: results as values, and the report that concludes them.

Before: ``engine.execute`` carried out the waves.
After: ``state`` keeps the facts; feedback sinks and faces print the report.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from rollwright.rollouts.diff import Conflict
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.plan import Operation, Plan
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


_FAILURES = frozenset({Outcome.FAILED, Outcome.TIMED_OUT})


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
    """What became of one step: the results of its changes."""

    step: str
    outcome: Outcome
    changes: tuple[ChangeResult, ...] = ()
    message: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None


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

    @property
    def changes(self) -> tuple[ChangeResult, ...]:
        """The results of all steps' changes, in order."""
        return tuple(change for step in self.results for change in step.changes)

    @property
    def failures(self) -> tuple[ChangeResult, ...]:
        """What went wrong, worst first; what was skipped because of it is not among them."""
        bad = [c for c in self.changes if c.outcome in _FAILURES]
        return tuple(sorted(bad, key=_badness))


def must_stop(plan: Plan, results: Sequence[StepResult]) -> bool:
    """Whether no further wave may start: a step did not succeed (OR-101, OR-102)."""
    del plan
    return any(step.outcome is not Outcome.SUCCEEDED for step in results)


def step_outcome(changes: Iterable[ChangeResult]) -> Outcome:
    """Return how a step ended, from how its changes ended."""
    outcomes = {change.outcome for change in changes}
    for bad in (Outcome.CANCELLED, Outcome.FAILED, Outcome.TIMED_OUT):
        if bad in outcomes:
            return bad
    is_partial = outcomes & {Outcome.SKIPPED, Outcome.NOT_STARTED}
    return Outcome.FAILED if is_partial else Outcome.SUCCEEDED


def conclude(
    plan: Plan,
    trigger: Trigger,
    results: Sequence[StepResult],
    *,
    run_id: str = "",
    calls: Mapping[str, int] | None = None,
) -> Report:
    """Return the record of a run.

    Args:
        plan: What was to be done.
        trigger: What set the run off.
        results: What became of the steps that were started.
        run_id: Empty when nothing had to be done.
        calls: API requests, counted.
    """
    steps = (*results, *_not_started(plan, results))
    ended = [step.ended_at for step in results if step.ended_at]
    report = Report(
        rollout=plan.rollout,
        cluster=plan.cluster,
        plan=plan,
        trigger=trigger,
        outcome=_run_outcome(plan, steps),
        started_at=trigger.received_at,
        ended_at=max(ended, default=plan.made_at),
        run_id=run_id,
        results=steps,
        statuses=_statuses(plan, steps),
        calls=dict(calls or {}),
    )
    return replace(report, message=_headline(report), hint=_hint(report))


def _not_started(plan: Plan, results: Sequence[StepResult]) -> tuple[StepResult, ...]:
    if not results:
        return ()
    started = {step.step for step in results}
    return tuple(
        StepResult(
            step=step.name,
            outcome=Outcome.NOT_STARTED,
            changes=tuple(
                ChangeResult(
                    ref=change.ref, operation=change.operation, outcome=Outcome.NOT_STARTED,
                    message="an earlier step did not succeed", status=change.status,
                )
                for change in step.changes
            ),
        )
        for wave in plan.waves
        for step in wave.steps
        if step.name not in started
    )  # fmt: skip


def _run_outcome(plan: Plan, steps: Sequence[StepResult]) -> Outcome:
    """A failed delete does not undo what was applied; it is tried again (OR-105).

    Where nothing but deletes was asked for, they are what counts.
    """
    prunes = {s.name for wave in plan.waves for s in wave.steps if s.action == "Prune"}
    upserts = [step for step in steps if step.step not in prunes] or steps
    for bad in (Outcome.CANCELLED, Outcome.FAILED, Outcome.TIMED_OUT):
        if any(step.outcome is bad for step in upserts):
            return bad
    if any(step.outcome is Outcome.NOT_STARTED for step in upserts):
        return Outcome.FAILED
    is_cancelled = any(step.outcome is Outcome.CANCELLED for step in steps)
    return Outcome.CANCELLED if is_cancelled else Outcome.SUCCEEDED


def _statuses(plan: Plan, steps: Sequence[StepResult]) -> tuple[ObjectStatus, ...]:
    known = {c.ref: c.status for c in plan.changes if c.status and c.operation != "prune"}
    for step in steps:
        seen = {c.ref: c.status for c in step.changes if c.status and c.operation != "prune"}
        known.update(seen)
    return tuple(known[ref] for ref in sorted(known))


def _badness(change: ChangeResult) -> tuple[int, ObjectRef]:
    severity = change.status.status.severity if change.status else len(Status)
    return -severity, change.ref


def _headline(report: Report) -> str:
    if report.outcome is Outcome.SUCCEEDED:
        return _success(report)
    if report.failures:
        first = report.failures[0]
        return f"{first.ref}: {first.message}"
    if report.outcome is Outcome.CANCELLED:
        return "cancelled"
    bad = [step for step in report.results if step.outcome is not Outcome.SUCCEEDED]
    told = next((step.message for step in bad if step.message), "did not succeed")
    return f"{bad[0].step}: {told}" if bad else told


def _success(report: Report) -> str:
    keep, good = Operation.KEEP, Outcome.SUCCEEDED
    done = sum(1 for c in report.changes if c.outcome is good and c.operation is not keep)
    words = f"{done} change{'' if done == 1 else 's'} carried out" if done else "nothing to do"
    left = [change for change in report.changes if change.outcome is not good]
    if not left:
        return f"{words}; {_how_it_is(report.plan)}"
    # Only deletes can have failed here: what could not go is named, and tried again (OR-105).
    first = min(left, key=lambda one: (one.outcome not in _FAILURES, one.ref))
    others = f" (and {len(left) - 1} more)" if len(left) > 1 else ""
    return f"{words}; could not delete {first.ref}{others}: {first.message}"


def _how_it_is(plan: Plan) -> str:
    if plan.kept and not any(change.wanted for change in plan.changes):
        count = len(plan.kept)
        return f"{count} object{' stays' if count == 1 else 's stay'}"
    return "everything is Current" if any(c.wanted for c in plan.changes) else "nothing is left"


def _hint(report: Report) -> str:
    hints = [failure.hint for failure in report.failures if failure.hint]
    if hints:
        return hints[0]
    if report.outcome is Outcome.CANCELLED:
        return "run the same rollout again to resume"
    return ""
