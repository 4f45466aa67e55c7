"""What every form is made of: instants, durations, objects by their identity, lists.

Before: the core has values. After: ``plans``, ``reports`` and their siblings put them into forms.

Instants are RFC 3339 in UTC, durations seconds. Within an API version fields are only added.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rollwright.rollouts.machine import forms
from rollwright.rollouts.manifest import ObjectRef

API_VERSION = "rollwright.dev/v1alpha1"


def list_form(kind: str, items: list[Any]) -> dict[str, Any]:
    """Return a table as JSON: ``kind`` names what the items are, such as ``LockList``."""
    return {"apiVersion": API_VERSION, "kind": kind, "items": items}


def instant(at: datetime) -> str:
    """Return an instant as RFC 3339 in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def ref_form(ref: ObjectRef) -> forms.RefForm:
    """Return the identity of an object as JSON."""
    return {"group": ref.group, "kind": ref.kind, "namespace": ref.namespace, "name": ref.name}


def maybe_instant(at: datetime | None) -> str | None:
    """Return an instant as JSON; ``None`` where there is none."""
    return instant(at) if at else None


def seconds_between(begin: datetime | None, end: datetime | None) -> float | None:
    """Return how long something took; ``None`` if one end of it is not known."""
    return round((end - begin).total_seconds(), 3) if begin and end else None


def reasons_form(pairs: Any) -> list[forms.ReasonForm]:
    """Return objects with a reason each, in order."""
    return [{"object": ref_form(ref), "why": why} for ref, why in sorted(pairs)]
