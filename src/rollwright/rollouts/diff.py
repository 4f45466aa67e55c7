"""Fields that differ between two bodies, as values.

Before: ``live`` and a forecast hold both bodies.
After: ``plan`` keeps the field changes; ``describe`` prints them.

Values of Secrets never leave this module: they are compared here, and stand as keyed digests.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import orjson

from rollwright.rollouts.hiding import SECRET_PARTS, hidden_texts, is_quoting
from rollwright.rollouts.manifest import Body, is_secret


class _Absent:
    __slots__ = ()

    def __repr__(self) -> str:
        return "(absent)"

    def __bool__(self) -> bool:
        return False


ABSENT: Final = _Absent()
"""Stands for a field that is not there."""

_SERVER_METADATA = frozenset({
    "managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink",
    "deletionTimestamp", "deletionGracePeriodSeconds",
})  # fmt: skip
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_LIST_KEYS = (
    ("name",), ("containerPort", "protocol"), ("port", "protocol"), ("mountPath",),
    ("devicePath",), ("type",), ("key",), ("ip",), ("host",),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """One field that differs.

    Attributes:
        path: As in kubectl: ``spec.template.spec.containers[web].image``.
        old: Value before; ``ABSENT`` when there was none.
        new: Value after; ``ABSENT`` when it goes.
        by: Who makes the change, ``ours``, ``server`` or ``ownership.migration``; empty where that is not
            known.
    """

    path: str
    old: Any
    new: Any
    by: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A field that another manager owns with another value than ours (AP-32).

    Attributes:
        path: The field.
        manager: Who owns it.
        message: The server's words.
        operation: ``Apply`` or ``Update``.
        subresource: Such as ``scale``; empty for the object itself.
        since: When the other manager last changed what it owns.
        theirs, ours: Both values; of a Secret digests; ``ABSENT`` when not known.
        action: ``take``, ``leave``, ``adopt`` or ``fail``.
        is_person: Whether the manager stands for somebody with kubectl (AP-34).
    """

    path: str
    manager: str
    message: str = ""
    operation: str = ""
    subresource: str = ""
    since: datetime | None = None
    theirs: Any = ABSENT
    ours: Any = ABSENT
    action: str = "take"
    is_person: bool = False


def comparable(body: Body) -> dict[str, Any]:
    """Return the body without what only the server writes."""
    kept = {key: value for key, value in body.items() if key not in {"status", "metadata"}}
    metadata = {
        key: value
        for key, value in (body.get("metadata") or {}).items()
        if key not in _SERVER_METADATA
    }
    annotations = metadata.get("annotations") or {}
    if _LAST_APPLIED in annotations:
        rest = {key: value for key, value in annotations.items() if key != _LAST_APPLIED}
        metadata = {key: value for key, value in metadata.items() if key != "annotations"}
        metadata |= {"annotations": rest} if rest else {}
    return {**kept, "metadata": metadata}


def compare(old: Body, new: Body, *, salt: str) -> tuple[FieldChange, ...]:
    """Return the fields that differ, without what only the server writes.

    Nothing is taken for equal that is not: an empty map is not an absent one, as an empty
    ``namespaceSelector`` means all namespaces and an absent one this namespace.

    Args:
        old: The object before.
        new: The object after.
        salt: Goes into the digests that stand for values of Secrets.
    """
    before, after = comparable(old), comparable(new)
    if is_secret(before) or is_secret(after):
        return tuple(_secret_differences(before, after, salt))
    return tuple(_differences("", before, after))


def mask(value: Any, salt: str) -> str:
    """Return what stands for a secret value: its size and a digest keyed with the salt.

    Without a salt there is no digest, as one could be guessed back into the value.
    """
    text = value.encode() if isinstance(value, str) else orjson.dumps(value)
    if not salt:
        return f"({len(text)} bytes)"
    digest = hmac.digest(salt.encode(), text, "sha256").hex()
    return f"sha256:{digest[:16]} ({len(text)} bytes)"


def _secret_differences(
    old: Mapping[str, Any], new: Mapping[str, Any], salt: str
) -> Iterator[FieldChange]:
    """Compare Secrets: their values as they are, and masked before anybody sees them."""
    hidden = hidden_texts((old, new))
    for key in [*old, *(key for key in new if key not in old)]:
        before, after = old.get(key, ABSENT), new.get(key, ABSENT)
        if key in SECRET_PARTS:
            yield from _hidden_differences(key, before, after, salt)
        else:
            for change in _differences(_field("", key), before, after):
                yield _without_quotes(change, hidden, salt)


