"""What every check does in the same way: an object that is not there, and time that runs out.

Before: a check found that it cannot decide yet.
After: the engine asks again at the next event, or after ``recheck_after``.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from rollwright.plugins.contracts import CheckRequest, CheckResult, SqlReport, Verdict
from rollwright.rollouts.health.generic import same_number

_SEEN = "seen"
_BEGAN = "began"


def succeeded(reason: str) -> CheckResult:
    """Say that the check holds."""
    return CheckResult(verdict=Verdict.SUCCESS, reason=reason)


def failed(
    reason: str, *, is_timeout: bool = False, report: SqlReport | None = None
) -> CheckResult:
    """Say that the check will not hold any more; ``report`` is told instead, where it is given."""
    return CheckResult(verdict=Verdict.FAILURE, reason=reason, is_timeout=is_timeout, report=report)


def undecided(
    request: CheckRequest,
    reason: str,
    *,
    timeout: timedelta | None = None,
    recheck_after: timedelta | None = None,
) -> CheckResult:
    """Say what is still waited for; or, when ``timeout`` is over, that it was not seen in time.

    Args:
        request: What the check was asked.
        reason: What it waits for.
        timeout: Longest wait since the step began; ``None`` or zero for no limit.
        recheck_after: Ask again after so long although nothing happens.
    """
    left = time_left(request, timeout)
    if timeout and left is not None and left <= timedelta(0):
        return failed(f"not within {in_words(timeout)}: {reason}", is_timeout=True)
    return CheckResult(
        verdict=Verdict.UNDECIDED, reason=reason, recheck_after=shortest(left, recheck_after)
    )


def time_left(request: CheckRequest, timeout: timedelta | None) -> timedelta | None:
    """Return how much of a timeout is left; ``None`` without one."""
    return began_at(request) + timeout - request.now if timeout else None


def began_at(request: CheckRequest) -> datetime:
    """Return when the step began to wait, or was first asked about."""
    if request.started_at is not None:
        return request.started_at
    began: str = request.memory.setdefault(_BEGAN, request.now.isoformat())
    return datetime.fromisoformat(began)


def shortest(*lengths: timedelta | None) -> timedelta | None:
    """Return the shortest of the given durations."""
    return min((one for one in lengths if one is not None), default=None)


def in_words(length: timedelta) -> str:
    """Write a duration for a person."""
    return f"{length.total_seconds():g} s"


def absence(request: CheckRequest) -> str:
    """Say that the object is not there; empty if it is."""
    if request.object is not None:
        request.memory[_SEEN] = True
        return ""
    how = "is not there any more" if request.memory.get(_SEEN) else "is not there yet"
    return f"{request.status.ref} {how}"


def staleness(request: CheckRequest) -> str:
    """Say that the status is from before the last change (DOC-27); empty if it is not."""
    body = request.object.body if request.object else {}
    status = body.get("status")
    observed = status.get("observedGeneration") if isinstance(status, dict) else None
    generation = (body.get("metadata") or {}).get("generation")
    if observed is None or generation is None or same_number(observed, generation):
        return ""
    return f"generation {generation} is not observed yet, the last one seen is {observed}"
