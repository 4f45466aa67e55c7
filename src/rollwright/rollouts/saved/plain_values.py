"""Values as JSON and back, led by their annotations: what a saved plan is written with.

Before: ``saved_plan`` has dataclasses. After: a file has them, and gives equal ones again.

What is not told otherwise is written, so that a field which somebody adds cannot be lost. Fields
that have their default are left out. What is read is checked against the annotations as strictly
as a document: no unknown key, no number for a text.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from rollwright.errors import InvalidDocument
from rollwright.rollouts.diff import ABSENT

Left = Mapping[type, frozenset[str]]
"""Fields that are not written, by their dataclass."""

_SCALARS = (str, bool, int, float)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    name: str
    key: str
    form: Any
    default: Callable[[], Any] | None


@cache
def _fields(kind: type) -> tuple[_Field, ...]:
    hints = get_type_hints(kind)
    return tuple(
        _Field(name=one.name, key=_camel(one.name), form=hints[one.name], default=_default(one))
        for one in fields(kind)
        if one.init
    )


def _default(one: Any) -> Callable[[], Any] | None:
    if one.default_factory is not MISSING:
        factory: Callable[[], Any] = one.default_factory
        return factory
    return None if one.default is MISSING else lambda: one.default


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def to_plain(value: Any, form: Any, left: Left) -> Any:
    """Return a value as JSON.

    Args:
        value: What is written.
        form: Its annotation.
        left: What is not written.

    Raises:
        TypeError: The annotation is one that nobody taught this module.
    """
    if form is str:  # most values by far
        return value
    inner, origin, given = _parts(form)
    if inner is not None:
        return None if value is None else to_plain(value, inner, left)
    if origin is tuple and given[1:] == (...,):
        return [to_plain(one, given[0], left) for one in value]
    if origin is frozenset:
        return sorted(to_plain(one, given[0], left) for one in value)
    if origin in {Mapping, dict}:
        return _plain_mapping(value, given, left)
    return _plain_single(value, form, left)


def _plain_single(value: Any, form: Any, left: Left) -> Any:
    if form is Any or form in _SCALARS:
        return value
    if form is datetime:
        return value.astimezone(UTC).isoformat()
    if form is timedelta:
        return value.total_seconds()
    if isinstance(form, type) and issubclass(form, Enum):
        return value.value
    if _is_named_tuple(form):
        return list(value)
    if is_dataclass(form) and isinstance(form, type):
        return _plain_fields(value, form, left)
    raise TypeError(f"nobody taught how to write {form!r}")


def _plain_mapping(value: Any, given: tuple[Any, ...], left: Left) -> Any:
    key_form, value_form = given
    if value_form is Any:
        # What an object holds has no place in a saved plan: it may hold values of a Secret.
        raise TypeError("a body is not written; say that the field is rebuilt")
    if key_form is str:
        return {key: to_plain(one, value_form, left) for key, one in value.items()}
    pairs = ((to_plain(key, key_form, left), one) for key, one in value.items())
    return [[key, to_plain(one, value_form, left)] for key, one in sorted(pairs)]


def _plain_fields(value: Any, kind: type, left: Left) -> dict[str, Any]:
    skipped, written = left.get(kind, frozenset()), {}
    for one in _fields(kind):
        found = getattr(value, one.name)
        is_default = one.default is not None and found == one.default()
        if one.name not in skipped and found is not ABSENT and not is_default:
            written[one.key] = to_plain(found, one.form, left)
    return written


def from_plain(data: Any, form: Any, left: Left, path: str = "") -> Any:
    """Return the value that ``to_plain`` wrote; fields that were left out have their default.

    Raises:
        InvalidDocument: It is not such a value; the message names the place.
    """
    if form is str:
        return _expect(data, str, path)
    inner, origin, given = _parts(form)
    if inner is not None:
        return None if data is None else from_plain(data, inner, left, path)
    if origin is tuple and given[1:] == (...,):
        items = _expect(data, list, path)
        return tuple(from_plain(x, given[0], left, f"{path}[{n}]") for n, x in enumerate(items))
    if origin is frozenset:
        return frozenset(from_plain(x, given[0], left, path) for x in _expect(data, list, path))
    if origin in {Mapping, dict}:
        return _read_mapping(data, given, left, path)
    return _read_single(data, form, left, path)


def _read_single(data: Any, form: Any, left: Left, path: str) -> Any:
    if form is Any:
        return data
    if form is float:
        return data if type(data) is int else _expect(data, float, path)
    if form in _SCALARS:
        return _expect(data, form, path)
    if form is datetime:
        return _read_instant(_expect(data, str, path), path)
    if form is timedelta:
        return timedelta(seconds=_read_single(data, float, left, path))
    if is_dataclass(form) and isinstance(form, type):
        return _read_fields(data, form, left, path)
    return _read_named(data, form, path)


def _read_named(data: Any, form: Any, path: str) -> Any:
    try:
        if not _is_named_tuple(form):
            return form(_expect(data, str, path))
        hints = _hints(form)
        items = _expect(data, list, path)
        parts = [_expect(x, hint, path) for x, hint in zip(items, hints, strict=True)]
        return form(*parts)
    except ValueError as error:
        raise InvalidDocument(f"{path}: {error}") from None


def _read_mapping(data: Any, given: tuple[Any, ...], left: Left, path: str) -> Any:
    key_form, value_form = given
    if key_form is str:
        items = _expect(data, dict, path).items()
        return {key: from_plain(one, value_form, left, path) for key, one in items}
    read = {}
    for pair in _expect(data, list, path):
        if not isinstance(pair, list) or len(pair) != 2:
            raise InvalidDocument(f"{path}: expected pairs")
        key = from_plain(pair[0], key_form, left, path)
        read[key] = from_plain(pair[1], value_form, left, path)
    return read


def _read_fields(data: Any, kind: type, left: Left, path: str) -> Any:
    found = dict(_expect(data, dict, path))
    skipped, values = left.get(kind, frozenset()), {}
    for one in _fields(kind):
        if one.key in found and one.name not in skipped:
            values[one.name] = from_plain(found.pop(one.key), one.form, left, f"{path}.{one.key}")
        elif one.default is None:
            values[one.name] = _stand_in(one, skipped, path)
    if found:
        raise InvalidDocument(f"{path}: unknown {', '.join(sorted(found))}")
    return kind(**values)


def _stand_in(one: _Field, skipped: frozenset[str], path: str) -> Any:
    """Return what stands for a field that is not there and has no default."""
    if one.form is Any:
        return ABSENT
    if one.name in skipped:
        return datetime.min.replace(tzinfo=UTC) if one.form is datetime else ""
    raise InvalidDocument(f"{path}.{one.key}: is missing")


def _expect(data: Any, kind: type, path: str) -> Any:
    if type(data) is not kind:
        raise InvalidDocument(f"{path}: expected {kind.__name__}, got {type(data).__name__}")
    return data


def _read_instant(text: str, path: str) -> datetime:
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        read = None
    if read is None or read.tzinfo is None:
        raise InvalidDocument(f"{path}: expected an instant with its time zone")
    return read


@cache
def _parts(form: Any) -> tuple[Any, Any, tuple[Any, ...]]:
    """Return X of ``X | None``, what a generic is made of, and its arguments."""
    return _optional(form), get_origin(form), get_args(form)


@cache
def _hints(form: Any) -> tuple[Any, ...]:
    return tuple(get_type_hints(form).values())


def _optional(form: Any) -> Any:
    """Return X of ``X | None``; ``None`` for anything else."""
    if get_origin(form) not in {Union, types.UnionType}:
        return None
    inner = [one for one in get_args(form) if one is not type(None)]
    return inner[0] if len(inner) == 1 else None


def _is_named_tuple(form: Any) -> bool:
    return isinstance(form, type) and issubclass(form, tuple) and hasattr(form, "_fields")
