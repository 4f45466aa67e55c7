"""Events of an object and of what belongs to it, whichever API version wrote them.

Only events that are younger than our apply count: older ones speak of the world before (HL-146).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rollwright.rollouts.health.ownership import is_owned_by
from rollwright.rollouts.health.subject import Subject, earliest, latest, moment
from rollwright.rollouts.manifest import Body
from rollwright.rollouts.status import Evidence

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """What happened, to whom, how often and since when."""

    reason: str
    message: str
    kind: str
    name: str
    uid: str
    count: int
    first_at: datetime | None
    last_at: datetime | None
    evidence: Evidence


def occurrence_of(event: Body) -> Occurrence:
    """Read an event of ``v1`` or ``events.k8s.io/v1``."""
    metadata = event.get("metadata") or {}
    about = event.get("regarding") or event.get("involvedObject") or {}
    series = event.get("series") or {}
    first = earliest(*_times(event, "firstTimestamp", "deprecatedFirstTimestamp", "eventTime"))
    last = latest(
        *_times(event, "lastTimestamp", "deprecatedLastTimestamp", "eventTime"),
        moment(series.get("lastObservedTime")),
    )
    created = moment(metadata.get("creationTimestamp"))
    said = str(event.get("message") or event.get("note") or "")
    count = event.get("count") or event.get("deprecatedCount") or series.get("count") or 1
    return Occurrence(
        reason=str(event.get("reason") or ""),
        message=said,
        kind=str(about.get("kind") or ""),
        name=str(about.get("name") or ""),
        uid=str(about.get("uid") or ""),
        count=int(count),
        first_at=first or created,
        last_at=last or first or created,
        evidence=Evidence(
            kind="Event",
            name=str(metadata.get("name") or ""),
            uid=str(metadata.get("uid") or ""),
            text=said,
        ),
    )


def _times(event: Body, *fields: str) -> Iterator[datetime | None]:
    return (moment(event.get(field)) for field in fields)


def occurrences(s: Subject, pods: Sequence[Body] = ()) -> tuple[Occurrence, ...]:
    """Return the events of an object, its dependents and the given pods, oldest first."""
    uids = _uids(s, pods)
    applied_at = s.context.applied_at
    seen = [occurrence_of(event) for event in s.context.events]
    ours = [
        one
        for one in seen
        if one.uid in uids and not (applied_at and one.last_at and one.last_at < applied_at)
    ]
    return tuple(sorted(ours, key=lambda one: one.first_at or _LONG_AGO))


def _uids(s: Subject, pods: Sequence[Body]) -> frozenset[str]:
    context = s.context
    dependents = [
        one for one in (*context.replica_sets, *context.children) if is_owned_by(one, s.body)
    ]
    everybody = (s.body, *dependents, *pods)
    return frozenset(str((one.get("metadata") or {}).get("uid") or "-") for one in everybody)
