"""The check ``healthy``."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from rollwright.checks.healthy import Healthy
from rollwright.plugins.contracts import Verdict
from rollwright.rollouts.status import ObjectStatus, Status
from rollwright.testing.check_contract import NOON, a_check_request, without_object

BODY = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "b"}}
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (Status.CURRENT, Verdict.SUCCESS),
        (Status.FAILED, Verdict.FAILURE),
        (Status.IN_PROGRESS, Verdict.UNDECIDED),
        (Status.SUSPENDED, Verdict.UNDECIDED),
        (Status.TERMINATING, Verdict.UNDECIDED),
        (Status.UNKNOWN, Verdict.UNDECIDED),
    ],
)
async def test_goes_by_the_verdict(status, expected) -> None:
    result = await Healthy().evaluate(a_check_request(BODY, status=status))

    assert result.verdict == expected


async def test_says_what_the_verdict_says() -> None:
    request = a_check_request(BODY)
    status = ObjectStatus(ref=request.status.ref, status=Status.FAILED, message="2 of 3 crash")

    result = await Healthy().evaluate(replace(request, status=status))

    assert result.reason == "Failed: 2 of 3 crash"


async def test_asks_again_when_a_window_of_the_verdict_ends() -> None:
    request = a_check_request(BODY)
    status = replace(request.status, status=Status.IN_PROGRESS, recheck_at=NOON + MINUTE)

    result = await Healthy().evaluate(replace(request, status=status))

    assert result.recheck_after == MINUTE


async def test_runs_out_of_its_own_time() -> None:
    request = a_check_request(BODY, status=Status.IN_PROGRESS, after=MINUTE)

    result = await Healthy(timeout=MINUTE).evaluate(request)

    assert (result.verdict, result.is_timeout) == (Verdict.FAILURE, True)


async def test_has_no_time_of_its_own_by_default() -> None:
    request = a_check_request(BODY, status=Status.IN_PROGRESS, after=1000 * MINUTE)

    result = await Healthy().evaluate(request)

    assert (result.verdict, result.recheck_after) == (Verdict.UNDECIDED, None)


async def test_an_object_that_vanishes_is_waited_for() -> None:
    request = a_check_request(BODY, status=Status.IN_PROGRESS)
    await Healthy().evaluate(request)

    result = await Healthy().evaluate(without_object(request))

    assert (result.verdict, result.reason) == (
        Verdict.UNDECIDED,
        "Pod/b/a is not there any more",
    )
