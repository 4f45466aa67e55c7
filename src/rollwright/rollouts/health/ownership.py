"""Who belongs to whom, and who last wrote a field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rollwright.rollouts.health.subject import moment
from rollwright.rollouts.manifest import Body


def controller_of(body: Body) -> Mapping[str, Any] | None:
    """Return the owner reference of the controller, if there is one."""
    owners = (body.get("metadata") or {}).get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), None)


def is_owned_by(body: Body, owner: Body) -> bool:
    """Whether one object's owners name another; by UID if both have one."""
    metadata = owner.get("metadata") or {}
    uid, name = metadata.get("uid"), metadata.get("name")
    references = (body.get("metadata") or {}).get("ownerReferences") or ()
    if uid:
        return any(one.get("uid") == uid for one in references)
    kind = owner.get("kind")
    return any(one.get("kind") == kind and one.get("name") == name for one in references)


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """A field manager and when it last wrote."""

    manager: str
    wrote_at: datetime | None

    def __str__(self) -> str:
        return (
            f"{self.manager} at {self.wrote_at:%Y-%m-%d %H:%M:%S}Z"
            if self.wrote_at
            else self.manager
        )


def writers_of(metadata: Mapping[str, Any], *path: str) -> Iterator[Writer]:
    """Yield who owns a field, given as its keys in managedFields (``f:spec``, ``f:paused``)."""
    for entry in metadata.get("managedFields") or ():
        if not entry.get("subresource") and _holds(entry.get("fieldsV1") or {}, path):
            manager = str(entry.get("manager") or "unknown")
            yield Writer(manager=manager, wrote_at=moment(entry.get("time")))


def _holds(fields: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    for key in path:
        if key not in fields:
            return False
        fields = fields[key]
    return True
