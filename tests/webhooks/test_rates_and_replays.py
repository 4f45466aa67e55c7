"""WH-05 and WH-06 with a clock of the test's own; who a proxy names."""

from __future__ import annotations

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


def test_an_id_is_remembered_for_ten_minutes():
    clock = Clock()
    replays = Replays(now=clock)
    assert replays.is_new(["a", "x"])
    clock.at += 599
    assert not replays.is_new(["b", "x"])
    assert replays.is_new(["b", ""])
    clock.at += 2
    assert replays.is_new(["a"])


def test_what_was_not_noted_may_come_again():
    replays = Replays(now=Clock())
    replays.is_new(["a", "x"])
    replays.take_back(["a", "x"])

    assert replays.is_new(["a", "x"])


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
    ],
)
def test_the_last_that_no_proxy_is(remote, forwarded, expected):
    assert sender_of(remote, forwarded, networks_of(("10.0.0.0/8",))) == expected
