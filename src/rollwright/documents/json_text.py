"""JSON text to values: the same rules and limits as YAML, several times faster."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from math import isinf
from typing import Any, Final, NoReturn

from rollwright.documents.loader import DuplicateKey, Limits, LoadedValue
from rollwright.documents.scalars import ScalarError, narrow

_SPACE = re.compile(r"[ \t\r\n]*")
_LONE_SURROGATE = re.compile(
    r"\\u[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]|[\ud800-\udfff]"
)
_INT64_DIGITS: Final = 18
_LONGEST_INTEGER: Final = 400
"""An integer of more digits is beyond every float."""


class JSONError(ScalarError):
    """Text that cannot be read as JSON.

    Attributes:
        offset: Where, in characters.
        is_syntax: The text is no JSON at all, and may still be YAML.
    """

    def __init__(self, message: str, offset: int, *, is_syntax: bool = False) -> None:
        super().__init__(message, None if is_syntax else "correct the value or split the document")
        self.offset, self.is_syntax = offset, is_syntax


class _NumberError(ValueError):
    def __init__(self, message: str, literal: str, *, is_syntax: bool) -> None:
        super().__init__(message)
        self.literal, self.is_syntax = literal, is_syntax


def read_json(text: str, limits: Limits) -> Iterator[LoadedValue]:
    """Yield the values of a JSON text; like kubectl, take several one after another.

    Raises:
        JSONError: The text is not JSON, or passes a limit.
        DuplicateKey: An object has a key twice.
    """
    nodes, line, counted, start = 0, 1, 0, _skip(text, 0)
    while start < len(text):
        value, end = _decode(text, start, limits)
        nodes += _measure(value, text, start, limits)
        if nodes > limits.nodes:
            raise _too_many(limits, start)
        line, counted = line + text.count("\n", counted, start), start
        yield LoadedValue(value=value, line=line, start=start, start_line=line, end=end)
        start = _skip(text, end)


def _skip(text: str, offset: int) -> int:
    found = _SPACE.match(text, offset)
    return found.end() if found else offset


def _decode(text: str, start: int, limits: Limits) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise JSONError(f"not JSON: {error.msg}", error.pos, is_syntax=True) from error
    except _NumberError as error:
        offset = max(start, text.find(error.literal, start))
        raise JSONError(str(error), offset, is_syntax=error.is_syntax) from error
    except RecursionError as error:
        raise _too_deep(limits, start) from error


def _measure(value: Any, text: str, start: int, limits: Limits) -> int:
    """Count the nodes of a value, level by level, and look at each string of it."""
    items, nodes, depth = [value], 0, 0
    while items:
        nodes += len(items)
        if nodes > limits.nodes:
            raise _too_many(limits, start)
        if not all(_is_encodable(item) for item in items):
            raise _lone_surrogate(text, start)
        collections = [item for item in items if isinstance(item, (dict, list))]
        depth += bool(collections)
        if depth > limits.depth:
            raise _too_deep(limits, start)
        items = [part for item in collections for part in _parts(item)]
    return nodes


def _parts(collection: dict[str, Any] | list[Any]) -> Iterable[Any]:
    if isinstance(collection, list):
        return collection
    return chain(collection, collection.values())


def _is_encodable(item: Any) -> bool:
    if not isinstance(item, str) or item.isascii():
        return True
    try:
        item.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _lone_surrogate(text: str, start: int) -> JSONError:
    found = _LONE_SURROGATE.search(text, start)
    offset = found.start() if found else start
    return JSONError("half of a surrogate pair is not a character", offset)


def _too_many(limits: Limits, offset: int) -> JSONError:
    return JSONError(f"more than {limits.nodes:,} nodes", offset)


def _too_deep(limits: Limits, offset: int) -> JSONError:
    return JSONError(f"nested deeper than {limits.depth} levels", offset)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _duplicate([key for key, _ in pairs])
    return value


def _duplicate(keys: list[str]) -> DuplicateKey:
    ((key, _),) = Counter(keys).most_common(1)
    return DuplicateKey(f"key {key!r} stands twice in one object", "keep one of the two")


def _integer(literal: str) -> int | float:
    if len(literal) <= _INT64_DIGITS:
        return int(literal)
    return _float(literal) if len(literal) > _LONGEST_INTEGER else narrow(int(literal))


def _float(literal: str) -> int | float:
    value = float(literal)
    if isinf(value):
        raise _NumberError("a number is too large for 64 bits", literal, is_syntax=False)
    return narrow(value)


def _constant(literal: str) -> NoReturn:
    raise _NumberError(f"JSON has no number {literal}", literal, is_syntax=True)


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_int=_integer, parse_float=_float, parse_constant=_constant
)