def _without_quotes(change: FieldChange, hidden: frozenset[str], salt: str) -> FieldChange:
    """Mask what repeats a value elsewhere: annotations in which tools keep the whole object."""
    old, new = (_unquoting(value, hidden, salt) for value in (change.old, change.new))
    return replace(change, old=old, new=new)


def _unquoting(value: Any, hidden: frozenset[str], salt: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _unquoting(one, hidden, salt) for key, one in value.items()}
    if isinstance(value, list):
        return [_unquoting(one, hidden, salt) for one in value]
    return mask(value, salt) if is_quoting(value, hidden) else value


def _hidden_differences(path: str, old: Any, new: Any, salt: str) -> Iterator[FieldChange]:
    before, after = _values(old), _values(new)
    if before is None or after is None or not (before or after):
        if _differ(old, new):
            yield FieldChange(path=path, old=_hidden(old, salt), new=_hidden(new, salt))
        return
    for key in [*before, *(key for key in after if key not in before)]:
        one, other = before.get(key, ABSENT), after.get(key, ABSENT)
        if _differ(one, other):
            step = _field(path, key)
            yield FieldChange(path=step, old=_hidden(one, salt), new=_hidden(other, salt))


def _values(part: Any) -> Mapping[str, Any] | None:
    """Return what ``data`` of a Secret holds; ``None`` for something that is no mapping."""
    if part is ABSENT or part is None:
        return {}
    return part if isinstance(part, Mapping) else None


def _hidden(value: Any, salt: str) -> Any:
    return mask(value, salt) if value or value == 0 else value


def _differences(path: str, old: Any, new: Any) -> Iterator[FieldChange]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(key for key in new if key not in old)]:
            step = _field(path, key)
            yield from _differences(step, old.get(key, ABSENT), new.get(key, ABSENT))
        return
    if isinstance(old, list) and isinstance(new, list):
        yield from _list_differences(path, old, new)
        return
    if _differ(old, new):
        yield FieldChange(path=path, old=old, new=new)


def _differ(old: Any, new: Any) -> bool:
    # NB: 1 == True == 1.0 in Python, and a list == another list by the same rule.
    return type(old) is not type(new) or bool(old != new)


def _list_differences(path: str, old: list[Any], new: list[Any]) -> Iterator[FieldChange]:
    keys = _list_key(old, new)
    if keys is None:
        yield from _by_position(path, old, new)
        return
    before, after = _keyed(old, keys), _keyed(new, keys)
    for label in [*before, *(label for label in after if label not in before)]:
        step = f"{path}[{label}]"
        yield from _differences(step, before.get(label, ABSENT), after.get(label, ABSENT))
    if list(before) != list(after) and set(before) == set(after):
        yield FieldChange(path=path, old=f"order {list(before)}", new=f"order {list(after)}")


def _by_position(path: str, old: list[Any], new: list[Any]) -> Iterator[FieldChange]:
    for index in range(max(len(old), len(new))):
        before = old[index] if index < len(old) else ABSENT
        after = new[index] if index < len(new) else ABSENT
        yield from _differences(f"{path}[{index}]", before, after)


def _list_key(old: list[Any], new: list[Any]) -> tuple[str, ...] | None:
    """Return the fields that tell the items of both lists apart, if the usual ones do."""
    for keys in _LIST_KEYS:
        if _tells_apart(keys, old) and _tells_apart(keys, new):
            return keys
    return None


def _tells_apart(keys: tuple[str, ...], items: Sequence[Any]) -> bool:
    if not all(isinstance(item, Mapping) and keys[0] in item for item in items):
        return False
    return len({_label(item, keys) for item in items}) == len(items)


def _label(item: Mapping[str, Any], keys: Iterable[str]) -> str:
    return "/".join(str(item[key]) for key in keys if key in item)


def _keyed(items: list[Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {_label(item, keys): item for item in items}


def _field(path: str, key: str) -> str:
    plain = key.replace("-", "").replace("_", "").isalnum()
    step = key if plain else f"[{key!r}]"
    return f"{path}.{step}" if path and plain else f"{path}{step}"
