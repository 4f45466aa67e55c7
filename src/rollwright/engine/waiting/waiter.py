"""One wait: what is known of an object, and whether to go on waiting for it.

Before: ``observe`` has the newest state of the object and of what surrounds it.
After: the verdict ends the wait, or says when to look again.

The rules are pure and forget; what they need to know of earlier looks is kept here: when
something last moved, when a cause was first seen, how long the object has been Current.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from rollwright.rollouts.health import (
    Goal,
    HealthContext,
    Soak,
    WaitOutcome,
    WaitVerdict,
    causes_of,
    compute,
    fingerprint,
    judge_wait,
    new_revision_pods,
    subject_of,
)
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import Body, Manifest, ObjectRef
from rollwright.rollouts.report import Outcome
from rollwright.rollouts.status import ObjectStatus

_OUTCOMES = {
    WaitOutcome.PASSED: Outcome.SUCCEEDED,
    WaitOutcome.FAILED: Outcome.FAILED,
    WaitOutcome.TIMED_OUT: Outcome.TIMED_OUT,
}
_REASON_HINTS = {
    "ImagePull": "check the image's name and the pull secret",
    "InvalidImage": "correct the image's name",
    "CrashLoop": "look at the container's log: kubectl logs --previous",
    "OutOfMemory": "raise the container's memory limit",
    "Unschedulable": "free capacity, or change requests, selectors or tolerations",
    "QuotaExceeded": "raise the quota, or ask for less",
    "StuckOnFinalizer": "find the controller of the finalizer and see why it does not finish",
    "RestartsDuringSoak": "look at the container's log: kubectl logs --previous",
    "TimedOut": "raise health.timeout if the object needs longer",
    "NoProgress": "raise health.progressTimeout if the object needs longer between steps",
}
_UNINFORMED = WaitVerdict(
    outcome=WaitOutcome.WAITING, reason="Soaking", message="its pods are not known yet"
)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """An object that is waited for.

    Attributes:
        ref, api_version: The object, and the version it is watched in.
        applied_at: When our write was answered, or the wait began.
        manifest: What we applied, if we did.
        live: The answer to our write, or what is known of the object.
        is_ours: Whether it has our label, as far as that is known before it is seen.
        uid: Of the object that is to go; only for ``wait_until_gone``.
        unblock: Called once dependants may start although the object is not yet Current.
        look: Decides whether to go on waiting, where a step has a say in it.
    """

    ref: ObjectRef
    api_version: str
    applied_at: datetime
    manifest: Manifest | None = None
    live: LiveObject | None = None
    is_ours: bool = True
    uid: str = ""
    unblock: Callable[[], None] = lambda: None
    look: Callable[[Look], Awaitable[WaitVerdict]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at an object that is waited for.

    Attributes:
        live: The object; ``None`` while it does not exist.
        status: The verdict on its health.
        verdict: Whether the wait for its health goes on.
        pods: Its live pods, as far as they are known.
        now: The moment.
    """

    live: LiveObject | None
    status: ObjectStatus
    verdict: WaitVerdict
    pods: tuple[Body, ...]
    now: datetime


@dataclass(frozen=True, kw_only=True)
class Waited:
    """How a wait ended; ``live`` is the object as it was seen last."""

    outcome: Outcome
    message: str = ""
    status: ObjectStatus | None = None
    hint: str = ""
    live: LiveObject | None = None


@dataclass(kw_only=True)
class Waiter:
    """A wait that goes on.

    Attributes:
        moved_at: When anything about the object last moved.
        changed: Set when there is something new to look at.
        soak: How long the object has been Current; ``None`` when that does not matter.
        told: The verdict that was told last.
        first_seen: When each cause was first seen (HL-127).
        pods: Those of the current revision, as they were seen last.
        all_pods: Those of every revision.
    """

    subject: Subject
    goal: Goal
    live: LiveObject | None
    moved_at: datetime
    soak: Soak | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    fingerprint: str = ""
    told: str = ""
    first_seen: dict[str, datetime] = field(default_factory=dict)
    pods: tuple[Body, ...] = ()
    all_pods: tuple[Body, ...] = ()

    def judge(
        self, context: HealthContext, now: datetime, *, is_informed: bool
    ) -> tuple[ObjectStatus, WaitVerdict]:
        """Return the verdict on the object, and on the wait.

        Args:
            context: What surrounds the object.
            now: The moment.
            is_informed: Whether the context holds all pods of the object.
        """
        body, ref = self.live.body if self.live else None, self.subject.ref
        if body is not None:
            context = replace(context, first_seen=self._remember(body, context, now))
        status = compute(body, context, now, ref=ref)
        seen = fingerprint(body, context.pods)
        if seen != self.fingerprint:
            self.fingerprint, self.moved_at = seen, now
        verdict = judge_wait(
            status,
            body,
            self._since_break(context),
            now=now,
            progressed_at=self.moved_at,
            goal=self.goal,
        )
        self.pods = pods_of(body, context) if body is not None else ()
        self.all_pods = context.pods
        if self.soak is None or body is None:
            return status, verdict
        return status, self._soaked(self.soak, status, verdict, (self.pods, now, is_informed))

    def _since_break(self, context: HealthContext) -> HealthContext:
        """Let an object that left Current while it soaked have all its time again (HL-137)."""
        broken_at = self.soak.broken_at if self.soak else None
        if broken_at is None or context.applied_at is None or broken_at < context.applied_at:
            return context
        return replace(context, applied_at=broken_at)

    def _remember(self, body: Body, context: HealthContext, now: datetime) -> dict[str, datetime]:
        """Note the causes that are seen now; one that comes and goes keeps its window."""
        if context.pods or self.subject.ref.group_kind == ("", "Pod"):
            for cause in causes_of(subject_of(self.subject.ref, body, context, now)):
                self.first_seen.setdefault(cause.key, now)
        return self.first_seen

    def _soaked(
        self,
        soak: Soak,
        status: ObjectStatus,
        verdict: WaitVerdict,
        seen: tuple[tuple[Body, ...], datetime, bool],
    ) -> WaitVerdict:
        """Let a wait pass only after the object has stayed Current for a while (HL-135)."""
        pods, now, is_informed = seen
        is_over_otherwise = verdict.is_over and not status.is_current
        is_on = status.is_current or soak.has_begun
        if verdict.reason == "Skipped" or is_over_otherwise or not is_on:
            return verdict
        if not is_informed:
            # Restarts from before the clock starts do not count, so they have to be known (HL-139).
            return _UNINFORMED
        self.soak = soak.observe(status, pods, now)
        soaking = self.soak.verdict(now)
        return soaking if soaking.is_over or status.is_current else verdict


def pods_of(body: Body, context: HealthContext) -> tuple[Body, ...]:
    """Return the pods of the current revision; a Pod is its own."""
    if (body.get("kind"), body.get("apiVersion")) == ("Pod", "v1"):
        return (body,)
    return new_revision_pods(body, context.replica_sets, context.pods, context.controller_revisions)


def waited(status: ObjectStatus, verdict: WaitVerdict) -> Waited:
    """Return how a wait ended, in words for a person."""
    hint = _REASON_HINTS.get(status.reason) or _REASON_HINTS.get(verdict.reason, "")
    is_good = verdict.outcome is WaitOutcome.PASSED
    message = status.message if is_good else verdict.message or status.message
    return Waited(
        outcome=_OUTCOMES[verdict.outcome],
        message=message,
        status=status,
        hint="" if is_good else hint,
    )
