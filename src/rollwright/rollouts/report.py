"""What became of a run: results as values, and the report that concludes them.

Before: ``engine.writing.execute`` carried out the waves.
After: ``state`` keeps the facts; feedback sinks and faces print the report.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
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
    SUPERSEDED = "superseded"


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
        bad = [c for c in self.changes if c.outcome in _FAILURES]
        return tuple(sorted(bad, key=_badness))


def must_stop(plan: Plan, results: Sequence[StepResult]) -> bool:
    """Whether no further wave may start: a step did not succeed (OR-101, OR-102).

    One that failed and says ``continueOnError`` stops nobody; a cancelled one always does.
    """
    forgiven = _forgiven(plan, results)
    return any(not is_good(step) and step.step not in forgiven for step in results)


def is_good(result: StepResult) -> bool:
    """Whether a step succeeded."""
    return result.outcome is Outcome.SUCCEEDED


def _forgiven(plan: Plan, results: Iterable[StepResult]) -> frozenset[str]:
    """Return the steps that failed although the run went on (DOC-10)."""
    others = (step for wave in (*plan.undo, *plan.on_failure) for step in wave.steps)
    names = {step.name for step in (*plan.steps, *others) if step.continue_on_error}
    if not names:
        return frozenset()
    return frozenset(one.step for one in results if one.step in names and one.outcome in _FAILURES)


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
        # A rollback is set off after its plan was made: nothing ends before it began.
        ended_at=max(*(ended or (plan.made_at,)), trigger.received_at),
        run_id=run_id,
        results=steps,
        statuses=_statuses(plan, steps),
        calls=dict(calls or {}),
    )
    return replace(report, message=_headline(report), hint=_hint(report))


def overdue(report: Report, limit: timedelta) -> Report:
    """Return the record of a run that was stopped because it took too long."""
    if report.outcome is not Outcome.CANCELLED:
        return report
    words = f"the run took longer than {limit.total_seconds():g} s (spec.timeout)"
    hint = "raise spec.timeout, or run the same rollout again to resume"
    return replace(report, outcome=Outcome.TIMED_OUT, message=words, hint=hint)


def superseded(report: Report, words: str) -> Report:
    """Return the record of a run that made way for a newer one, before it began or as it waited.

    Args:
        report: What became of the run.
        words: What it made way for.
    """
    if report.run_id and report.outcome is not Outcome.CANCELLED:
        return report  # it came to its end all the same
    hint = "what is desired now has a run of its own; this one needs nothing"
    message = f"superseded by {words}"
    return replace(report, outcome=Outcome.SUPERSEDED, message=message, hint=hint)


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
    passed = prunes | _forgiven(plan, steps)
    upserts = [step for step in steps if step.step not in passed]
    upserts = upserts or [step for step in steps if step.step not in passed - prunes]
    for bad in (Outcome.CANCELLED, Outcome.FAILED, Outcome.TIMED_OUT):
        if any(step.outcome is bad for step in upserts):
            return bad
    if any(step.outcome is Outcome.NOT_STARTED for step in upserts):
        return Outcome.FAILED
    is_cancelled = any(step.outcome is Outcome.CANCELLED for step in steps)
    return Outcome.CANCELLED if is_cancelled else Outcome.SUCCEEDED


def _statuses(plan: Plan, steps: Sequence[StepResult]) -> tuple[ObjectStatus, ...]:
    known = {c.ref: c.status for c in plan.changes if c.status and c.operation != "prune"}
    hooks = _hook_steps(plan)
    for step in (one for one in steps if one.step not in hooks):
        seen = {c.ref: c.status for c in step.changes if c.status and c.operation != "prune"}
        known.update(seen)
    return tuple(known[ref] for ref in sorted(known))


def _hook_steps(plan: Plan) -> frozenset[str]:
    """Return the steps that run hooks: these are no part of the health (HK-05)."""
    waves = (*plan.waves, *plan.on_failure)
    return frozenset(step.name for wave in waves for step in wave.steps if step.hook)


def _badness(change: ChangeResult) -> tuple[int, ObjectRef]:
    severity = change.status.status.severity if change.status else len(Status)
    return -severity, change.ref


def _headline(report: Report) -> str:
    if report.outcome is Outcome.SUCCEEDED:
        return _success(report)
    forgiven = _forgiven(report.plan, report.results)
    counted = [step for step in report.results if step.step not in forgiven]
    if failures := [one for one in report.failures if any(one in s.changes for s in counted)]:
        first = failures[0]
        return f"{first.ref}: {first.message}"
    if report.outcome is Outcome.CANCELLED:
        return "cancelled"
    bad = [step for step in counted if not is_good(step)]
    told = next((step.message for step in bad if step.message), "did not succeed")
    return f"{bad[0].step}: {told}" if bad else told


def _success(report: Report) -> str:
    keep, good = Operation.KEEP, Outcome.SUCCEEDED
    done = sum(1 for c in report.changes if c.outcome is good and c.operation is not keep)
    words = f"{done} change{'' if done == 1 else 's'} carried out" if done else "nothing to do"
    forgiven = _forgiven(report.plan, report.results)
    counted = [step for step in report.results if step.step not in forgiven]
    left = [change for step in counted for change in step.changes if change.outcome is not good]
    if forgiven:
        names = ", ".join(sorted(forgiven))
        words = f"{words}; went on although {names} failed"
    elif not left:
        words = f"{words}; {_how_it_is(report.plan)}"
    if reported := [one for one in report.results if one.is_reported]:
        words += "".join(f"; {one.step} {one.message}" for one in reported)
    if not left:
        return words
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
    hints += [s.hint for s in report.results if s.hint and s.outcome in _FAILURES]
    if hints:
        return hints[0]
    if report.outcome is Outcome.CANCELLED:
        return "run the same rollout again to resume"
    return ""
