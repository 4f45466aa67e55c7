"""From the results of the steps to the report of a run: its outcome, and one line for people.

Before: ``engine.writing.execute`` and ``engine.stepping`` carried out the waves.
After: ``finish`` saves what is live; feedback sinks and faces print the report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from rollwright.rollouts.change import Operation
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.report import (
    FAILURES,
    ChangeResult,
    Outcome,
    Report,
    StepResult,
    forgiven_steps,
    is_good,
)
from rollwright.rollouts.status import ObjectStatus
from rollwright.rollouts.trigger import Trigger


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
    began = trigger.begun_at or trigger.received_at
    report = Report(
        rollout=plan.rollout,
        cluster=plan.cluster,
        plan=plan,
        trigger=trigger,
        outcome=_run_outcome(plan, steps),
        started_at=began,
        # A rollback is set off after its plan was made: nothing ends before it began.
        ended_at=max(*(ended or (plan.made_at,)), began),
        run_id=run_id,
        results=steps,
        statuses=_statuses(plan, steps),
        calls=dict(calls or {}),
    )
    return replace(report, message=_headline(report), hint=_hint(report))


def cancelled(report: Report, by: str) -> Report:
    """Return the record of a run that was cancelled with who did it, and at which step.

    Args:
        report: What became of the run.
        by: Whose doing it was; empty if that is not known.
    """
    if report.outcome is not Outcome.CANCELLED or not by:
        return report
    words = f"cancelled by {by}{_at_step(report)}"
    failed = f"{report.message}; " if _worst_failure(report) else ""
    return replace(report, message=f"{failed}{words}")


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
    passed = prunes | forgiven_steps(plan, steps)
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


def _headline(report: Report) -> str:
    if report.outcome is Outcome.SUCCEEDED:
        return _success(report)
    if worst := _worst_failure(report):
        return f"{worst.ref}: {worst.message}"
    if report.outcome is Outcome.CANCELLED:
        return f"cancelled{_at_step(report)}"
    counted = _counted(report)
    bad = [step for step in counted if not is_good(step)]
    told = next((step.message for step in bad if step.message), "did not succeed")
    return f"{bad[0].step}: {told}" if bad else told


def _counted(report: Report) -> list[StepResult]:
    """Return the results of the steps that the run did not go on without."""
    forgiven = forgiven_steps(report.plan, report.results)
    return [step for step in report.results if step.step not in forgiven]


def _worst_failure(report: Report) -> ChangeResult | None:
    counted = _counted(report)
    bad = (one for one in report.failures if any(one in step.changes for step in counted))
    return next(bad, None)


def _at_step(report: Report) -> str:
    """Say where a run was when it was cancelled."""
    steps = (step.step for step in report.results if step.outcome is Outcome.CANCELLED)
    name = next(steps, "")
    return f" at step {name}" if name else ""


def _success(report: Report) -> str:
    keep, good = Operation.KEEP, Outcome.SUCCEEDED
    done = sum(1 for c in report.changes if c.outcome is good and c.operation is not keep)
    words = f"{done} change{'' if done == 1 else 's'} carried out" if done else "nothing to do"
    forgiven = forgiven_steps(report.plan, report.results)
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
    first = min(left, key=lambda one: (one.outcome not in FAILURES, one.ref))
    others = f" (and {len(left) - 1} more)" if len(left) > 1 else ""
    return f"{words}; could not delete {first.ref}{others}: {first.message}"


def _how_it_is(plan: Plan) -> str:
    if plan.kept and not any(change.wanted for change in plan.changes):
        count = len(plan.kept)
        return f"{count} object{' stays' if count == 1 else 's stay'}"
    return "everything is Current" if any(c.wanted for c in plan.changes) else "nothing is left"


def _hint(report: Report) -> str:
    hints = [failure.hint for failure in report.failures if failure.hint]
    hints += [s.hint for s in report.results if s.hint and s.outcome in FAILURES]
    if hints:
        return hints[0]
    if report.outcome is Outcome.CANCELLED:
        return "run the same rollout again to resume"
    return ""
