"""Durations as people write them."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from pydantic import ValidationError

from rollwright.actions.command import Command
from rollwright.actions.http import Http
from rollwright.actions.job import Job
from rollwright.actions.pause import Pause
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.spec.durations import PATTERN, format_duration, parse_duration
from rollwright.rollouts.spec.groups import Step
from rollwright.rollouts.spec.own_triggers import OwnTrigger
from rollwright.rollouts.spec.rollout import HealthPolicy
from rollwright.rollouts.spec.windows import Window


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("0s", timedelta(0)),
        ("90s", timedelta(seconds=90)),
        ("10m", timedelta(minutes=10)),
        ("1h30m", timedelta(hours=1, minutes=30)),
        ("1d", timedelta(days=1)),
        ("1d2h3m4s5ms", timedelta(days=1, hours=2, minutes=3, seconds=4, milliseconds=5)),
        ("1.5h", timedelta(minutes=90)),
        ("250ms", timedelta(milliseconds=250)),
        ("0.001ms", timedelta(microseconds=1)),
    ],
)
def test_a_duration_is_read(text, duration):
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "1.5",
        "-5m",
        "5 m",
        "m",
        "30m1h",
        "1h1h",
        "1w",
        "1H",
        "1h\n",
        "٣s",
        "1us",
        ".5s",
        "1e3s",
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["", "5", "30m1h", "1w", "s"])
def test_the_pattern_of_the_schema_refuses_it_too(text):
    assert not re.match(PATTERN, text)


def test_a_bare_number_is_told_what_to_write():
    with pytest.raises(ValueError, match="write '600s' or '600m'"):
        parse_duration("600")


@pytest.mark.parametrize("text", ["99999999999d", "1" + "0" * 5000 + "s"])
def test_a_duration_beyond_all_use_is_refused(text):
    with pytest.raises(ValueError, match="too long"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(0), "0s"),
        (timedelta(seconds=90), "1m30s"),
        (timedelta(minutes=10), "10m"),
        (timedelta(days=1), "24h"),
        (timedelta(milliseconds=1500), "1s500ms"),
        (timedelta(microseconds=1), "0.001ms"),
        (timedelta(microseconds=100000), "100ms"),
    ],
)
def test_a_duration_is_written_in_one_form(duration, text):
    assert format_duration(duration) == text


def test_a_negative_duration_cannot_be_written():
    with pytest.raises(ValueError, match="not negative"):
        format_duration(timedelta(seconds=-1))


@pytest.mark.parametrize("text", ["0s", "0m0s", "0.0h"])
@pytest.mark.parametrize(
    ("part", "field"),
    [
        (HealthPolicy, "timeout"),
        (HealthPolicy, "progressTimeout"),
        (Step, "timeout"),
        (RolloutSpec, "timeout"),
        (Window, "duration"),
        (OwnTrigger, "retryInterval"),
        (Http, "timeout"),
        (Command, "timeout"),
        (Job, "timeout"),
    ],
)
def test_what_must_last_a_while_is_not_nothing(part, field, text):
    with pytest.raises(ValidationError, match=rf"{field}\n  must be longer than 0s"):
        part.model_validate({field: text})

    pattern = json.dumps(part.model_json_schema()["properties"][field])
    assert "(?=.*[1-9])" in pattern


@pytest.mark.parametrize(("part", "field"), [(HealthPolicy, "soak"), (Pause, "duration")])
def test_where_nothing_means_off_it_is_read(part, field):
    assert getattr(part.model_validate({field: "0s"}), field) == timedelta(0)
