"""Admission webhooks that keep the server from answering a dry run (AP-65, AP-66).

Before: ``forecast`` or ``simulate`` sends a dry run.
After: the object has no prediction; a guard asks a person, or refuses.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

from rollwright.errors import ClusterError
from rollwright.plugins.contracts import ApplyRequest, Cluster
from rollwright.rollouts.change import Forecast, Prediction
from rollwright.rollouts.diff import Conflict
from rollwright.rollouts.live import LiveObject

PAUSE_SECONDS = 2.0
"""Before a dry run that timed out in a webhook is sent once more."""

_NAME = re.compile(r'webhook "([^"]+)"')
_NO_DRY_RUN = re.compile(r"(does|do) not support dry.?run|sideEffects", re.IGNORECASE)
_FAILED_CALL = re.compile(r"failed calling webhook")
_TIMED_OUT = re.compile(r"deadline exceeded|Client\.Timeout|timed out|i/o timeout", re.IGNORECASE)

Sleep = Callable[[float], Awaitable[None]]


async def dry_run(
    cluster: Cluster, request: ApplyRequest, *, sleep: Sleep = asyncio.sleep
) -> LiveObject:
    """Send a dry run; once more after a moment if a webhook did not answer in time."""
    try:
        return await cluster.apply(request)
    except ClusterError as error:
        if not _has_timed_out(error):
            raise
    await sleep(PAUSE_SECONDS)
    return await cluster.apply(request)


def unasked_webhook(error: ClusterError) -> str:
    """Return the webhook because of which there is no prediction; empty for any other refusal.

    It supports no dry run, or it did not answer in time. One that cannot be reached at all would
    refuse the apply too: that is a refusal, not a lack of knowledge.
    """
    is_unable = error.status == 400 and _NO_DRY_RUN.search(error.message) is not None
    if not is_unable and not _has_timed_out(error):
        return ""
    named = _NAME.search(error.message)
    return named[1] if named else "unknown"


def _has_timed_out(error: ClusterError) -> bool:
    is_call = error.status in {500, 504} and _FAILED_CALL.search(error.message) is not None
    return is_call and _TIMED_OUT.search(error.message) is not None


def unpredicted(webhook: str, conflicts: tuple[Conflict, ...]) -> Forecast:
    """Return that nothing is known of what an apply would do, and because of whom."""
    note = f"webhook {webhook!r} keeps the server from telling what an apply would do"
    return Forecast(prediction=Prediction.NONE, conflicts=conflicts, webhook=webhook, notes=(note,))
