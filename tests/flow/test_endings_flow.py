"""Which state a report or an error becomes; needs Prefect's types, but no server."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from rollwright.errors import GuardRefused, InvalidSpec, LockHeld, Problem, Refused, Unreachable
from rollwright.rollouts.change import Change, Operation
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.plan import Plan, Rollback, Step, Wave
from rollwright.rollouts.report import ChangeResult, Outcome, Report, StepResult
from rollwright.rollouts.trigger import Trigger

pytestmark = pytest.mark.usefixtures("prefect_home")

NOON = datetime(2025, 1, 1, 12, tzinfo=UTC)
PLAN = Plan(
    id="sha256:1", rollout="shop", cluster="here", cluster_id="", source="s", waves=(), made_at=NOON
)
TRIGGER = Trigger(id="1", kind="manual", rollout="shop", actor="mia", received_at=NOON)


def a_report(outcome=Outcome.SUCCEEDED, **more) -> Report:
    facts = {"rollout": "shop", "cluster": "here", "run_id": "r1", "message": "so it was", **more}
    return Report(
        plan=PLAN, trigger=TRIGGER, outcome=outcome, started_at=NOON, ended_at=NOON, **facts
    )


def a_result(name="web", outcome=Outcome.SUCCEEDED, **more) -> ChangeResult:
    ref = ObjectRef("apps", "Deployment", "shop", name)
    operation = more.pop("operation", Operation.CREATE)
    return ChangeResult(ref=ref, operation=operation, outcome=outcome, **more)


@pytest.mark.parametrize(
    ("outcome", "run_id", "expected"),
    [
        (Outcome.SUCCEEDED, "r1", ("COMPLETED", "RolledOut")),
        (Outcome.SUCCEEDED, "", ("COMPLETED", "NoChange")),
        (Outcome.FAILED, "r1", ("FAILED", "Failed")),
        (Outcome.TIMED_OUT, "r1", ("FAILED", "NotReady")),
        (Outcome.CANCELLED, "r1", ("CANCELLED", "Cancelled")),
        (Outcome.SUPERSEDED, "r1", ("COMPLETED", "Superseded")),
        (Outcome.SUPERSEDED, "", ("COMPLETED", "Superseded")),
    ],
)
def test_a_report_decides_the_state(outcome, run_id, expected):
    from rollwright.flows.endings import state_of_report

    state = state_of_report(a_report(outcome, run_id=run_id))

    assert (state.type, state.name) == expected


@pytest.mark.parametrize(
    ("outcome", "back", "name"),
    [
        (Outcome.FAILED, Outcome.SUCCEEDED, "RolledBack"),
        (Outcome.TIMED_OUT, Outcome.SUCCEEDED, "RolledBack"),
        (Outcome.FAILED, Outcome.FAILED, "Failed"),
        (Outcome.TIMED_OUT, Outcome.FAILED, "NotReady"),
    ],
)
def test_a_failed_run_that_went_back_says_so(outcome, back, name):
    from rollwright.flows.endings import state_of_report

    state = state_of_report(a_report(outcome, rollback=a_report(back)))

    assert (state.type, state.name) == ("FAILED", name)


def test_a_rollback_that_was_asked_for_is_no_failure():
    from rollwright.flows.endings import state_of_report

    back = replace(PLAN, rollback=Rollback(revision=1, snapshot="s", reason="because"))
    state = state_of_report(replace(a_report(), plan=back))

    assert (state.type, state.name) == ("COMPLETED", "RolledBack")


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (Refused("no"), "Refused"),
        (GuardRefused("no"), "Refused"),
        (LockHeld("no"), "Refused"),
        (Unreachable("no"), "Failed"),
        (InvalidSpec([Problem(where="a", path="b", message="no")]), "Failed"),
        (KeyError("no"), "Failed"),
    ],
)
def test_an_error_decides_the_state(error, name):
    from rollwright.flows.endings import state_of_error

    assert state_of_error(error).name == name


def test_a_failed_state_says_why_and_what_to_do():
    from rollwright.flows.endings import state_of_error

    assert state_of_error(Refused("no", hint="ask")).message == "no; hint: ask"


def test_a_defect_is_told_without_its_words():
    from rollwright.flows.endings import state_of_error

    assert state_of_error(KeyError("password")).message == "unexpected KeyError"


def test_a_wave_is_told_by_what_it_did():
    from rollwright.tasks.endings import of_wave

    changes = (
        *(a_result(name) for name in "abc"),
        a_result("d", operation=Operation.UPDATE),
        *(a_result(name, operation=Operation.KEEP) for name in "efg"),
    )
    step = StepResult(step="apply-0", outcome=Outcome.SUCCEEDED, changes=changes)

    assert of_wave([step]).line == "3 created, 1 updated, 3 kept"


@pytest.mark.parametrize(
    ("outcome", "name"),
    [(Outcome.FAILED, "Failed"), (Outcome.TIMED_OUT, "NotReady"), (Outcome.SUCCEEDED, "")],
)
def test_a_wave_fails_with_its_worst_change(outcome, name):
    from rollwright.tasks.endings import of_wave

    step = StepResult(step="apply-0", outcome=outcome, changes=(a_result(), a_result("b", outcome)))

    assert of_wave([step]).failed_as == name


def test_the_artifact_is_text_in_which_nothing_can_end_the_fence():
    from rollwright.tasks.artifact import markdown

    text = markdown(a_report(Outcome.FAILED, message="it said ``` and | too"))

    assert "````text\n" in text


def test_the_artifact_shows_first_what_went_wrong():
    from rollwright.tasks.artifact import markdown

    changes = (a_result("a"), a_result("b", Outcome.FAILED, message="bad | image"))
    step = StepResult(step="apply-0", outcome=Outcome.FAILED, changes=changes)
    rows = [line for line in markdown(a_report(results=(step,))).splitlines() if "shop/" in line]

    assert rows[-2:] == [
        r"| Deployment/shop/b | create | failed | bad \| image |",
        "| Deployment/shop/a | create | succeeded |  |",
    ]


def test_the_artifact_of_a_large_rollout_is_cut():
    from rollwright.tasks.artifact import ROWS_SHOWN, markdown

    changes = tuple(a_result(f"o{number}") for number in range(ROWS_SHOWN + 3))
    step = StepResult(step="apply-0", outcome=Outcome.SUCCEEDED, changes=changes)

    assert markdown(a_report(results=(step,))).endswith("\n… and 3 more\n")


NAMES = ["shop", "shop-2", "Shop.EU", "shop-eu", "shop--eu", "shop_eu", "-", "Café"]


@pytest.mark.parametrize("rollout", NAMES)
def test_the_key_of_the_artifact_is_one_that_prefect_takes(rollout):
    from rollwright.tasks.keys import key_of

    assert set(key_of(rollout)) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_the_key_is_the_kind_the_rollout_and_the_cluster_it_names():
    from rollwright.tasks.keys import key_of

    assert (key_of("shop", "plan"), key_of("shop", "plan", "eu")) == ("plan-shop", "plan-shop--eu")


def test_no_two_names_share_a_key():
    from rollwright.tasks.keys import key_of

    places = [(name, cluster) for name in NAMES for cluster in ["", *NAMES]]

    assert len({key_of(name, "plan", cluster) for name, cluster in places}) == len(places)


def test_a_plan_is_a_row_for_each_object_and_what_changes_comes_first():
    from rollwright.tasks.plan_artifacts import rows

    refs = [ObjectRef("", "ConfigMap", "shop", name) for name in "ab"]
    changes = tuple(
        Change(ref=ref, api_version="v1", operation=operation, why="so")
        for ref, operation in zip(refs, (Operation.KEEP, Operation.CREATE), strict=True)
    )
    waves = (Wave(name="apply-0", steps=(Step(name="apply-0", action="Apply", changes=changes),)),)

    assert rows(replace(PLAN, waves=waves)) == [
        {"object": "ConfigMap/shop/b", "change": "create", "wave": "apply-0", "why": "so"},
        {"object": "ConfigMap/shop/a", "change": "keep", "wave": "apply-0", "why": "so"},
    ]


def test_a_plan_without_a_change_says_so_in_its_table():
    from rollwright.tasks.plan_artifacts import rows

    assert [row["object"] for row in rows(PLAN)] == ["nothing changes"]
