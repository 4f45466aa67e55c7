"""Whether a run goes on waiting for an object: another question than how the object is.

Before: ``verdict`` judged the object as it stands.
After: ``engine`` sets a timer to ``recheck_at``, or ends the wait; ``soak`` may follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from rollwright.rollouts.health.annotations import is_ignored, skips_wait, timeout_of
from rollwright.rollouts.health.causes import WINDOW_OF, Cause, causes_of
from rollwright.rollouts.health.context import EMPTY, HealthContext, HealthOptions, SuspendedPolicy
from rollwright.rollouts.health.subject import earliest, is_over, latest, subject_of
from rollwright.rollouts.manifest import Body
from rollwright.rollouts.status import ObjectStatus, Status


class WaitOutcome(StrEnum):
    """How a wait stands; cancelling one is the engine's business."""

    PASSED = "passed"
    WAITING = "waiting"
    FAILED = "failed"
    TIMED_OUT = "timed-out"


class Goal(StrEnum):
    """What is waited for."""

    READY = "ready"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitVerdict:
    """How a wait for one object stands.

    Attributes:
        recheck_at: When it can change although nothing happens.
        unblocks: Whether dependants may start now (HL-144).
    """

    outcome: WaitOutcome
    reason: str = ""
    message: str = ""
    recheck_at: datetime | None = None
    unblocks: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nothing is waited for any more."""
        return self.outcome is not WaitOutcome.WAITING


def judge_wait(
    status: ObjectStatus,
    body: Body | None,
    context: HealthContext = EMPTY,
    *,
    now: datetime,
    progressed_at: datetime | None = None,
    goal: Goal = Goal.READY,
) -> WaitVerdict:
    """Return whether a wait for an object has passed, goes on, or has failed.

    Args:
        status: The verdict that ``compute`` gave for this body, context and moment.
        body: The object; ``None`` when it is not there.
        context: The same as for ``compute``; ``applied_at`` starts the clocks.
        now: The moment.
        progressed_at: When the object's ``fingerprint`` last changed.
        goal: ``gone`` after a delete.
    """
    if goal is Goal.GONE:
        return _until_gone(status, body, context, now, progressed_at)
    if is_ignored(body, status.ref, context.options) or skips_wait(body):
        return _ended(WaitOutcome.PASSED, "Skipped", "not waited for, as asked")
    found = _by_status(status, body, context, now)
    if found.is_over:
        return found
    return _by_clock(found, status, body, context, (now, progressed_at))


def _ended(
    outcome: WaitOutcome, reason: str, message: str, *, unblocks: bool = False
) -> WaitVerdict:
    unblocks = unblocks or outcome is WaitOutcome.PASSED
    return WaitVerdict(outcome=outcome, reason=reason, message=message, unblocks=unblocks)


def _until_gone(
    status: ObjectStatus,
    body: Body | None,
    context: HealthContext,
    now: datetime,
    progressed_at: datetime | None,
) -> WaitVerdict:
    if status.status is Status.NOT_FOUND:
        return _ended(WaitOutcome.PASSED, "NotFound", "it is gone")
    return _by_clock(_waiting(status), status, body, context, (now, progressed_at))


def _waiting(status: ObjectStatus, *rechecks: datetime | None) -> WaitVerdict:
    return WaitVerdict(
        outcome=WaitOutcome.WAITING,
        reason=status.reason,
        message=status.message,
        recheck_at=earliest(status.recheck_at, *rechecks),
        unblocks=status.unblocks,
    )


def _by_status(
    status: ObjectStatus, body: Body | None, context: HealthContext, now: datetime
) -> WaitVerdict:
    word = status.status
    if word is Status.CURRENT:
        return _ended(WaitOutcome.PASSED, status.reason, status.message)
    if word is Status.SUSPENDED:
        return _suspended(status, context)
    if word is Status.NOT_FOUND:
        return _vanished(status, context, now)
    if word in {Status.FAILED, Status.IN_PROGRESS}:
        return _failing(status, body, context, now)
    return _waiting(status)


def _suspended(status: ObjectStatus, context: HealthContext) -> WaitVerdict:
    """HL-03: a suspension that the manifest asks for is what was wanted."""
    policy = context.options.suspended
    if policy is None:
        policy = (
            SuspendedPolicy.PASS if asks_for_suspension(context.wanted) else SuspendedPolicy.WAIT
        )
    if policy is SuspendedPolicy.PASS:
        return _ended(WaitOutcome.PASSED, status.reason, status.message)
    if policy is SuspendedPolicy.FAIL:
        return _ended(WaitOutcome.FAILED, status.reason, status.message)
    return _waiting(status)


def asks_for_suspension(wanted: Body | None) -> bool:
    """Whether a manifest suspends or pauses its object."""
    spec = (wanted or {}).get("spec") or {}
    return bool(spec.get("paused") or spec.get("suspend"))


def _vanished(status: ObjectStatus, context: HealthContext, now: datetime) -> WaitVerdict:
    """HL-04: a watch may lag behind our apply, but not for long."""
    start, window = context.applied_at, context.options.windows.not_found
    if start is not None and not is_over(start, window, now):
        return _waiting(status, start + window)
    return _ended(WaitOutcome.FAILED, "Vanished", "it was applied and is not there any more")


def _failing(
    status: ObjectStatus, body: Body | None, context: HealthContext, now: datetime
) -> WaitVerdict:
    causes = _causes(status, body, context, now)
    fatal = next((cause for cause in causes if cause.has_failed), None)
    if fatal is not None and context.options.fail_fast:
        message = status.message if fatal.text in status.message else fatal.text
        return _ended(WaitOutcome.FAILED, fatal.code, message, unblocks=status.unblocks)
    rechecks = [cause.fails_at for cause in causes] if context.options.fail_fast else []
    if status.status is Status.IN_PROGRESS or any(one.code == status.reason for one in causes):
        return _waiting(status, *rechecks)
    return _failed(status, context.options, now, rechecks)


def _causes(
    status: ObjectStatus, body: Body | None, context: HealthContext, now: datetime
) -> list[Cause]:
    """Return the causes that may end the wait early."""
    if body is None or status.rule.endswith(".generation"):
        return []
    if not (context.pods or context.events or status.ref.kind == "Pod"):
        return []
    found = causes_of(subject_of(status.ref, body, context, now))
    return [cause for cause in found if cause.is_early]


def _failed(
    status: ObjectStatus,
    options: HealthOptions,
    now: datetime,
    rechecks: list[datetime | None],
) -> WaitVerdict:
    """A verdict Failed ends the wait: at once if it is final, else after its window."""
    window = _window_of(status, options)
    if window is None:
        return _ended(WaitOutcome.FAILED, status.reason, status.message)
    if not options.fail_fast:
        return _waiting(status)
    if is_over(status.since, window, now) or status.since is None:
        return _ended(WaitOutcome.FAILED, status.reason, status.message)
    return _waiting(status, status.since + window, *rechecks)


_FINAL = frozenset({"core.Pod.failed"})
_FLAPPING = ("custom:", "bundled:", "generic.", "policy.", "apiextensions.k8s.io.")
_JUDGED_WITH_WINDOW = frozenset(
    {
        "apps.Deployment.no-progress",
        "core.Pod.unschedulable",
        "autoscaling.HorizontalPodAutoscaler.metrics",
    }
)
"""Rules that say Failed only after their window, so that the wait adds none."""


def _window_of(status: ObjectStatus, options: HealthOptions) -> timedelta | None:
    """Return the window of a Failed verdict; ``None`` when it is final (section 8)."""
    if status.rule in _FINAL:
        return None
    name = WINDOW_OF.get(status.reason)
    if name is not None:
        window: timedelta = getattr(options.windows, name)
        return window
    if status.rule.startswith(_FLAPPING) or status.rule.endswith(".replica-failure"):
        return options.windows.condition_flap
    return timedelta(0) if status.rule in _JUDGED_WITH_WINDOW else None


def _by_clock(
    found: WaitVerdict,
    status: ObjectStatus,
    body: Body | None,
    context: HealthContext,
    clocks: tuple[datetime, datetime | None],
) -> WaitVerdict:
    """End a wait that takes too long, or in which nothing moves any more."""
    now, progressed_at = clocks
    applied_at = context.applied_at
    limit = _limit(body, context.options)
    still = latest(applied_at, progressed_at)
    silence = context.options.progress_timeout
    if applied_at is not None and now - applied_at >= limit:
        words = f"not done within {_seconds(limit)} s: {status.status}, {status.message}"
        return _ended(WaitOutcome.TIMED_OUT, "TimedOut", words, unblocks=found.unblocks)
    if still is not None and now - still >= silence:
        words = f"nothing has changed for {_seconds(silence)} s: {status.status}, {status.message}"
        return _ended(WaitOutcome.FAILED, "NoProgress", words, unblocks=found.unblocks)
    ends = [start + length for start, length in ((applied_at, limit), (still, silence)) if start]
    return WaitVerdict(
        outcome=found.outcome,
        reason=found.reason,
        message=found.message,
        recheck_at=earliest(found.recheck_at, *ends),
        unblocks=found.unblocks,
    )


def _limit(body: Body | None, options: HealthOptions) -> timedelta:
    """Return how long the wait may last; somebody's unreadable annotation on it changes nothing."""
    try:
        return timeout_of(body, options)
    except ValueError:
        return options.timeout


def _seconds(length: timedelta) -> str:
    return f"{length.total_seconds():g}"
