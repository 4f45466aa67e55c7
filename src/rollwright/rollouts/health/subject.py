"""What a rule sees, and what it says.

Before: ``compute`` was called with an object as the API server returned it.
After: the rules read a ``Subject`` and return a ``Finding``; ``verdict`` makes the verdict of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from rollwright.rollouts.health.context import HealthContext, HealthOptions
from rollwright.rollouts.manifest import Body, ObjectRef
from rollwright.rollouts.status import Evidence, HealthWarning, Status

Condition: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule found; ``test`` becomes the last part of the rule's id."""

    status: Status
    test: str
    reason: str = ""
    message: str = ""
    since: datetime | None = None
    recheck_at: datetime | None = None
    warnings: tuple[HealthWarning, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    unblocks: bool = False


Rule: TypeAlias = "Callable[[Subject], Finding]"


@dataclass(frozen=True, slots=True)
class Subject:
    """One object, ready to be judged."""

    ref: ObjectRef
    body: Body
    context: HealthContext
    now: datetime | None
    metadata: Mapping[str, Any]
    spec: Mapping[str, Any]
    status: Mapping[str, Any]
    conditions: Mapping[str, Condition]

    @property
    def options(self) -> HealthOptions:
        """The options that hold for this object."""
        return self.context.options

    @property
    def annotations(self) -> Mapping[str, str]:
        """Annotations of the object."""
        return self.metadata.get("annotations") or {}

    @property
    def created_at(self) -> datetime | None:
        """When it was created; ``None`` means long ago (HL-09)."""
        return moment(self.metadata.get("creationTimestamp"))

    def count(self, field: str) -> int:
        """Return a counter of the status; absent means 0."""
        return int(self.status.get(field) or 0)

    def is_over(self, start: datetime | None, window: timedelta) -> bool:
        """Whether a window that began at ``start`` has passed."""
        return is_over(start, window, self.now)


def subject_of(ref: ObjectRef, body: Body, context: HealthContext, now: datetime | None) -> Subject:
    """Take an object apart."""
    status = body.get("status") or {}
    conditions = status.get("conditions")
    return Subject(
        ref,
        body,
        context,
        now,
        body.get("metadata") or {},
        body.get("spec") or {},
        status,
        by_type(conditions) if conditions else {},
    )


def by_type(conditions: Iterable[Condition]) -> Mapping[str, Condition]:
    """Return conditions by their type, whatever their order (HL-117).

    Custom kinds may call anything ``conditions``; what is none is left out.
    """
    try:
        return {condition["type"]: condition for condition in conditions}
    except (KeyError, TypeError):
        return {one["type"]: one for one in well_formed(conditions)}


def well_formed(conditions: object) -> list[Condition]:
    """Return the items that have the shape of a condition."""
    found = conditions if isinstance(conditions, list | tuple) else ()
    return [one for one in found if isinstance(one, Mapping) and isinstance(one.get("type"), str)]


def is_over(start: datetime | None, window: timedelta, now: datetime | None) -> bool:
    """Whether a window has passed; an unknown start was long ago, a zero window is over."""
    return now is None or start is None or not window or now - start >= window


def moment(value: object) -> datetime | None:
    """Read a time as Kubernetes writes it; ``None`` for anything else."""
    if not isinstance(value, str):
        return None
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def changed_at(condition: Condition) -> datetime | None:
    """When a condition took its status."""
    return moment(condition.get("lastTransitionTime"))


def text_of(condition: Condition) -> str:
    """Return what a condition says to a person."""
    said = condition.get("message") or condition.get("reason")
    return str(said or f"{condition['type']} is {condition.get('status')}")


def earliest(*moments: datetime | None) -> datetime | None:
    """Return the earliest of the known moments."""
    return min((one for one in moments if one is not None), default=None)


def latest(*moments: datetime | None) -> datetime | None:
    """Return the latest of the known moments."""
    return max((one for one in moments if one is not None), default=None)


def plural(number: int, noun: str) -> str:
    """Return ``1 pod``, ``2 pods``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def current(test: str, message: str = "", *, reason: str = "") -> Finding:
    """It is as desired and works."""
    return Finding(Status.CURRENT, test, reason, message)


def in_progress(test: str, reason: str, message: str) -> Finding:
    """It is on its way."""
    return Finding(Status.IN_PROGRESS, test, reason, message)


def failed(test: str, reason: str, message: str) -> Finding:
    """It will not get there without a change."""
    return Finding(Status.FAILED, test, reason, message)


def from_condition(status: Status, test: str, condition: Condition) -> Finding:
    """Say what a condition says."""
    kind, words = str(condition["type"]), text_of(condition)
    evidence = (Evidence(kind="Condition", name=kind, text=words),)
    reason = str(condition.get("reason") or kind)
    return Finding(status, test, reason, words, changed_at(condition), evidence=evidence)


def after_window(
    finding: Finding, start: datetime | None, window: timedelta, s: Subject
) -> Finding:
    """Turn a failure into InProgress, its reason kept, until the window is over (section 8)."""
    if is_over(start, window, s.now) or start is None:
        return finding
    return Finding(
        Status.IN_PROGRESS,
        finding.test,
        finding.reason,
        finding.message,
        finding.since,
        start + window,
        finding.warnings,
        finding.evidence,
    )
