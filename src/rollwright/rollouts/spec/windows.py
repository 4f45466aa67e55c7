"""Times in which a rollout may run, or may not (CA-50)."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from rollwright.rollouts.spec.durations import PositiveDuration
from rollwright.rollouts.spec.part import Flag, Part, Text, refuse

_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec"
_DAYS = "sun mon tue wed thu fri sat"
_FIELDS = (
    ("minute", 0, 59, ""),
    ("hour", 0, 23, ""),
    ("day of month", 1, 31, ""),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 7, _DAYS),
)
_ENTRY = re.compile(
    r"(?:\*|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<every>[0-9]{1,4}))?", re.ASCII
)
_TIMEZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}")


def cron_problem(text: str) -> str:
    """Say what is wrong with five cron fields; empty if nothing is."""
    fields = text.split()
    if len(fields) != len(_FIELDS):
        return (
            "expected five cron fields (minute, hour, day of month, month, day of week); "
            f"got {len(fields)} in {text!r}"
        )
    for value, (name, low, high, names) in zip(fields, _FIELDS, strict=True):
        if not all(_fits(entry, low, high, names) for entry in value.split(",")):
            return (
                f"{name} {value!r} in cron {text!r}; expected {low} to {high}, '*', ranges, steps"
            )
    return ""


def _fits(entry: str, low: int, high: int, names: str) -> bool:
    match = _ENTRY.fullmatch(entry)
    if match is None or (match["every"] is not None and int(match["every"]) == 0):
        return False
    ends = [_number(end, low, names) for end in (match["first"], match["last"]) if end is not None]
    return all(low <= end <= high for end in ends) and ends == sorted(ends)


def _number(text: str, low: int, names: str) -> int:
    words = names.split()
    if text.lower() in words:
        return words.index(text.lower()) + low
    return int(text) if text.isdecimal() else -1


def _read_cron(value: str) -> str:
    if problem := cron_problem(value):
        raise refuse(problem)
    return value


def _read_timezone(value: str) -> str:
    if not _TIMEZONE.fullmatch(value):
        raise refuse(f"expected a time zone such as 'UTC' or 'Europe/Berlin'; got {value!r}")
    return value


class Window(Part):
    """A time that begins by a cron expression and lasts a while; one of allow and deny is true."""

    cron: Annotated[
        Text,
        AfterValidator(_read_cron),
        Field(json_schema_extra={"pattern": r"^\s*\S+(\s+\S+){4}\s*$"}),
    ]
    """When it begins: minute, hour, day of month, month, day of week."""
    duration: PositiveDuration
    """How long it lasts."""
    timezone: Annotated[Text, AfterValidator(_read_timezone)] = "UTC"
    """Time zone of the cron expression."""
    allow: Flag = False
    """The rollout may run in it."""
    deny: Flag = False
    """The rollout may not run in it; stronger than allow."""
