"""Durations as people write them: ``90s``, ``10m``, ``1h30m``.

Before: a document holds text. After: the engine counts with ``timedelta``.
"""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

from rollwright.rollouts.spec.part import expect, refuse

UNITS = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
"""Largest first, which is also the order they are written in."""

_MICROSECOND = timedelta(microseconds=1)
_NUMBER = r"[0-9]+(\.[0-9]+)?"
PATTERN = "^(?=[0-9])" + "".join(f"({_NUMBER}{unit})?" for unit in UNITS) + "$"
"""What a duration looks like, for JSON Schema."""

_FORM = "a duration such as '90s', '10m' or '1h30m'"
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|[dhms])")
_WHOLE = re.compile(PATTERN)


def parse_duration(text: str) -> timedelta:
    """Read ``1h30m``: numbers with the units ``d h m s ms``, largest first.

    Raises:
        ValueError: It is not a duration; the message says what one looks like.
    """
    if not _WHOLE.fullmatch(text):
        raise ValueError(_explain(text))
    total = sum(Decimal(number) * (UNITS[unit] // _MICROSECOND) for number, unit in _parts(text))
    try:
        return timedelta(microseconds=int(total))
    except OverflowError:
        raise ValueError(f"duration {text!r} is too long") from None


def format_duration(duration: timedelta) -> str:
    """Write a duration in its canonical form: ``90s`` is ``1m30s``, a day is ``24h``."""
    if duration < timedelta(0):
        raise ValueError(f"a duration is not negative; got {duration}")
    if not duration:
        return "0s"
    text, rest = "", duration
    for unit in ("h", "m", "s"):
        count, rest = divmod(rest, UNITS[unit])
        text += f"{count}{unit}" if count else ""
    return text + (f"{Decimal(rest // _MICROSECOND) / 1000:f}ms" if rest else "")


def _parts(text: str) -> list[tuple[str, str]]:
    return _PART.findall(text)


def _explain(text: str) -> str:
    if re.fullmatch(_NUMBER, text):
        return f"a duration needs a unit; got {text!r}, write '{text}s' or '{text}m'"
    if text.startswith("-"):
        return f"a duration is not negative; got {text!r}"
    return f"expected {_FORM}; got {text!r}"


def _read(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise expect(_FORM)
    try:
        return parse_duration(str(value))
    except ValueError as error:
        raise refuse(str(error)) from error


Duration = Annotated[
    timedelta,
    BeforeValidator(_read),
    PlainSerializer(format_duration),
    WithJsonSchema(
        {"type": "string", "pattern": PATTERN, "examples": ["90s", "10m", "1h30m"]},
        mode="validation",
    ),
]
"""A field of a document that holds a duration; where none at all would say something, too."""


def _positive(duration: timedelta) -> timedelta:
    if not duration:
        raise refuse("must be longer than 0s")
    return duration


PositiveDuration = Annotated[
    timedelta,
    BeforeValidator(_read),
    AfterValidator(_positive),
    PlainSerializer(format_duration),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": PATTERN.replace("^", "^(?=.*[1-9])", 1),
            "examples": ["90s", "10m", "1h30m"],
        },
        mode="validation",
    ),
]
"""A field of a document that holds a duration which must not be nothing."""
