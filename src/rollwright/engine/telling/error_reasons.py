"""What kept a run from being made, or broke it off, as a fixed code (FB-04).

Before: a stage raised. After: ``telling`` says why, or knows that nobody has to hear of it.
"""

from __future__ import annotations

from rollwright.errors import (
    GuardRefused,
    InvalidManifests,
    LockHeld,
    LockLost,
    Refused,
    RolloutError,
    StateConflict,
    Unreachable,
)
from rollwright.rollouts.feedback import Reason


def is_quiet(error: RolloutError) -> bool:
    """Whether nothing went wrong: it was not the time, or somebody said no."""
    if isinstance(error, GuardRefused | LockLost):
        return False
    return isinstance(error, Refused)


_BY_STAGE = {
    "fetch": Reason.SOURCE_FAILED,
    "render": Reason.BUILD_FAILED,
    "state": Reason.PLAN_FAILED,
    "read": Reason.PLAN_FAILED,
    "forecast": Reason.PLAN_FAILED,
}


def reason_of(error: RolloutError, stage: str) -> Reason:
    """Return the code of what kept a run from being made, or broke it off (FB-04).

    Args:
        error: What was raised.
        stage: The stage that had begun last; empty before the first.
    """
    for kind, reason in _BY_ERROR:
        if isinstance(error, kind):
            return reason
    if isinstance(error, Unreachable) and stage not in {"", "fetch", "render"}:
        return Reason.CLUSTER_UNREACHABLE
    if stage == "render" and "decrypt" in error.message.lower():
        return Reason.DECRYPTION_FAILED
    return _BY_STAGE.get(stage, Reason.APPLY_FAILED if stage else Reason.BUILD_FAILED)


_BY_ERROR: tuple[tuple[type[RolloutError], Reason], ...] = (
    (GuardRefused, Reason.GUARD_BREACHED),
    (LockHeld, Reason.LOCK_HELD),
    (LockLost, Reason.LOCK_HELD),
    (StateConflict, Reason.PLAN_STALE),
    (Refused, Reason.HELD),
    (InvalidManifests, Reason.VALIDATION_FAILED),
)
