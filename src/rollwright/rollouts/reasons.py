"""Why a run ended as it did, as a fixed code (FB-04): the one place that says so.

Before: a run has its report, or an error kept it from being made or broke it off.
After: whoever is told, and the status of the object that set it off, give the same reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rollwright import errors
from rollwright.errors import (
    ApprovalNeeded,
    GuardRefused,
    Held,
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
from rollwright.rollouts.change import Operation
from rollwright.rollouts.feedback import Reason
from rollwright.rollouts.report import ChangeResult, Outcome, Report, StepResult, step_outcome
from rollwright.rollouts.status import Status

_FAILURES = frozenset({Outcome.FAILED, Outcome.TIMED_OUT})
ENDED = {
    Outcome.CANCELLED: Reason.CANCELLED,
    Outcome.SUPERSEDED: Reason.SUPERSEDED,
}
"""Ends that are their own reason."""

# -------------------------------------------------------------------- of errors

_WHEREVER: tuple[tuple[type[RolloutError], Reason], ...] = (
    (ApprovalNeeded, Reason.WAITING_FOR_APPROVAL),
    (GuardRefused, Reason.GUARD_BREACHED),
    (LockHeld, Reason.LOCK_HELD),
    (LockLost, Reason.LOCK_HELD),
    (StateConflict, Reason.PLAN_STALE),
    (Held, Reason.HELD),
    (InvalidManifests, Reason.VALIDATION_FAILED),
)
"""What errors mean at any stage; the first that one is."""

_BY_STAGE = {
    "fetch": Reason.SOURCE_FAILED,
    "render": Reason.BUILD_FAILED,
    "state": Reason.PLAN_FAILED,
    "read": Reason.PLAN_FAILED,
    "forecast": Reason.PLAN_FAILED,
}
_INPUT = ("fetch", "render")
"""Stages that ask others than the target: what does not answer there is not the cluster."""

_STAGELESS: tuple[tuple[type[RolloutError], Reason], ...] = (
    (Unreachable, Reason.CLUSTER_UNREACHABLE),
    (RenderError, Reason.BUILD_FAILED),
    (InvalidSpec, Reason.VALIDATION_FAILED),
    (InvalidDocument, Reason.VALIDATION_FAILED),
    (PluginNotFound, Reason.VALIDATION_FAILED),
    (NotFound, Reason.SOURCE_FAILED),
)
"""What errors mean before the first stage, or where nobody knows the stage."""


def reason_of_error(kind: type[BaseException], stage: str = "", message: str = "") -> Reason:
    """Return the code of what kept a run from being made, or broke it off.

    Args:
        kind: What was raised.
        stage: The stage that had begun last; empty before the first, or where it is not known.
        message: Of the error.
    """
    if found := _first(_WHEREVER, kind):
        return found
    if issubclass(kind, Unreachable) and stage not in _INPUT:
        return Reason.CLUSTER_UNREACHABLE
    if stage == "render" and "decrypt" in message.lower():
        return Reason.DECRYPTION_FAILED
    if not stage:
        return _first(_STAGELESS, kind) or Reason.PLAN_FAILED
    # Once a run has begun, whoever refuses says that the world is not as it was planned for.
    begun = Reason.PLAN_STALE if issubclass(kind, Refused) else Reason.APPLY_FAILED
    return _BY_STAGE.get(stage, begun)


def reason_of_cause(cause: str, stage: str = "", message: str = "") -> Reason:
    """Return the same by the name of the error, as one process tells it another."""
    kind = getattr(errors, cause, None) if cause else None
    if not (isinstance(kind, type) and issubclass(kind, RolloutError)):
        kind = RolloutError
    return reason_of_error(kind, stage, message)


def is_quiet(error: RolloutError) -> bool:
    """Whether nothing went wrong: it was not the time, or somebody said no."""
    if isinstance(error, GuardRefused | LockLost):
        return False
    return isinstance(error, Refused)


def _first(
    table: Iterable[tuple[type[RolloutError], Reason]], kind: type[BaseException]
) -> Reason | None:
    return next((reason for one, reason in table if issubclass(kind, one)), None)


# ------------------------------------------------------------------- of reports


def reason_of_report(report: Report) -> Reason:
    """Return why a run ended as it did."""
    if report.outcome is Outcome.SUCCEEDED:
        return Reason.SUCCEEDED
    if report.rollback is not None and report.rollback.outcome is Outcome.SUCCEEDED:
        return Reason.ROLLED_BACK
    if report.outcome in ENDED:
        return ENDED[report.outcome]
    hooks = {step.name for step in report.plan.steps if step.hook}
    return reason_of_steps(report.results, hooks)


def reason_of_steps(results: Iterable[StepResult], hooks: Iterable[str] = ()) -> Reason:
    """Return why steps failed: the code of the first that did."""
    bad = next((one for one in results if one.outcome in _FAILURES), None)
    if bad is None:
        return Reason.APPLY_FAILED
    if bad.step in set(hooks):
        return Reason.HOOK_FAILED
    failed = [one for one in bad.changes if one.outcome in _FAILURES]
    if failed and all(one.operation is Operation.PRUNE for one in failed):
        return Reason.PRUNE_FAILED
    return Reason.HEALTH_CHECK_FAILED if _is_unhealthy(bad, failed) else Reason.APPLY_FAILED


def _is_unhealthy(step: StepResult, failed: Sequence[ChangeResult]) -> bool:
    """Whether all was written, and something is not as it should be."""
    if bad := [one for one in failed if one.operation is not Operation.PRUNE]:
        # What was written has the version that the write gave it.
        return all(
            one.outcome is Outcome.TIMED_OUT
            or one.operation is Operation.KEEP
            or bool(one.resource_version)
            or (one.status is not None and one.status.status is Status.FAILED)
            for one in bad
        )
    return step.outcome is Outcome.TIMED_OUT or step_outcome(step.changes) is Outcome.SUCCEEDED
