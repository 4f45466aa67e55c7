"""The verdict on one object: seven words, and a sentence for a person.

``health`` computes verdicts; ``plan``, ``report`` and every face print them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rollwright.rollouts.manifest import ObjectRef


class Status(StrEnum):
    """kstatus' six words, and Suspended."""

    CURRENT = "Current"
    SUSPENDED = "Suspended"
    IN_PROGRESS = "InProgress"
    TERMINATING = "Terminating"
    NOT_FOUND = "NotFound"
    FAILED = "Failed"
    UNKNOWN = "Unknown"

    @property
    def severity(self) -> int:
        """Place in the order from best to worst (HL-02)."""
        return _SEVERITY[self]


_SEVERITY = {status: place for place, status in enumerate(Status)}


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthWarning:
    """Something to know that does not change the verdict."""

    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """An object that a verdict rests on: a pod, an event, a condition."""

    kind: str
    name: str
    uid: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectStatus:
    """The verdict on one object.

    Attributes:
        ref: The object.
        status: One of the seven words.
        reason: A code from a fixed list, CamelCase, such as ``LessReady``.
        message: One sentence for a person, with numbers.
        rule: The rule that decided, such as ``apps.Deployment.ready`` or ``generic.default``.
        since: When this status began, if that is known.
        warnings: They never change the status.
        evidence: What the verdict rests on.
        recheck_at: Earliest time at which the verdict can change without a change of the object.
        unblocks: Whether dependants may start although the object is not yet Current.
    """

    ref: ObjectRef
    status: Status
    reason: str = ""
    message: str = ""
    rule: str = ""
    since: datetime | None = None
    warnings: tuple[HealthWarning, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    recheck_at: datetime | None = None
    unblocks: bool = False

    @property
    def is_current(self) -> bool:
        """Whether the object is as desired and works."""
        return self.status is Status.CURRENT

    def __str__(self) -> str:
        words = f"{self.ref} {self.status}"
        return f"{words}: {self.message}" if self.message else words


def worst(statuses: Iterable[ObjectStatus]) -> Status:
    """Return the worst status; Current when there are none (HL-06)."""
    return max((one.status for one in statuses), key=lambda s: s.severity, default=Status.CURRENT)
