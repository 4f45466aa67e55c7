"""How one flow run asks: about which plan, how often, and what counts as an answer."""

from __future__ import annotations

import json
import runpy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from rollwright.errors import ApprovalNeeded, Refused

pytestmark = [
    pytest.mark.flow,
    pytest.mark.usefixtures("prefect_home"),
]

world = runpy.run_path(str(Path(__file__).parents[1] / "world.py"))
OTHERS = [f"{number:064x}" for number in range(9)]


@pytest.fixture
def plan():
    return world["World"]().plan(world["a_set"](world["a_config"]()))


def asking(plan, *asked):
    """A flow run that asked about these plans before."""
    from prefect.client.schemas.objects import FlowRun, FlowRunPolicy

    from rollwright.flows.approval import Asking

    keys = {f"approval-{number}-{one}" for number, one in enumerate(asked, 1)}
    run = FlowRun(flow_id=uuid4(), empirical_policy=FlowRunPolicy(pause_keys={*keys, "another"}))
    parts: dict[str, Any] = dict.fromkeys(("site", "spec", "trigger"))
    return Asking(run=run, plan=plan, **parts)


def answered(**form):
    from prefect.client.schemas.objects import FlowRunInput

    created = datetime(2025, 6, 1, 12, 0, 30, 999, tzinfo=UTC)
    return FlowRunInput(flow_run_id=uuid4(), key="k", value=json.dumps(form), created=created)


def test_the_plans_that_were_asked_about_are_known_in_order(plan):
    assert asking(plan, *OTHERS).asked == tuple(OTHERS)


async def test_a_run_asks_no_more_than_five_times(plan):
    needed = ApprovalNeeded("shop: needs an approval", reason="approval: always")

    with pytest.raises(Refused, match="it was asked 5 times") as caught:
        await asking(plan, *OTHERS[:5]).suspend(needed)

    assert not isinstance(caught.value, ApprovalNeeded)


async def test_an_answer_about_another_plan_is_not_even_read(plan):
    await asking(plan, OTHERS[0]).take_answer()  # neither Prefect nor a store is there to ask


def test_an_answer_is_a_decision_of_that_instant(plan):
    from rollwright.flows.approval import _decision

    found = _decision(answered(approve=True, name=" Ada ", reason="fine"), plan)

    assert found is not None
    assert (found.actor, found.reason, found.is_approval) == ("Ada (in Prefect)", "fine", True)
    assert (found.at, found.plan_id) == (datetime(2025, 6, 1, 12, 0, 30, tzinfo=UTC), plan.id)


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"approve": True},
        {"approve": True, "name": ""},
        {"approve": True, "name": " \t"},
        {"name": "Ada"},
        {"approve": None, "name": "Ada"},
        {"approve": True, "name": "x" * 201},
        {"approve": True, "name": "Ada", "more": 1},
    ],
)
def test_a_form_that_is_not_filled_in_decides_nothing(plan, form):
    from rollwright.flows.approval import _decision

    assert _decision(answered(**form), plan) is None


def test_to_say_nothing_is_not_to_approve():
    from pydantic import ValidationError

    from rollwright.flows.approval import Approval

    with pytest.raises(ValidationError):
        Approval.with_initial_data(description="x").model_validate({})


def test_a_field_that_was_filled_beforehand_is_still_looked_at():
    from pydantic import ValidationError

    from rollwright.flows.approval import Approval

    with pytest.raises(ValidationError, match="name of a person"):
        Approval.with_initial_data(name="Ada")(approve=True, name="  ")


def test_the_automation_waits_as_long_as_the_site_says(plan):
    from datetime import timedelta

    from rollwright.flows.expiring import _automation

    found = _automation("d", timedelta(hours=24)).model_dump()

    assert found["trigger"]["within"] == timedelta(hours=24)
    assert "24h" in found["actions"][0]["message"]
