"""Cron expressions of windows."""

from __future__ import annotations

import pytest

from rollwright.rollouts.spec.windows import cron_problem


@pytest.mark.parametrize(
    "cron",
    [
        "* * * * *",
        "0 8 * * 1-5",
        "*/15 0-6/2 1,15 * mon-fri",
        "59 23 31 12 7",
        "0 0 1 JAN,jul sun",
        "  0   8 * * *  ",
    ],
)
def test_five_good_fields_pass(cron):
    assert cron_problem(cron) == ""


@pytest.mark.parametrize(
    ("cron", "part"),
    [
        ("", "got 0"),
        ("0 8 * *", "got 4"),
        ("0 0 8 * * *", "got 6"),
        ("60 * * * *", "minute '60'"),
        ("* 24 * * *", "hour '24'"),
        ("* * 0 * *", "day of month '0'"),
        ("* * 32 * *", "day of month '32'"),
        ("* * * 13 *", "month '13'"),
        ("* * * * 8", "day of week '8'"),
        ("* * * mon *", "month 'mon'"),
        ("5-1 * * * *", "minute '5-1'"),
        ("*/0 * * * *", "minute '*/0'"),
        ("1,,2 * * * *", "minute '1,,2'"),
        ("-1 * * * *", "minute '-1'"),
        ("٣ * * * *", "minute"),
    ],
)
def test_a_bad_field_is_named(cron, part):
    assert part in cron_problem(cron)
