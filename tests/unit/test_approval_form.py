"""What a person reads above the form that approves a plan."""

from __future__ import annotations

import runpy
from datetime import timedelta
from pathlib import Path

import pytest

from rollwright.flows.approval_form import LINES_SHOWN, ROWS_SHOWN, description
from rollwright.rollouts.approving import ApprovalRequest

world = runpy.run_path(str(Path(__file__).parents[1] / "world.py"))
NOW = world["NOW"]


def shown(*bodies, before=(), **options):
    here = world["World"]()
    if before:
        here.roll_out(*before)
    plan = here.plan(world["a_set"](*bodies), cluster="production")
    request = ApprovalRequest(
        rollout="shop", plan_id=plan.id, cluster_id="c", reason="approval: always",
        summary="1 to create", revision=plan.source, trigger="manual",
        asked_at=NOW, asked_by="ada@desk", expires_at=NOW + timedelta(hours=24),
    )  # fmt: skip
    return plan, description(plan, request, **options)


def test_it_has_summary_table_difference_and_the_plan_s_id():
    config = world["a_config"]
    plan, text = shown(config("a", k="new"), config("b"), before=(config("a"),))

    wanted = (
        "**shop** on **production**: 1 to create", "| update | ConfigMap/shop/a |",
        "| create | ConfigMap/shop/b |", '"v" → "new"', plan.id, "ada@desk (manual)",
    )  # fmt: skip
    assert [one for one in wanted if one not in text] == []


def test_what_is_deleted_is_called_so():
    config = world["a_config"]
    _, text = shown(config("a"), before=(config("a"), config("b")))

    assert "| delete | ConfigMap/shop/b |" in text


def test_a_plan_asked_about_again_says_why():
    _, text = shown(world["a_config"](), again="the world moved on")

    assert "**Asked again:** the world moved on" in text


def test_the_run_is_linked_to():
    _, text = shown(world["a_config"](), link="http://127.0.0.1/runs/1")

    assert "](http://127.0.0.1/runs/1)" in text


def test_a_large_plan_is_cut():
    _, text = shown(*(world["a_config"](f"c{number}") for number in range(500)))

    assert ("470 more objects" in text, text.count("\n") < ROWS_SHOWN + LINES_SHOWN + 30) == (
        True,
        True,
    )


@pytest.mark.parametrize("value", ["```\n# no", "<b>no</b>", "a | b"])
def test_what_the_cluster_says_is_only_text(value):
    _, text = shown(world["a_config"](k=value), again=value)

    fences = [line for line in text.splitlines() if line.strip("`") in {"", "text"} and "`" in line]
    assert (len(fences), "**Asked again:** <b>" in text) == (2, False)


def test_values_of_secrets_are_not_in_it():
    body = world["a_body"]("Secret", "s", data={"password": "aHVudGVyMg=="})
    _, text = shown(body)

    assert "aHVudGVyMg" not in text
