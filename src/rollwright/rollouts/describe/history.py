"""The history of a rollout and the difference of two revisions in words.

Before: ``revisions`` has the values. After: ``history`` and ``diff`` print them.
"""

from __future__ import annotations

from collections.abc import Iterator

from rollwright.rollouts.describe.changes import FIELDS_SHOWN, field_lines
from rollwright.rollouts.describe.lines import Line, Tone, short
from rollwright.rollouts.revisions.history import (
    ADDED,
    CHANGED,
    REMOVED,
    SUCCEEDED,
    History,
    ObjectDifference,
    RevisionDiff,
)
from rollwright.rollouts.revisions.holding import why_held
from rollwright.rollouts.state import Revision

HEADERS = ("REVISION", "WHEN", "DURATION", "OUTCOME", "WHO", "KIND", "SOURCE", "MESSAGE")
_MESSAGE_LENGTH = 100
_MARKS = {
    ADDED: ("+", Tone.ADDED, "was added"),
    REMOVED: ("-", Tone.REMOVED, "was removed"),
    CHANGED: ("~", Tone.CHANGED, ""),
}


def history_rows(history: History) -> tuple[tuple[str, ...], ...]:
    """Return one row for each run, the latest first."""
    return tuple(map(_row, history.revisions))


def history_tones(history: History) -> tuple[Tone, ...]:
    """Return the tone of each row."""
    return tuple(Tone.PLAIN if one.outcome == SUCCEEDED else Tone.BAD for one in history.revisions)


def _row(one: Revision) -> tuple[str, ...]:
    kind = f"{one.kind} to {one.rolled_back_to}" if one.rolled_back_to else one.kind
    message = " ".join(one.message.split())
    cut = message if len(message) <= _MESSAGE_LENGTH else f"{message[: _MESSAGE_LENGTH - 1]}…"
    return (
        str(one.number),
        f"{one.ended_at:%Y-%m-%d %H:%M:%SZ}",
        f"{(one.ended_at - one.started_at).total_seconds():.1f} s",
        one.outcome,
        one.actor or "-",
        kind or "-",
        short(one.source) or "-",
        cut or "-",
    )


def history_notes(history: History) -> tuple[Line, ...]:
    """Return what stands under the table: the hold, and what was done beside the runs."""
    return tuple(_notes(history))


def _notes(history: History) -> Iterator[Line]:
    if history.hold is not None:
        yield Line(why_held(history.hold), Tone.WARNING)
    for entry in history.audit:
        words = f"{entry.at:%Y-%m-%d %H:%M:%SZ} {entry.kind} by {entry.actor}: {entry.message}"
        yield Line(words, Tone.QUIET)


def describe_diff(diff: RevisionDiff) -> tuple[Line, ...]:
    """Return how two revisions differ, object by object."""
    return tuple(_diff_lines(diff))


def _diff_lines(diff: RevisionDiff) -> Iterator[Line]:
    where = f" on {diff.cluster}" if diff.cluster else ""
    count = len(diff.objects)
    words = (
        f"{count} object{' differs' if count == 1 else 's differ'}" if count else "no difference"
    )
    title = f"{diff.rollout}{where}: from revision {diff.old.number} to {diff.new.number}: {words}"
    yield Line(title, Tone.TITLE)
    for sign, one in (("-", diff.old), ("+", diff.new)):
        yield Line(f"{sign} source {short(one.source)}", Tone.QUIET, 1)
    for difference in diff.objects:
        yield from _object_lines(difference)


def _object_lines(one: ObjectDifference) -> Iterator[Line]:
    mark, tone, words = _MARKS[one.kind]
    yield Line(f"{mark} {one.ref}  {words}".rstrip(), tone, 1)
    for field in one.fields[:FIELDS_SHOWN]:
        yield from field_lines(field)
    if (more := len(one.fields) - FIELDS_SHOWN) > 0:
        yield Line(f"… and {more} more fields", Tone.QUIET, 3)
