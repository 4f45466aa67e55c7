"""What deliveries came in lately, kept beside what they asked for (WH-06, WH-12).

Before: a delivery is noted as pending. After: the same one again is known by whichever process it
comes to, also after a restart, and a person can have the last one looked at again.

It is written with the note itself, so that it costs no answer any time. What is kept is what was
made of a delivery: ids, and what a run needs; no header of it, and no signature.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import orjson

from rollwright.plugins.contracts import Firing

NOTE = "deliveries"
"""The kind of note that holds it."""
TRIGGER = "webhook"
"""The kind of trigger whose firings are deliveries."""

KEPT = timedelta(minutes=10)
MOST = 100
"""Ids of a rollout; the receiver's own memory holds more."""


def is_repeated(notes: Mapping[str, str], firing: Firing, at: datetime) -> bool:
    """Whether the same delivery came in within ten minutes before an instant."""
    seen = _seen(notes, at)
    return any(one in seen for one in (firing.id, firing.fingerprint) if one)


def with_delivery(
    notes: Mapping[str, str], firing: Firing, at: datetime, text: str
) -> Mapping[str, str]:
    """Return notes that know of one delivery more; ``text`` is what is pending because of it."""
    seen = _seen(notes, at)
    ids = (one for one in (firing.id, firing.fingerprint) if one)
    known = {**seen, **dict.fromkeys(ids, at.isoformat())}
    newest = dict(sorted(known.items(), key=lambda one: one[1])[-MOST:])
    return {**notes, NOTE: orjson.dumps({"seen": newest, "last": text}).decode()}


def last_delivery(notes: Mapping[str, str]) -> str | None:
    """Return what was pending because of the last delivery, as text."""
    last = _read(notes).get("last")
    return last if isinstance(last, str) else None


def _seen(notes: Mapping[str, str], at: datetime) -> dict[str, str]:
    seen = _read(notes).get("seen")
    oldest = (at - KEPT).isoformat()
    found = seen if isinstance(seen, dict) else {}
    return {id_: when for id_, when in found.items() if isinstance(when, str) and when > oldest}


def _read(notes: Mapping[str, str]) -> Mapping[str, Any]:
    try:
        found = orjson.loads(notes.get(NOTE, "{}"))
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
