"""What is sent where that is not what was rendered, without the objects themselves.

Before: the plan leaves fields to other managers, so it sends another body than the manifest's.
After: a saved plan holds the edits; at the rollout they make the same body of the manifest again.

A value of a Secret is never written down: what stays as it is live is read from the live object.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from rollwright.rollouts.change import Change
from rollwright.rollouts.diff import ABSENT
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import Body, Manifest, ObjectRef, is_secret


class Edit(StrEnum):
    """What happens to one field of a manifest before it is sent."""

    REMOVE = "remove"
    SET = "set"
    AS_LIVE = "as-live"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldEdit:
    """One field that is sent otherwise than it was rendered."""

    path: tuple[str, ...]
    edit: Edit
    value: Any = ABSENT


@dataclass(frozen=True, slots=True, kw_only=True)
class SentFact:
    """What is sent of one object: the edits of its manifest, and the digest that they give."""

    ref: ObjectRef
    digest: str
    edits: tuple[FieldEdit, ...] = ()


def sent_fact(change: Change) -> SentFact | None:
    """Return what is sent of a change, if it is not the manifest."""
    if change.sent is None or change.wanted is None:
        return None
    found = _edits((), change.wanted.body, change.sent.body)
    if is_secret(change.wanted.body):
        found = (_without_value(edit) for edit in found)
    return SentFact(ref=change.ref, digest=change.sent.digest, edits=tuple(found))


def _without_value(edit: FieldEdit) -> FieldEdit:
    if edit.edit is Edit.REMOVE:
        return edit
    return replace(edit, edit=Edit.AS_LIVE, value=ABSENT)


def _edits(path: tuple[str, ...], wanted: Body, sent: Body) -> Iterator[FieldEdit]:
    for key in sorted({*wanted, *sent}):
        here = (*path, key)
        before, after = wanted.get(key, ABSENT), sent.get(key, ABSENT)
        if after is ABSENT:
            yield FieldEdit(path=here, edit=Edit.REMOVE)
        elif isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from _edits(here, before, after)
        elif type(before) is not type(after) or before != after:
            yield FieldEdit(path=here, edit=Edit.SET, value=after)


def with_edits(
    manifest: Manifest, fact: SentFact | None, live: LiveObject | None
) -> Manifest | None:
    """Return what is sent of a manifest; ``None`` if that is the manifest itself."""
    if fact is None:
        return None
    body: Any = manifest.body
    for edit in fact.edits:
        value = edit.value if edit.edit is Edit.SET else ABSENT
        if edit.edit is Edit.AS_LIVE and live is not None:
            value = _value_at(live.body, edit.path)
        body = _put(body, edit.path, value)
    return replace(manifest, body=body)


def _value_at(value: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return ABSENT
        value = value[key]
    return value


def _put(body: Any, path: tuple[str, ...], value: Any) -> Any:
    key, *rest = path
    inside = body if isinstance(body, Mapping) else {}
    if rest:
        return {**inside, key: _put(inside.get(key), tuple(rest), value)}
    if value is ABSENT:
        return {name: one for name, one in inside.items() if name != key}
    return {**inside, key: value}
