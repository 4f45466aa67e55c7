"""Kubernetes JSONPath, whole: what health needs of it, and slices, unions, recursion, filters.

Before: a comparison names ``{.status.conditions[-1:].type}`` (DOC-23).
After: ``comparing`` walks it on a live object; several results are a failure there.

``rollouts.health.jsonpath`` reads the steps that people write every day. The others are read
here. Templates (text around braces, ``range``) are refused: they give text, not a value.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from rollwright.rollouts.health.jsonpath import parse_path

_SLICE = re.compile(r"\[\s*(-?\d+)?\s*:\s*(-?\d+)?\s*(?::\s*(\d+)?\s*)?\]")
_UNION = re.compile(
    r"\[\s*(?:-?\d+|'[^']*'|\"[^\"]*\")(?:\s*,\s*(?:-?\d+|'[^']*'|\"[^\"]*\"))+\s*\]"
)
_PART = re.compile(r"-?\d+|'[^']*'|\"[^\"]*\"")
_FILTER = re.compile(
    r"\[\?\(\s*(?P<left>.+?)\s*(?:(?P<sign>==|!=|<=|>=|<|>)\s*(?P<right>.+?)\s*)?\)\]"
)
_QUOTES = "'\""
MAX_LENGTH = 512
"""Characters of a path."""
_SIGNS: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}


class Step(Protocol):
    """One step of a path."""

    def step(self, value: Any) -> Iterable[Any]:
        """Return where it leads from a value."""
        ...


@dataclass(frozen=True, slots=True)
class Slice:
    """Some items of a list, counted from its end when negative."""

    part: slice

    def step(self, value: Any) -> Iterable[Any]:
        """Return the items."""
        return value[self.part] if isinstance(value, list | tuple) else ()


@dataclass(frozen=True, slots=True)
class Union:
    """What several steps lead to, one after another."""

    steps: tuple[Step, ...]

    def step(self, value: Any) -> Iterable[Any]:
        """Return all of it."""
        return tuple(found for one in self.steps for found in one.step(value))


@dataclass(frozen=True, slots=True)
class Below:
    """A value and everything inside it, at any depth."""

    def step(self, value: Any) -> Iterable[Any]:
        """Return all of it, the outer before the inner."""
        found, open_values = [], [value]
        while open_values:
            one = open_values.pop()
            found.append(one)
            inner = one.values() if isinstance(one, Mapping) else one
            if isinstance(one, Mapping | list | tuple):
                open_values.extend(reversed(list(inner)))
        return found


@dataclass(frozen=True, slots=True)
class Operand:
    """A side of a filter: a path below the item, or a literal."""

    trail: Trail | None
    literal: Any = None

    def of(self, item: Any) -> list[Any]:
        """Return its values for one item."""
        return [self.literal] if self.trail is None else self.trail.find(item)


@dataclass(frozen=True, slots=True)
class Filter:
    """The items of a list that have a field, or whose field compares as wanted."""

    left: Operand
    sign: str = ""
    right: Operand | None = None

    def step(self, value: Any) -> Iterable[Any]:
        """Return the items."""
        items = value if isinstance(value, list | tuple) else ()
        return tuple(item for item in items if self._holds(item))

    def _holds(self, item: Any) -> bool:
        lefts = self.left.of(item)
        if self.right is None:
            return bool(lefts)
        rights = self.right.of(item)
        return bool(lefts and rights) and _compares(self.sign, lefts[0], rights[0])


@dataclass(frozen=True, slots=True)
class Trail:
    """A path that was read once and is walked often."""

    text: str
    steps: tuple[Step, ...]

    def find(self, body: Any) -> list[Any]:
        """Return every value that the path leads to; a missing field leads nowhere."""
        values: list[Any] = [body]
        for step in self.steps:
            values = [found for value in values for found in step.step(value)]
        return values


def read_trail(text: str) -> Trail:
    """Read a path.

    Raises:
        ValueError: It is none; the message names the place.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"no JSONPath: at most {MAX_LENGTH} characters; got {len(text)}")
    inner = text.strip()
    if inner.startswith("{") and inner.endswith("}"):
        inner = inner[1:-1].strip()
    trail = _inside(inner, text)
    if not trail.steps:
        raise ValueError(f"expected a path such as '{{.status.replicas}}'; got {text!r}")
    return trail


def _inside(inner: str, text: str) -> Trail:
    inner = inner.removeprefix("$")
    if inner and inner[0] not in ".[":
        inner = f".{inner}"
    return Trail(text, tuple(step for token in _tokens(inner, text) for step in _steps(token)))


def _tokens(inner: str, text: str) -> Iterator[str]:
    """Cut a path into ``..``, ``.name`` and ``[…]``."""
    place = 0
    while place < len(inner):
        end = _end(inner, place)
        if end <= place:
            raise ValueError(f"no JSONPath: {text!r} at {inner[place : place + 20]!r}")
        yield inner[place:end]
        place = end


def _end(inner: str, place: int) -> int:
    """Return where the step that begins at ``place`` ends; ``place`` if none does."""
    if inner.startswith("[", place):
        return _closing(inner, place)
    if inner.startswith("..", place):
        return place + (2 if inner.startswith("[", place + 2) else 1)
    end = place + 1
    while end < len(inner) and inner[end] not in ".[":
        end += 2 if inner[end] == "\\" else 1
    return min(end, len(inner))


def _closing(inner: str, place: int) -> int:
    """Return the place behind the bracket that closes the one at ``place``."""
    depth, quote, end = 0, "", place
    while end < len(inner):
        sign = inner[end]
        if quote:
            end += sign == "\\"
            quote = "" if sign == quote else quote
        elif sign in _QUOTES:
            quote = sign
        elif sign in "[]":
            depth += 1 if sign == "[" else -1
        end += 1
        if not depth:
            return end
    return place


def _steps(token: str) -> tuple[Step, ...]:
    if token in (".", ".."):
        return (Below(),)
    if match := _SLICE.fullmatch(token):
        start, stop, stride = (int(part) if part else None for part in match.groups())
        if stride == 0:
            raise ValueError(f"no JSONPath: {token!r} has a step of 0")
        return (Slice(slice(start, stop, stride)),)
    if _UNION.fullmatch(token):
        return (Union(tuple(_steps(f"[{part}]")[0] for part in _PART.findall(token))),)
    if match := _FILTER.fullmatch(token):
        return (_filter(match),)
    if token.startswith(".") and token != token.strip():
        raise ValueError(f"no JSONPath: {token!r} has blanks around it")
    return parse_path(token).steps


def _filter(match: re.Match[str]) -> Filter:
    left = _operand(match["left"])
    if match["sign"] is None:
        return Filter(left)
    return Filter(left, match["sign"], _operand(match["right"]))


def _operand(text: str) -> Operand:
    if text.startswith("@"):
        return Operand(_inside(text[1:], text))
    if text[0] in _QUOTES and text[-1] == text[0] and len(text) > 1:
        return Operand(None, re.sub(r"\\(.)", r"\1", text[1:-1]))
    try:
        return Operand(None, orjson.loads(text))
    except ValueError:
        raise ValueError(f"no JSONPath: {text!r} in a filter; quote a text") from None


def _compares(sign: str, left: Any, right: Any) -> bool:
    """Compare as the API's own values do: a text with a text, a number with a number."""
    if isinstance(left, bool) is not isinstance(right, bool):
        return sign == "!="
    try:
        return bool(_SIGNS[sign](left, right))
    except TypeError:
        return False
