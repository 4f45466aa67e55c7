"""The triggers that a clock fires: both hours of a night, and clocks that are set."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rollwright.plugins.contracts import ListenRequest
from rollwright.triggers import cron as cron_module
from rollwright.triggers import interval as interval_module
from rollwright.triggers.cron import Cron
from rollwright.triggers.interval import Interval

VIENNA = "Europe/Vienna"


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class Clock:
    """A clock that only sleepers and tests move."""

    def __init__(self, monkeypatch, begin):
        self.now = at(begin)
        self.naps: list[float] = []
        self.jumps: list[timedelta] = []
        clock = self

        class Datetime(datetime):
            @classmethod
            def now(cls, tz=None):
                return clock.now.astimezone(tz)

        async def sleep(seconds):
            clock.naps.append(seconds)
            clock.now += timedelta(seconds=seconds)
            if clock.jumps:
                clock.now += clock.jumps.pop(0)

        for module in (cron_module, interval_module):
            monkeypatch.setattr(module, "datetime", Datetime)
            monkeypatch.setattr(module.asyncio, "sleep", sleep)


@pytest.fixture
def clock(monkeypatch):
    return lambda begin: Clock(monkeypatch, begin)


async def fired(trigger, count, memory=None):
    """Return the instants of the first firings, as their ids name them."""
    kept = dict(memory or {})

    async def recall():
        return kept

    async def remember(found):
        kept.update(found)

    unused: Any = None
    request = ListenRequest(
        name="t", rollouts=("shop",), clusters=unused, query=unused, resolve=unused,
        touches=unused, recall=recall, remember=remember, failed=unused,
    )  # fmt: skip
    found: list[str] = []
    firings: Any = trigger.listen(request)
    async with asyncio.timeout(20), aclosing(firings):
        async for firing in firings:
            found.append(firing.id.removeprefix("t:").removesuffix("+00:00"))
            if len(found) == count:
                break
    return found


def cron(schedule, **more):
    return Cron.model_validate({"schedule": schedule, "timezone": VIENNA, **more})


async def test_a_time_that_the_night_skips_comes_right_after_it(clock):
    clock("2026-03-28T12:00")

    assert await fired(cron("30 2 * * *"), 2) == ["2026-03-29T01:00:00", "2026-03-30T00:30:00"]


async def test_a_time_that_the_night_has_twice_comes_once(clock):
    clock("2026-10-24T12:00")

    assert await fired(cron("30 2 * * *"), 2) == ["2026-10-25T00:30:00", "2026-10-26T01:30:00"]


async def test_every_half_hour_goes_on_through_both_hours(clock):
    clock("2026-10-25T00:15")
    times = ["00:30:00", "01:00:00", "01:30:00", "02:00:00"]

    assert await fired(cron("*/30 * * * *"), 4) == [f"2026-10-25T{one}" for one in times]


async def test_who_begins_in_the_second_hour_does_not_fire_the_first_one_s_time(clock):
    clock("2026-10-25T01:10")

    assert await fired(cron("30 2 * * *"), 1) == ["2026-10-26T01:30:00"]


async def test_the_29th_of_february_comes_every_four_years(clock):
    clock("2027-12-01T00:00")
    days = cron("0 12 29 2 *", timezone="UTC")
    after = [days._after(at(one)) for one in ("2027-12-01T00:00", "2028-02-29T12:00")]

    assert after == [at("2028-02-29T12:00"), at("2032-02-29T12:00")]


@pytest.mark.parametrize(
    ("catch_up", "expected"),
    [("0s", "2026-05-02T04:00:00"), ("12h", "2026-05-01T04:00:00"), ("1h", "2026-05-02T04:00:00")],
)
async def test_a_missed_time_is_made_up_for_if_it_is_not_too_long_ago(clock, catch_up, expected):
    clock("2026-05-01T08:00")
    memory = {"last": "2026-04-29T04:00:00+00:00"}

    assert await fired(cron("0 4 * * *", timezone="UTC", catchUp=catch_up), 1, memory) == [expected]


async def test_several_missed_times_make_one_run(clock):
    clock("2026-05-04T08:00")
    memory = {"last": "2026-04-29T04:00:00+00:00"}
    times = await fired(cron("0 4 * * *", timezone="UTC", catchUp="200h"), 2, memory)

    assert times == ["2026-04-30T04:00:00", "2026-05-05T04:00:00"]


async def test_a_clock_that_went_wrong_for_a_while_silences_no_schedule(clock):
    clock("2026-05-01T08:00")
    memory = {"last": "2031-01-01T00:00:00+00:00"}

    assert await fired(cron("0 4 * * *", timezone="UTC"), 1, memory) == ["2026-05-02T04:00:00"]


async def test_a_clock_that_is_set_back_a_little_fires_nothing_twice(clock):
    time = clock("2026-05-01T03:59:30")
    time.jumps = [timedelta(0), timedelta(seconds=-40)]

    assert await fired(cron("* * * * *", timezone="UTC"), 2) == [
        "2026-05-01T04:00:00", "2026-05-01T04:01:00",
    ]  # fmt: skip


async def test_a_clock_that_is_set_back_makes_an_interval_no_longer(clock):
    time = clock("2026-05-01T08:00")
    time.jumps = [timedelta(days=-300)]
    every = Interval.model_validate({"every": "5m", "jitter": 0})
    await fired(every, 1)

    assert sum(time.naps) <= 2 * 300


async def test_an_interval_goes_on_after_its_clock_was_wrong(clock):
    clock("2026-05-01T08:00")
    memory = {"last": "2031-01-01T00:00:00+00:00"}
    every = Interval.model_validate({"every": "5m", "jitter": 0})

    assert await fired(every, 1, memory) == ["2026-05-01T08:05:00"]


async def test_an_interval_that_was_missed_comes_at_once_and_once(clock):
    clock("2026-05-01T08:00")
    memory = {"last": "2026-04-01T00:00:00+00:00"}
    every = Interval.model_validate({"every": "5m", "jitter": 0})

    assert await fired(every, 2, memory) == ["2026-05-01T08:00:00", "2026-05-01T08:05:00"]


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ("0 25 * * *", "the hour is wrong: '25'; expected 0 to 23"),
        ("61 * * * *", "the minute is wrong: '61'"),
        ("0 0 0 * *", "the day is wrong: '0'"),
        ("0 0 * 13 *", "the month is wrong: '13'"),
        ("0 0 * * 9", "the weekday is wrong: '9'"),
        ("0 0 30 2 *", "no such month has a day 30"),
        ("0 0 * *", "expected five fields"),
    ],
)
def test_the_field_of_an_expression_that_is_wrong_is_named(schedule, words):
    with pytest.raises(ValueError, match=words):
        Cron.model_validate({"schedule": schedule})
