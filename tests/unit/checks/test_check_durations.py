"""Durations of checks: Go's, ours, and whole nanoseconds (DOC-33)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from rollwright.checks.durations import GoDuration, parse_go_duration

READ = TypeAdapter(GoDuration)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("5m", 300),
        ("1h30m", 5400),
        ("1.5h", 5400),
        (".5s", 0.5),
        ("1.s", 1),
        ("1m1h", 3660),
        ("300ms", 0.3),
        ("1us", 0.000001),
        ("1\u00b5s", 0.000001),
        ("1\u03bcs", 0.000001),
        ("1000ns", 0.000001),
        ("1d", 86400),
        ("0", 0),
        ("+5s", 5),
        ("0s", 0),
        (300_000_000_000, 300),
        (0, 0),
    ],
)
def test_is_read(given, seconds) -> None:
    assert READ.validate_python(given) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "5",
        "m",
        "-5s",
        "5 s",
        "5x",
        "1h-5m",
        ".s",
        "1e3s",
        -1,
        1.5,
        True,
        None,
        "s" * 100,
        10**30,
    ],
)
def test_is_refused(given) -> None:
    with pytest.raises(ValidationError):
        READ.validate_python(given)


def test_what_is_longer_than_nothing_stays_so() -> None:
    assert parse_go_duration("1ns") == timedelta(microseconds=1)


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=9999)))
def test_what_is_written_is_read_again(duration) -> None:
    assert READ.validate_python(READ.dump_python(duration)) == duration
