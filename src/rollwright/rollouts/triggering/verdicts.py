"""How the end of a run reads on the object that set it off.

Before: a run ended, or was refused. After: ``conditions`` holds a standing of it.
"""

from __future__ import annotations

from rollwright.rollouts.feedback import Reason
from rollwright.rollouts.triggering.conditions import Standing, Truth

_UNHEALTHY = frozenset({Reason.HEALTH_CHECK_FAILED, Reason.ANALYSIS_FAILED})


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
