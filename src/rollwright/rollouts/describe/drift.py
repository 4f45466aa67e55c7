"""Drift in words: one block an object, with who changed which field, and when.

Before: ``drift`` found what differs.
After: ``cli`` colors the lines. Values of Secrets are not here: ``drift`` put digests in their place.
"""

from __future__ import annotations

from collections.abc import Iterator

from rollwright.rollouts.describe.changes import FIELDS_SHOWN, shown
from rollwright.rollouts.describe.lines import Line, Tone, short
from rollwright.rollouts.diff import ABSENT
from rollwright.rollouts.drift.fields import FieldDrift
from rollwright.rollouts.drift.find import Drift, DriftKind, ObjectDrift

CORRECT = "roll out again to correct it"

_MARKS = {
    DriftKind.MISSING: ("-", Tone.REMOVED),
    DriftKind.RECREATED: ("±", Tone.REMOVED),
    DriftKind.CHANGED: ("~", Tone.CHANGED),
    DriftKind.LOST: ("»", Tone.CHANGED),
    DriftKind.EXTRA: ("?", Tone.WARNING),
}


def describe_drift(drift: Drift) -> tuple[Line, ...]:
    """Return what differs of a rollout: the worst object first."""
    return tuple(_lines(drift))


def _lines(drift: Drift) -> Iterator[Line]:
    tone = Tone.BAD if drift.is_drifted else Tone.GOOD
    where = f" on {drift.cluster}" if drift.cluster else ""
    yield Line(f"{drift.rollout}{where}: {_verdict(drift)}", tone)
    if drift.source:
        yield Line(f"source {short(drift.source)}", Tone.QUIET, 1)
    for note in drift.notes:
        yield Line(f"note: {note}", Tone.QUIET, 1)
    for one in drift.objects:
        yield from _object_lines(one)
    if any(one.kind is not DriftKind.EXTRA for one in drift.objects):
        yield Line(f"hint: {CORRECT}", Tone.WARNING, 1)


def _verdict(drift: Drift) -> str:
    what = f"revision {drift.revision}" if drift.revision else "what was rolled out"
    if not drift.is_drifted:
        return f"as {what} left it"
    count = len(drift.objects)
    return f"{count} {'object differs' if count == 1 else 'objects differ'} from {what}"


def _object_lines(one: ObjectDrift) -> Iterator[Line]:
    mark, tone = _MARKS[one.kind]
    who = f" {one.holder}" if str(one.holder) else ""
    yield Line(f"{mark} {one.ref}  {one.message}{who}", tone, 1)
    for field in one.fields[:FIELDS_SHOWN]:
        yield Line(f"{field_words(field)} {_who(field)}".rstrip(), Tone.PLAIN, 3)
    if (more := len(one.fields) - FIELDS_SHOWN) > 0:
        yield Line(f"… and {more} more fields", Tone.QUIET, 3)


def field_words(field: FieldDrift) -> str:
    """Return what happened to a field: ``spec.replicas: 3 → 5``."""
    if field.new is ABSENT:
        return f"{field.path}: {shown(field.old)} → gone" if field.old is not ABSENT else field.path
    if field.old is ABSENT:
        return f"{field.path}: {shown(field.new)}"
    if field.is_same_value:
        return f"{field.path}: {shown(field.new)}, held"
    return f"{field.path}: {shown(field.old)} → {shown(field.new)}"


def _who(field: FieldDrift) -> str:
    if said := str(field.holder):
        return said
    return "by nobody who can be named: no manager holds a field that is gone"
