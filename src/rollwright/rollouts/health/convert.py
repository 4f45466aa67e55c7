"""Verdicts in the words of others, and the verdict on a whole rollout (HL-05..07)."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.status import ObjectStatus, Status

_ARGO = {
    Status.CURRENT: "Healthy",
    Status.IN_PROGRESS: "Progressing",
    Status.SUSPENDED: "Suspended",
    Status.FAILED: "Degraded",
    Status.TERMINATING: "Progressing",
    Status.NOT_FOUND: "Missing",
    Status.UNKNOWN: "Unknown",
}


def to_argo(status: ObjectStatus) -> str | None:
    """Return the word of Argo CD; nothing for a kind that it has no rule for."""
    return None if status.rule.startswith("generic.") else _ARGO[status.status]


def to_kstatus(status: ObjectStatus) -> str:
    """Return the word of kstatus, which knows no suspension."""
    return "Current" if status.status is Status.SUSPENDED else status.status.value


def overall(statuses: Iterable[ObjectStatus], ignored: Collection[ObjectRef] = ()) -> Status:
    """Return the health of a rollout: the worst of its own objects (HL-06).

    A suspended Job does not pull it down; ``ignored`` objects are left out (HL-07).
    """
    counted = (_counted(one) for one in statuses if one.ref not in ignored)
    return max(counted, key=lambda status: status.severity, default=Status.CURRENT)


def _counted(one: ObjectStatus) -> Status:
    is_job = one.ref.group_kind == ("batch", "Job")
    return Status.CURRENT if is_job and one.status is Status.SUSPENDED else one.status


def worst_first(statuses: Iterable[ObjectStatus]) -> tuple[ObjectStatus, ...]:
    """Return the objects that are not Current, the worst one first (HL-134, HL-151)."""
    troubled = (one for one in statuses if not one.is_current)
    return tuple(sorted(troubled, key=lambda one: -one.status.severity))
