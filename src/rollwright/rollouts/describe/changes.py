"""Objects and fields in words: what changes, from what to what, and whose doing it is.

Before: ``fates`` and ``diff`` say what becomes of an object.
After: ``plans`` puts the lines under the steps; ``history`` and ``drift`` show fields with them.

Values of Secrets are not here: ``diff`` already replaced them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from difflib import unified_diff
from typing import Any

import orjson

from rollwright.rollouts.change import Change, Operation, Prediction
from rollwright.rollouts.describe.lines import Line, Tone
from rollwright.rollouts.diff import ABSENT, Conflict, FieldChange
from rollwright.rollouts.field_reasons import MIGRATION, SERVER

VALUE_LENGTH = 72
"""Characters of a value that a line may show."""


FIELDS_SHOWN = 20
"""Fields of one object that are shown."""


_TEXT_LINES_SHOWN = 16


_MARKS = {
    Operation.CREATE: ("+", Tone.ADDED),
    Operation.UPDATE: ("~", Tone.CHANGED),
    Operation.ADOPT: ("»", Tone.CHANGED),
    Operation.REPLACE: ("±", Tone.REMOVED),
    Operation.PRUNE: ("-", Tone.REMOVED),
    Operation.RUN: ("▸", Tone.CHANGED),
    Operation.KEEP: ("=", Tone.QUIET),
}


def change_lines(change: Change, common: Collection[str] = ()) -> Iterator[Line]:
    """Yield what becomes of one object, and its fields; notes of ``common`` are told elsewhere."""
    mark, tone = _MARKS[change.operation]
    why = change.why
    if not change.writes and change.status is not None:
        mark, tone = "…", Tone.WARNING
        why = f"is {change.status.status}: {change.status.message or change.status.reason}"
    yield Line(f"{mark} {change.ref}  {why}", tone, 1)
    for field in change.fields[:FIELDS_SHOWN]:
        yield from field_lines(field)
    if (more := len(change.fields) - FIELDS_SHOWN) > 0:
        yield Line(f"… and {more} more fields", Tone.QUIET, 3)
    yield from (_conflict_line(conflict) for conflict in change.conflicts)
    for note in change.notes:
        if note not in common:
            yield Line(f"note: {note}", Tone.QUIET, 3)
    if change.writes and change.prediction is Prediction.NONE:
        yield Line("not predicted", Tone.WARNING, 3)


_RULED = {
    "take": "takes {path} from {owner}",
    "leave": "leaves {path} to {owner}",
    "adopt": "adopts {path} as {owner} has it",
    "fail": "may not take {path} from {owner}",
}


def _conflict_line(conflict: Conflict) -> Line:
    owner = conflict.manager
    owner += f" ({conflict.subresource})" if conflict.subresource else ""
    owner += f", since {conflict.since:%Y-%m-%d %H:%M:%SZ}" if conflict.since else ""
    text = _RULED.get(conflict.action, _RULED["take"]).format(path=conflict.path, owner=owner)
    if conflict.theirs is not ABSENT and conflict.ours is not ABSENT:
        text += f": theirs {shown(conflict.theirs)}, ours {shown(conflict.ours)}"
    if conflict.action == "take" and conflict.is_person:
        return Line(f"note: {text}", Tone.QUIET, 3)
    return Line(text, Tone.BAD if conflict.action == "fail" else Tone.WARNING, 3)


def field_lines(field: FieldChange) -> Iterator[Line]:
    """Yield one field that differs: before and after, a text line by line."""
    old, new = field.old, field.new
    is_text = isinstance(old, str) and isinstance(new, str) and "\n" in old + new
    if is_text:
        yield Line(f"{field.path}:", Tone.PLAIN, 3)
        yield from _text_lines(old, new)
    elif old is ABSENT:
        yield Line(f"+ {field.path}: {shown(new)}{_by(field)}", Tone.ADDED, 3)
    elif new is ABSENT:
        yield Line(f"- {field.path}: {shown(old)}{_by(field)}", Tone.REMOVED, 3)
    else:
        yield Line(f"{field.path}: {shown(old)} → {shown(new)}{_by(field)}", Tone.PLAIN, 3)


_BY = {
    SERVER: "  (by the server: a default, or admission)",
    MIGRATION: "  (taken over, and not declared)",
}


def _by(field: FieldChange) -> str:
    """Say of what nobody declared whose doing it is (PL-42)."""
    return _BY.get(field.by, "")


def _text_lines(old: str, new: str) -> Iterator[Line]:
    lines = list(unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=1))[2:]
    tones = {"+": Tone.ADDED, "-": Tone.REMOVED}
    for line in lines[:_TEXT_LINES_SHOWN]:
        yield Line(line[: VALUE_LENGTH + 20], tones.get(line[:1], Tone.QUIET), 4)
    if (more := len(lines) - _TEXT_LINES_SHOWN) > 0:
        yield Line(f"… and {more} more lines", Tone.QUIET, 4)


def shown(value: Any) -> str:
    """Return a value as JSON, cut to a line."""
    text = orjson.dumps(value).decode()
    return text if len(text) <= VALUE_LENGTH else text[: VALUE_LENGTH - 1] + "…"
