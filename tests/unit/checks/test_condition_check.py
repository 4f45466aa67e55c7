"""The check ``condition``."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rollwright.checks.condition import Condition
from rollwright.errors import InvalidSpec
from rollwright.plugins.contracts import Verdict
from rollwright.plugins.registry import Registry
from rollwright.testing.check_contract import a_check_request, without_object


def a_body(*conditions, observed=2):
    return {
        "apiVersion": "example.com/v1",
        "kind": "Thing",
        "metadata": {"name": "a", "namespace": "b", "generation": 2},
        "status": {"conditions": list(conditions), "observedGeneration": observed},
    }


def a_condition(status="True", **more):
    return {"type": "Ready", "status": status, **more}


async def asked(check, body, **more):
    return await check.evaluate(a_check_request(body, **more))


async def test_the_status_that_is_wanted_is_a_success() -> None:
    result = await asked(Condition(type="Ready"), a_body(a_condition()))

    assert (result.verdict, result.reason) == (Verdict.SUCCESS, "condition Ready is True")


@pytest.mark.parametrize("status", ["False", "Unknown"])
async def test_another_status_is_undecided_and_told(status) -> None:
    body = a_body(a_condition(status, reason="Waits", message="for\na disk"))

    result = await asked(Condition(type="Ready"), body)

    assert (result.verdict, result.reason) == (
        Verdict.UNDECIDED,
        f"condition Ready is {status} because Waits: for a disk; wanted True",
    )


async def test_a_status_other_than_true_can_be_wanted() -> None:
    check = Condition(type="Ready", status="False")

    result = await asked(check, a_body(a_condition("False")))

    assert result.verdict == Verdict.SUCCESS


def test_a_boolean_of_yaml_is_the_text() -> None:
    check = Registry().build("checks", "condition", {"type": "Ready", "status": False})

    assert check == Condition(type="Ready", status="False")


@pytest.mark.parametrize(
    ("reason", "expected"), [("Done", Verdict.SUCCESS), ("Other", Verdict.UNDECIDED)]
)
async def test_a_reason_that_is_named_must_be_given(reason, expected) -> None:
    check = Condition(type="Ready", reason="Done")

    result = await asked(check, a_body(a_condition(reason=reason)))

    assert result.verdict == expected


async def test_a_condition_that_is_not_there_is_undecided() -> None:
    result = await asked(Condition(type="Other"), a_body(a_condition()))

    assert result.reason == "there is no condition 'Other' yet"


async def test_a_condition_of_an_older_generation_does_not_count() -> None:
    result = await asked(Condition(type="Ready"), a_body(a_condition(observedGeneration=1)))

    assert result.verdict == Verdict.UNDECIDED


async def test_an_object_that_has_not_observed_its_generation_does_not_count() -> None:
    result = await asked(Condition(type="Ready"), a_body(a_condition(), observed=1))

    assert result.verdict == Verdict.UNDECIDED


@pytest.mark.parametrize(
    "status", [None, "text", {"conditions": "text"}, {"conditions": ["x", {}]}]
)
async def test_a_strange_status_breaks_nothing(status) -> None:
    result = await asked(Condition(type="Ready"), {**a_body(), "status": status})

    assert result.verdict == Verdict.UNDECIDED


async def test_runs_out_of_its_own_time() -> None:
    check = Condition(type="Ready", timeout=timedelta(minutes=1))

    result = await asked(check, a_body(), after=timedelta(minutes=1))

    assert (result.verdict, result.is_timeout) == (Verdict.FAILURE, True)


async def test_an_object_that_vanishes_is_waited_for() -> None:
    check, request = Condition(type="Ready"), a_check_request(a_body())
    await check.evaluate(request)

    result = await check.evaluate(without_object(request))

    assert result.verdict == Verdict.UNDECIDED


@pytest.mark.parametrize("options", [{}, {"type": ""}, {"type": "a", "reason": ""}, {"type": 1}])
def test_what_names_no_condition_is_refused(options) -> None:
    with pytest.raises(InvalidSpec):
        Registry().build("checks", "condition", options)
