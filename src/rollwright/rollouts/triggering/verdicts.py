"""How the end of a run reads on the object that set it off.

Before: a run ended, or was refused. After: ``conditions`` holds a standing of it.
"""

from __future__ import annotations

from collections.abc import Iterator

from rollwright import errors
from rollwright.errors import (
    ApprovalNeeded,
    ClusterError,
    GuardRefused,
    InvalidDocument,
    InvalidManifests,
    InvalidSpec,
    LockHeld,
    LockLost,
    NotFound,
    PluginNotFound,
    Refused,
    RenderError,
    RolloutError,
    StateConflict,
    Unreachable,
)
from rollwright.rollouts.feedback import Reason
from rollwright.rollouts.plan import Plan, Step
from rollwright.rollouts.report import Outcome, Report, StepResult
from rollwright.rollouts.status import Status
from rollwright.rollouts.triggering.conditions import Standing, Truth

_BAD = frozenset({Outcome.FAILED, Outcome.TIMED_OUT})

_BY_ERROR: tuple[tuple[type[RolloutError], Reason], ...] = (
    (ApprovalNeeded, Reason.WAITING_FOR_APPROVAL),
    (GuardRefused, Reason.GUARD_BREACHED),
    (LockHeld, Reason.LOCK_HELD),
    (LockLost, Reason.LOCK_HELD),
    (StateConflict, Reason.PLAN_STALE),
    (Refused, Reason.PLAN_FAILED),
    (Unreachable, Reason.CLUSTER_UNREACHABLE),
    (RenderError, Reason.BUILD_FAILED),
    (InvalidManifests, Reason.VALIDATION_FAILED),
    (InvalidSpec, Reason.VALIDATION_FAILED),
    (InvalidDocument, Reason.VALIDATION_FAILED),
    (PluginNotFound, Reason.VALIDATION_FAILED),
    (NotFound, Reason.SOURCE_FAILED),
    (ClusterError, Reason.PLAN_FAILED),
)
"""The first that an error is one of."""

_UNHEALTHY = frozenset({Reason.HEALTH_CHECK_FAILED, Reason.ANALYSIS_FAILED})


def reason_of_cause(cause: str) -> Reason:
    """Return why a run was refused, or broke off, by the name of its error."""
    error = getattr(errors, cause, None) if cause else None
    if not isinstance(error, type):
        return Reason.PLAN_FAILED
    found = (reason for kind, reason in _BY_ERROR if issubclass(error, kind))
    return next(found, Reason.PLAN_FAILED)


def reason_of_report(report: Report) -> Reason:
    """Return why a run ended as it did."""
    if report.outcome is Outcome.SUCCEEDED:
        return Reason.PRUNE_FAILED if report.failures else Reason.SUCCEEDED
    if report.outcome is Outcome.CANCELLED:
        return Reason.CANCELLED
    if report.outcome is Outcome.SUPERSEDED:
        return Reason.SUPERSEDED
    if report.rollback is not None and report.rollback.outcome is Outcome.SUCCEEDED:
        return Reason.ROLLED_BACK
    found = (_reason_of_step(step, one) for step, one in _failed(report))
    return next(found, Reason.APPLY_FAILED)


def _failed(report: Report) -> Iterator[tuple[Step | None, StepResult]]:
    steps = _steps(report.plan)
    for result in report.results:
        if result.outcome in _BAD:
            yield steps.get(result.step), result


def _steps(plan: Plan) -> dict[str, Step]:
    waves = (*plan.waves, *plan.on_failure)
    return {step.name: step for wave in waves for step in wave.steps}


def _reason_of_step(step: Step | None, result: StepResult) -> Reason:
    if step is not None and step.hook is not None:
        return Reason.HOOK_FAILED
    if step is not None and step.action == "Prune":
        return Reason.PRUNE_FAILED
    bad = [one for one in result.changes if one.outcome in _BAD]
    is_late = result.outcome is Outcome.TIMED_OUT or any(
        c.outcome is Outcome.TIMED_OUT for c in bad
    )
    # What was written and is not well is unhealthy; what has no facts of a write was refused.
    is_ill = any(one.status and one.status.status is Status.FAILED and one.uid for one in bad)
    has_failing_check = step is not None and step.has_checks and not bad
    return (
        Reason.HEALTH_CHECK_FAILED
        if is_late or is_ill or has_failing_check
        else Reason.APPLY_FAILED
    )


def progressing(message: str) -> Standing:
    """Return the standing while a run is at work."""
    return Standing(
        ready=Truth.UNKNOWN,
        healthy=Truth.UNKNOWN,
        is_reconciling=True,
        is_stalled=False,
        reason=Reason.PROGRESSING,
        message=message,
    )


def succeeded(message: str) -> Standing:
    """Return the standing after a run that went well."""
    return Standing(
        ready=Truth.TRUE,
        healthy=Truth.TRUE,
        is_reconciling=False,
        is_stalled=False,
        reason=Reason.SUCCEEDED,
        message=message,
    )


def failed(reason: Reason, message: str, *, again: bool) -> Standing:
    """Return the standing after a run that went wrong; ``again`` if it is tried again by itself."""
    return Standing(
        ready=Truth.FALSE,
        healthy=Truth.FALSE if reason in _UNHEALTHY else Truth.UNKNOWN,
        is_reconciling=again,
        is_stalled=not again,
        reason=reason,
        message=message,
    )
