"""WH-05 and WH-06 with a clock of the test's own; who a proxy names."""

from __future__ import annotations

import asyncio

import pytest

from rollwright.webhooks.rates import Rates
from rollwright.webhooks.replays import Replays
from rollwright.webhooks.senders import networks_of, sender_of


class Clock:
    def __init__(self):
        self.at = 1000.0

    def __call__(self):
        return self.at


def test_a_bucket_fills_again():
    clock = Clock()
    rates = Rates(per_minute=60, burst=120, now=clock)
    first = sum(rates.take("a") == 0 for _ in range(200))
    clock.at += 10
    second = sum(rates.take("a") == 0 for _ in range(200))
    clock.at += 10_000
    third = sum(rates.take("a") == 0 for _ in range(200))

    assert (first, second, third) == (120, 10, 120)


def test_it_is_told_how_long_to_wait():
    rates = Rates(per_minute=6, burst=1, now=Clock())
    rates.take("a")

    assert rates.take("a") == pytest.approx(10)
    assert rates.take("b") == 0


async def is_new(replays, *ids):
    async with replays.claimed(ids) as found:
        return found


async def test_an_id_is_remembered_for_ten_minutes():
    clock = Clock()
    replays = Replays(now=clock)
    assert await is_new(replays, "a", "x")
    clock.at += 599
    assert not await is_new(replays, "b", "x")
    assert await is_new(replays, "b", "")
    clock.at += 2
    assert await is_new(replays, "a")


async def test_what_was_not_noted_may_come_again():
    replays = Replays(now=Clock())
    with pytest.raises(OSError, match="away"):
        async with replays.claimed(["a", "x"]):
            raise OSError("away")

    assert await is_new(replays, "a", "x")


async def test_the_same_one_meanwhile_waits_for_what_becomes_of_the_first():
    replays, gate = Replays(now=Clock()), asyncio.Event()

    async def claim(is_written):
        async with replays.claimed(["a"]) as found:
            if found:
                await gate.wait()
                if not is_written:
                    raise OSError("away")
            return found

    tasks = [asyncio.create_task(claim(is_written)) for is_written in (False, True, True)]
    await asyncio.sleep(0)
    gate.set()
    first, second, third = await asyncio.gather(*tasks, return_exceptions=True)

    assert isinstance(first, OSError)
    assert {second, third} == {True, False}


def test_looking_takes_none():
    rates = Rates(per_minute=6, burst=1, now=Clock())

    assert [rates.wait("a"), rates.take("a")] == [0, 0]
    assert rates.wait("a") == pytest.approx(10)


@pytest.mark.parametrize(
    ("remote", "forwarded", "expected"),
    [
        ("198.51.100.1", ["1.1.1.1"], "198.51.100.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["1.1.1.1"], "1.1.1.1"),
        ("10.0.0.1", ["9.9.9.9, 1.1.1.1"], "1.1.1.1"),
        ("10.0.0.1", ["9.9.9.9, 1.1.1.1, 10.0.0.2"], "1.1.1.1"),
        ("10.0.0.1", ["1.1.1.1", "10.0.0.2"], "1.1.1.1"),
        ("10.0.0.1", ["evil"], "10.0.0.1"),
        ("10.0.0.1", ["2001:db8::1"], "2001:db8::1"),
        ("", ["1.1.1.1"], ""),
        ("10.0.0.1", ["1.1.1.1:4711"], "1.1.1.1"),
        ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("::ffff:10.0.0.1", ["1.1.1.1"], "1.1.1.1"),
        ("::ffff:198.51.100.1", ["1.1.1.1"], "198.51.100.1"),
        ("10.0.0.1", ["fe80::1%\x1b[31m" + "x" * 900], "fe80::1"),
    ],
)
def test_the_last_that_no_proxy_is(remote, forwarded, expected):
    assert sender_of(remote, forwarded, networks_of(("10.0.0.0/8",))) == expected
