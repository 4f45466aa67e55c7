"""Fields that differ between two bodies, as values.

Before: ``live`` and a forecast hold both bodies.
After: ``plan`` keeps the field changes; ``describe`` prints them.

Values of Secrets never leave this module: they stand as salted digests.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from rollwright.rollouts.manifest import Body


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
    """

    path: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A field that another manager owns and that an apply takes."""

    path: str
    manager: str
    message: str = ""


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
    before, after = _masked(comparable(old), salt), _masked(comparable(new), salt)
    return tuple(_differences("", before, after))


def is_secret(body: Body) -> bool:
    """Whether the object is a core Secret."""
    return body.get("kind") == "Secret" and body.get("apiVersion") == "v1"


def mask(value: Any, salt: str) -> str:
    """Return what stands for a secret value: its size and a salted digest."""
    text = value.encode() if isinstance(value, str) else orjson.dumps(value)
    digest = hmac.digest(salt.encode(), text, "sha256").hex()
    return f"sha256:{digest[:16]} ({len(text)} bytes)"


def _masked(body: dict[str, Any], salt: str) -> dict[str, Any]:
    if not is_secret(body):
        return body
    parts = [part for part in ("data", "stringData") if body.get(part) is not None]
    return {**body, **{part: _masked_values(body[part], salt) for part in parts}}


def _masked_values(values: Any, salt: str) -> Any:
    if isinstance(values, Mapping):
        return {key: mask(value, salt) for key, value in values.items()}
    return mask(values, salt)


def _differences(path: str, old: Any, new: Any) -> Iterator[FieldChange]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(key for key in new if key not in old)]:
            step = _field(path, key)
            yield from _differences(step, old.get(key, ABSENT), new.get(key, ABSENT))
        return
    if isinstance(old, list) and isinstance(new, list):
        yield from _list_differences(path, old, new)
        return
    # NB: 1 == True == 1.0 in Python, and a list == another list by the same rule.
    if type(old) is not type(new) or old != new:
        yield FieldChange(path=path, old=old, new=new)


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
