"""What a column of a database becomes, so that JSON can hold it. Pure."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from rollwright.errors import InvalidDocument

_JSON = ("json", "jsonb")


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns of an answer: names, and those that hold JSON as text."""

    names: tuple[str, ...]
    json: frozenset[int]

    @classmethod
    def of(cls, attributes: Iterable[Any]) -> Columns:
        """Read what a prepared statement says of itself.

        Raises:
            InvalidDocument: Two columns have one name: a mapping would lose one of them.
        """
        found = tuple(attributes)
        names = tuple(str(one.name) for one in found)
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            raise InvalidDocument(
                f"two columns are called {twice[0]!r}", hint="name one of them: SELECT x AS …"
            )
        kinds = (str(one.type.name).removesuffix("[]").lstrip("_") for one in found)
        return cls(names=names, json=frozenset(i for i, kind in enumerate(kinds) if kind in _JSON))


def row_of(record: Sequence[Any], columns: Columns) -> tuple[Mapping[str, Any], int]:
    """Return a row as a mapping, and about how many characters it has."""
    row = {
        name: _loaded(record[index]) if index in columns.json else plain(record[index])
        for index, name in enumerate(columns.names)
    }
    return row, sum(len(name) + len(str(row[name])) for name in row)


def plain(value: Any) -> Any:
    """Return a value that JSON has, for one of a column."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if callable(getattr(value, "items", None)):  # a mapping, or the fields of a composite
        return {str(key): plain(one) for key, one in value.items()}
    for kind, make in _FORMS:
        if isinstance(value, kind):
            return make(value)
    return _text(value)


def _loaded(value: Any) -> Any:
    """Return what the text of a JSON column, or of each item of an array of them, holds."""
    if isinstance(value, str | bytes):
        return json.loads(value, parse_int=_whole, parse_float=_fraction)
    return [_loaded(one) for one in value] if isinstance(value, list) else plain(value)


def _whole(digits: str) -> int | str:
    """Return a number of JSON; one that most readers of JSON could not hold stays text."""
    number = int(digits) if len(digits) < _LONGEST else None
    is_held = number is not None and -(2**63) <= number < 2**64
    return number if number is not None and is_held else digits


def _fraction(digits: str) -> float | str:
    number = float(digits)
    return number if math.isfinite(number) else digits


def _text(value: Any) -> str:
    """Return the exact text of what JSON has no form for, as the database writes it."""
    if callable(as_string := getattr(value, "as_string", None)):  # bits
        return str(as_string())
    if hasattr(value, "lower_inc"):
        return _range(value)
    return str(value)


def _range(value: Any) -> str:
    if value.isempty:
        return "empty"
    ends = ("" if one is None else str(plain(one)) for one in (value.lower, value.upper))
    return f"{'[' if value.lower_inc else '('}{','.join(ends)}{']' if value.upper_inc else ')'}"


_LONGEST = 21
"""Characters of the longest whole number of 64 bits, with its sign."""

_FORMS: tuple[tuple[type | tuple[type, ...], Callable[[Any], Any]], ...] = (
    ((bytes, bytearray, memoryview), lambda value: bytes(value).hex()),
    ((datetime, date, time), lambda value: value.isoformat()),
    (timedelta, lambda value: value.total_seconds()),
    ((list, tuple, set, frozenset), lambda value: [plain(one) for one in value]),
)
"""First hit; anything else (decimals, UUIDs, addresses, ranges) becomes its exact text."""
