"""The check ``healthy``: the object is Current."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel

from rollwright.checks.durations import GoDuration
from rollwright.checks.waiting import absence, failed, succeeded, undecided
from rollwright.plugins.contracts import CheckRequest, CheckResult
from rollwright.plugins.options import OPTIONS
from rollwright.rollouts.status import ObjectStatus, Status


class Healthy(BaseModel):
    """Wait until the object is as desired and works; fail as soon as its verdict is Failed.

    Attributes:
        timeout: Longest wait since the step began; 0 for no limit, by default the rollout's own.
    """

    model_config = OPTIONS

    timeout: GoDuration | None = None

    def __str__(self) -> str:
        return "healthy"

    async def evaluate(self, request: CheckRequest) -> CheckResult:
        """Judge by the verdict."""
        if gone := absence(request):
            return undecided(request, gone, timeout=self.timeout)
        status = request.status
        if status.status is Status.CURRENT:
            return succeeded(_said(status))
        if status.status is Status.FAILED:
            return failed(_said(status))
        return undecided(
            request,
            _said(status),
            timeout=self.timeout,
            recheck_after=_until_recheck(request),
        )


def _said(status: ObjectStatus) -> str:
    return f"{status.status}: {status.message}" if status.message else str(status.status)


def _until_recheck(request: CheckRequest) -> timedelta | None:
    """A window of the verdict may end although nothing happens."""
    at = request.status.recheck_at
    return max(at - request.now, timedelta(0)) if at is not None else None
