r"""The subset of JSONPath that ``kubectl wait`` users write.

``{.status.phase}``, ``.spec.ports[0].port``, ``.items[*].name``, ``.metadata.labels['a.b/c']``,
``.metadata.annotations.a\.b``, ``.status.conditions[?(@.type=="Ready")].status``. Braces and a
leading ``$`` may be left out. Recursion, slices, unions and scripts are refused when the path is
read, not when it is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

_KEY = re.compile(r"\.((?:\\.|[^\\.\[\]{}\s=!'\"()])+)")
_QUOTED = re.compile(r"\[(?:'((?:\\.|[^'\\])*)'|\"((?:\\.|[^\"\\])*)\")\]")
_INDEX = re.compile(r"\[(-?\d+)\]")
_EVERY = re.compile(r"\[\*\]|\.\*")
_WHERE = re.compile(
    r"\[\?\(\s*@((?:\.(?:\\.|[^\\.\[\]{}\s=!<>'\"()])+)+)\s*(==|!=)\s*"
    r"(\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|-?\d+(?:\.\d+)?|true|false)\s*\)\]"
)


@dataclass(frozen=True, slots=True)
class Key:
    """A field of a mapping."""

    name: str

    def step(self, value: Any) -> Iterable[Any]:
        """Return the field's value, if it is there."""
        if isinstance(value, Mapping) and self.name in value:
            return (value[self.name],)
        return ()


@dataclass(frozen=True, slots=True)
class Index:
    """An item of a list, counted from the end when negative."""

    place: int

    def step(self, value: Any) -> Iterable[Any]:
        """Return the item, if it is there."""
        if isinstance(value, list | tuple) and -len(value) <= self.place < len(value):
            return (value[self.place],)
        return ()


@dataclass(frozen=True, slots=True)
class Every:
    """All items of a list, or all values of a mapping."""

    def step(self, value: Any) -> Iterable[Any]:
        """Return all of them."""
        if isinstance(value, Mapping):
            return tuple(value.values())
        return value if isinstance(value, list | tuple) else ()


@dataclass(frozen=True, slots=True)
class Where:
    """The items of a list whose field equals a text, number or boolean, or does not."""

    field: Path
    equal: bool
    wanted: Any

    def step(self, value: Any) -> Iterable[Any]:
        """Return the items that match."""
        items = value if isinstance(value, list | tuple) else ()
        return tuple(one for one in items if (self.field.first(one) == self.wanted) is self.equal)


@dataclass(frozen=True, slots=True)
class Path:
    """A path that was read once and is walked often."""

    text: str
    steps: tuple[Key | Index | Every | Where, ...]

    def find(self, body: Any) -> list[Any]:
        """Return every value that the path leads to; a missing field leads nowhere."""
        values: list[Any] = [body]
        for step in self.steps:
            values = [found for value in values for found in step.step(value)]
        return values

    def first(self, body: Any, default: Any = None) -> Any:
        """Return the first value that the path leads to."""
        return next(iter(self.find(body)), default)


def parse_path(text: str) -> Path:
    """Read a path.

    Raises:
        ValueError: It is not of the subset; the message names the place.
    """
    inner = text.strip()
    if inner.startswith("{") and inner.endswith("}"):
        inner = inner[1:-1].strip()
    inner = inner.removeprefix("$")
    if inner and inner[0] not in ".[":
        inner = f".{inner}"
    return Path(text, tuple(_steps(inner, text)))


def _steps(inner: str, text: str) -> Iterator[Key | Index | Every | Where]:
    place = 0
    while place < len(inner):
        step, place = _step(inner, place, text)
        yield step


def _step(inner: str, place: int, text: str) -> tuple[Key | Index | Every | Where, int]:
    if match := _EVERY.match(inner, place):
        return Every(), match.end()
    if match := _KEY.match(inner, place):
        return Key(_unescape(match[1])), match.end()
    if match := _INDEX.match(inner, place):
        return Index(int(match[1])), match.end()
    if match := _QUOTED.match(inner, place):
        return Key(_unescape(match[1] if match[1] is not None else match[2])), match.end()
    if match := _WHERE.match(inner, place):
        field = Path(match[1], tuple(_steps(match[1], text)))
        return Where(field, match[2] == "==", _literal(match[3])), match.end()
    raise ValueError(
        f"no JSONPath that is supported here: {text!r} at {inner[place : place + 20]!r}"
    )


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _literal(text: str) -> Any:
    return _unescape(text[1:-1]) if text[0] in "\"'" else orjson.loads(text)


def printed(value: Any) -> str:
    """Write a value as ``kubectl`` prints it."""
    if isinstance(value, str):
        return value
    return orjson.dumps(value).decode()


def all_equal(values: Sequence[Any], wanted: str | None) -> bool:
    """Whether values were found, and each is printed as wanted; ``None`` wants any value."""
    if not values:
        return False
    return wanted is None or all(printed(value) == wanted for value in values)
