"""Durations of checks: as our documents write them, as Go does, or in whole nanoseconds (DOC-33)."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from rollwright.rollouts.spec.durations import format_duration
from rollwright.rollouts.spec.part import expect, refuse

_NANOSECONDS = {
    "d": 86_400 * 10**9,
    "h": 3_600 * 10**9,
    "m": 60 * 10**9,
    "s": 10**9,
    "ms": 10**6,
    "us": 10**3,
    "\u00b5s": 10**3,  # the micro sign
    "\u03bcs": 10**3,  # the Greek letter; Go reads both
    "ns": 1,
}
_NUMBER = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)"
_UNIT = "|".join(sorted(_NANOSECONDS, key=len, reverse=True))
_PART = re.compile(f"({_NUMBER})({_UNIT})")
_WHOLE = re.compile(rf"\+?(?:0|(?:{_NUMBER}(?:{_UNIT}))+)")
_FORM = "a duration such as '90s', '5m' or '1h30m', or whole nanoseconds"
MAX_LENGTH = 64
"""Characters of a duration."""


def parse_go_duration(text: str) -> timedelta:
    """Read what Go's ``time.ParseDuration`` reads, and days; never negative.

    Raises:
        ValueError: It is none.
    """
    if text.startswith("-"):
        raise ValueError(f"a duration is not negative; got {text[:MAX_LENGTH]!r}")
    if len(text) > MAX_LENGTH or not _WHOLE.fullmatch(text):
        raise ValueError(f"expected {_FORM}; got {text[:MAX_LENGTH]!r}")
    parts = _PART.findall(text)
    return _from_nanoseconds(
        sum((Decimal(number) * _NANOSECONDS[unit] for number, unit in parts), Decimal(0))
    )


def _from_nanoseconds(count: Decimal) -> timedelta:
    """Round up to microseconds: what is not nothing does not become nothing."""
    microseconds = (count / 1000).to_integral_value(rounding=ROUND_CEILING)
    try:
        return timedelta(microseconds=int(microseconds))
    except OverflowError:
        raise ValueError("the duration is too long") from None


def _read(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise expect(_FORM)
    try:
        return _of_number(value) if isinstance(value, int) else parse_go_duration(value)
    except ValueError as error:
        raise refuse(str(error)) from error


def _of_number(nanoseconds: int) -> timedelta:
    if nanoseconds < 0:
        raise ValueError(f"a duration is not negative; got {nanoseconds}")
    return _from_nanoseconds(Decimal(nanoseconds))


GoDuration = Annotated[
    timedelta,
    BeforeValidator(_read),
    PlainSerializer(format_duration),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "examples": ["90s", "5m", "1h30m"]},
                {"type": "integer", "minimum": 0, "description": "Nanoseconds."},
            ]
        },
        mode="validation",
    ),
]
"""A duration in the options of a check."""
