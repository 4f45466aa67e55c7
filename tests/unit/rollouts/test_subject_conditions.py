"""What stands in the status of the object that set a run off."""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path

import pytest

from rollwright.rollouts.change import Operation
from rollwright.rollouts.concluding import conclude
from rollwright.rollouts.feedback import Reason
from rollwright.rollouts.live import live_object
from rollwright.rollouts.plan import Plan, Rollback, Step, Wave
from rollwright.rollouts.reasons import reason_of_report
from rollwright.rollouts.report import ChangeResult, Outcome, StepResult
from rollwright.rollouts.triggering.changes import is_news, mark_of, token_of
from rollwright.rollouts.triggering.conditions import (
    Forms,
    SubjectStatus,
    Truth,
    is_written,
    kept_forms,
    lost_fields,
    status_after,
)
from rollwright.rollouts.triggering.groups import GroupProgress, Groups, GroupState
from rollwright.rollouts.triggering.verdicts import failed, progressing, succeeded

WORLD = runpy.run_path(str(Path(__file__).parents[2] / "world.py"))
TRIGGER, NOW, REF = WORLD["TRIGGER"], WORLD["NOW"], WORLD["ref_of"](WORLD["a_config"]())
FIRST, LATER = "2025-06-01T12:00:00Z", "2025-06-01T12:05:00Z"


def a_plan(*steps, **more):
    """Return a plan of steps that are called ``group/step``."""
    made = tuple(
        Step(name=name, action="Apply", changes=(), group=name.partition("/")[0]) for name in steps
    )
    return Plan(
        id="p", rollout="shop", cluster="", cluster_id="", source="path@1", made_at=NOW,
        wanted_digest="w", waves=(Wave(name="w", steps=made),), **more,
    )  # fmt: skip


def ended(step, outcome=Outcome.SUCCEEDED, message="", **more):
    return StepResult(step=step, outcome=outcome, message=message, **more)


def states(groups):
    return {one.name: one.state.value for one in groups.progress}


def a_run(plan, *results):
    groups = Groups()
    groups.planned(plan)
    for result in results:
        groups.began(next(step for step in plan.steps if step.name == result.step))
        groups.ended(result)
    return groups


def test_a_run_begins_with_every_group_not_started():
    groups = a_run(a_plan("db/a", "web/a"), ended("db/a"))

    groups.planned(a_plan("db/a", "api/a"))

    assert states(groups) == {"db": "Not Started", "api": "Not Started"}


def test_a_group_is_finished_when_its_last_step_is():
    plan = a_plan("db/a", "db/b", "web/a")
    groups = a_run(plan, ended("db/a"))

    assert states(groups) == {"db": "In Progress", "web": "Not Started"}
    groups.ended(ended("db/b"))
    assert states(groups) == {"db": "Finished", "web": "Not Started"}


def test_a_group_that_fails_says_why():
    bad = ChangeResult(
        ref=REF, operation=Operation.CREATE, outcome=Outcome.FAILED, message="no image"
    )
    groups = a_run(a_plan("db/a"), ended("db/a", Outcome.FAILED, changes=(bad,)))

    assert groups.progress == (
        GroupProgress(name="db", state=GroupState.FAILED, message=f"{REF}: no image"),
    )


def test_a_step_that_may_fail_does_not_fail_its_group():
    plan = a_plan("db/a")
    step = replace(next(plan.steps), continue_on_error=True)
    plan = replace(plan, waves=(Wave(name="w", steps=(step,)),))

    groups = a_run(plan, ended("db/a", Outcome.FAILED, "broke"))

    assert (states(groups), groups.progress[0].message) == ({"db": "Finished"}, "broke")


def test_a_rollback_is_shown_on_what_had_begun():
    plan = a_plan("db/a", "web/a", "api/a")
    groups = a_run(plan, ended("db/a"), ended("web/a", Outcome.FAILED, "broke"))
    report = conclude(plan, TRIGGER, [ended("db/a"), ended("web/a", Outcome.FAILED, "broke")])
    back = conclude(
        replace(plan, rollback=Rollback(revision=1, snapshot="", reason="")), TRIGGER, ()
    )
    groups.planned(back.plan)

    groups.concluded(replace(report, rollback=back))

    assert states(groups) == {"db": "Rolled Back", "web": "Rolled Back", "api": "Not Started"}
    assert groups.progress[1].message == "broke"


def test_a_run_with_nothing_to_do_has_finished_every_group():
    plan = a_plan("db/a")
    groups = a_run(plan)

    groups.concluded(conclude(plan, TRIGGER, ()))

    assert states(groups) == {"db": "Finished"}


def test_groups_are_known_before_there_is_a_plan():
    groups = Groups()
    groups.named(["db", "empty", "web"])
    before = states(groups)
    plan = a_plan("web/a", "db/a")
    groups.planned(plan)

    groups.concluded(conclude(plan, TRIGGER, [ended("db/a"), ended("web/a")]))

    assert before == {"db": "Not Started", "empty": "Not Started", "web": "Not Started"}
    assert list(states(groups).items()) == [
        ("db", "Finished"), ("empty", "Finished"), ("web", "Finished"),
    ]  # fmt: skip


def test_what_breaks_a_run_off_fails_the_group_that_it_had_come_to():
    groups = a_run(a_plan("db/a", "web/a", "api/a"), ended("db/a"))

    groups.broken("the lock may be gone")

    assert states(groups) == {"db": "Finished", "web": "Failed", "api": "Not Started"}
    assert groups.progress[1].message == "the lock may be gone"


@pytest.mark.parametrize(
    ("is_broken", "after"),
    [
        (True, {"db": ("Failed", "no source"), "web": ("Not Started", None)}),
        (False, {"db": ("Finished", None), "web": ("In Progress", None)}),
    ],
)
def test_a_run_that_never_knew_its_groups_tells_the_former_ones(is_broken, after):
    named = (("db", "Finished"), ("web", "In Progress"))
    old = [{"name": name, "currentStatus": state} for name, state in named]
    stands = failed(Reason.SOURCE_FAILED, "no source", again=True)
    status = SubjectStatus(generation=2, groups=None, standing=stands, is_broken=is_broken)

    found = by_name(status_after({"conditions": old}, status, Forms(has_standard=False), FIRST))

    assert {n: (one["currentStatus"], one.get("message")) for n, one in found.items()} == after


def wanted(standing=None, groups=("db",), state=GroupState.FINISHED, **more):
    progress = tuple(GroupProgress(name=name, state=state) for name in groups)
    return SubjectStatus(
        generation=2, groups=progress, standing=standing or succeeded("all is well"), **more
    )


def by_name(status):
    return {one.get("type") or one["name"]: one for one in status["conditions"]}


def test_both_kinds_of_conditions_stand_in_one_list():
    status = status_after({}, wanted(attempted="r2", applied="r2"), Forms(), FIRST)
    found = by_name(status)

    assert found["db"] == {
        "lastTransitionTime": FIRST, "name": "db", "currentStatus": "Finished",
    }  # fmt: skip
    assert {name: found[name]["status"] for name in ("Ready", "Reconciling", "Stalled", "Healthy")} == {
        "Ready": "True", "Reconciling": "False", "Stalled": "False", "Healthy": "True",
    }  # fmt: skip
    assert (found["Ready"]["reason"], found["Ready"]["observedGeneration"]) == ("Succeeded", 2)
    assert (status["observedGeneration"], status["lastAppliedRevision"]) == (2, "r2")


def test_only_what_changed_has_a_new_time():
    before = status_after({}, wanted(), Forms(), FIRST)
    after = status_after(
        before, wanted(failed(Reason.APPLY_FAILED, "no", again=True)), Forms(), LATER
    )
    times = {name: one["lastTransitionTime"] for name, one in by_name(after).items()}

    assert times == {
        "db": FIRST, "Ready": LATER, "Reconciling": LATER, "Stalled": FIRST, "Healthy": LATER,
    }  # fmt: skip


def test_groups_that_are_no_more_lose_their_condition():
    before = status_after({}, wanted(groups=("db", "old")), Forms(), FIRST)

    after = status_after(before, wanted(groups=("db", "new")), Forms(), LATER)

    assert [one["name"] for one in after["conditions"] if "name" in one] == ["db", "new"]


def test_conditions_and_fields_of_others_stay():
    other = {"type": "Certified", "status": "True"}
    before = {"conditions": [other], "lastAppliedRevision": "r1"}

    after = status_after(before, wanted(progressing("at work")), Forms(), LATER)

    assert after["conditions"][0] == other
    assert "lastAppliedRevision" not in after


def test_nothing_is_written_that_is_there():
    before = status_after({}, wanted(), Forms(), FIRST)
    again = status_after(before, wanted(), Forms(), LATER)

    assert is_written(again, before, frozenset())
    assert not is_written(again, {}, frozenset())


def test_a_schema_without_types_keeps_only_groups():
    sent = status_after({}, wanted(), Forms(), FIRST)
    pruned = [
        {k: v for k, v in one.items() if k in {"name", "currentStatus", "lastTransitionTime"}}
        for one in sent["conditions"]
    ]
    kept = {"conditions": pruned}
    forms = kept_forms(sent, kept, Forms())

    assert forms == Forms(has_standard=False)
    assert lost_fields(sent, kept) == {"observedGeneration"}
    assert [one["name"] for one in status_after(kept, wanted(), forms, LATER)["conditions"]] == [
        "db"
    ]


def test_a_schema_without_names_keeps_only_the_standard_ones():
    sent = status_after({}, wanted(), Forms(), FIRST)
    kept = {
        "conditions": [
            {k: v for k, v in one.items() if k not in {"name", "currentStatus"}}
            for one in sent["conditions"]
        ]
    }
    forms = kept_forms(sent, kept, Forms())

    assert forms == Forms(has_groups=False)
    assert all("type" in one for one in status_after(kept, wanted(), forms, LATER)["conditions"])


def test_kstatus_reads_a_retry_as_in_progress_and_a_stop_as_failed():
    retried = by_name(
        status_after({}, wanted(failed(Reason.APPLY_FAILED, "no", again=True)), Forms(), FIRST)
    )
    stopped = by_name(
        status_after({}, wanted(failed(Reason.APPLY_FAILED, "no", again=False)), Forms(), FIRST)
    )

    assert (retried["Reconciling"]["status"], retried["Stalled"]["status"]) == ("True", "False")
    assert retried["Reconciling"]["reason"] == "ProgressingWithRetry"
    assert (stopped["Reconciling"]["status"], stopped["Stalled"]["status"]) == ("False", "True")
    assert stopped["Ready"]["reason"] == "ApplyFailed"


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [(Outcome.TIMED_OUT, "HealthCheckFailed"), (Outcome.FAILED, "ApplyFailed")],
)
def test_a_failed_step_has_a_code(outcome, reason):
    bad = ChangeResult(ref=REF, operation=Operation.CREATE, outcome=outcome, message="no")
    plan = a_plan("db/a")

    report = conclude(plan, TRIGGER, [ended("db/a", outcome, changes=(bad,))])

    assert reason_of_report(report) == reason
    assert failed(reason_of_report(report), "", again=True).healthy is (
        Truth.FALSE if outcome is Outcome.TIMED_OUT else Truth.UNKNOWN
    )


def a_live(version="1", generation=1, *, kind="Deployment", manager="kubectl", **more):
    metadata = {
        "name": "web", "namespace": "shop", "uid": "u", "resourceVersion": version,
        "managedFields": [{"manager": manager, "time": version}], **more.pop("metadata", {}),
    }  # fmt: skip
    if generation:
        metadata["generation"] = generation
    return live_object({"apiVersion": "x/v1", "kind": kind, "metadata": metadata, **more})


ASKED = {"annotations": {"rollwright.dev/requested-at": "now"}}
OURS = {"labels": {"rollwright.dev/rollout": "shop"}}


@pytest.mark.parametrize(
    ("before", "after", "is_it"),
    [
        (None, a_live(), True),
        (a_live(), a_live(spec={"a": 1}), False),  # DOC-50
        (a_live(), a_live("2", status={"a": 1}), False),
        (a_live(), a_live("2", 2, spec={"a": 1}), True),
        (a_live(spec={"a": 1}), a_live("2", 2, spec={"a": 1}, status={"a": 1}), False),
        (a_live(), a_live("2", metadata=ASKED), True),
        (a_live(metadata=ASKED), a_live("2", metadata=ASKED), False),
        (a_live(), a_live("2", metadata={"deletionTimestamp": "t"}), True),
        (a_live(), a_live("2", metadata={"finalizers": ["a"]}), False),
        (a_live(), a_live("2", metadata={"uid": "other"}), True),
        # kinds without a generation
        (a_live(generation=0), a_live("2", 0, data={"a": "b"}), True),
        (a_live(generation=0), a_live("2", 0, status={"a": "b"}), False),
        (a_live(generation=0), a_live("2", 0, metadata={"labels": {"a": "b"}}), True),
        (a_live(generation=0), a_live("2", 0, metadata={"finalizers": ["a"]}), False),
        (a_live(generation=0), a_live("2", 0, metadata={"annotations": {"a": "b"}}), False),
    ],
)
def test_a_change_of_the_main_object_counts(before, after, is_it):
    assert is_news(before, after) is is_it


@pytest.mark.parametrize(
    ("after", "is_it"),
    [
        (a_live("2", 2, spec={"a": 1}, manager="rollwright", metadata=OURS), False),
        (a_live("2", 2, spec={"a": 1}, manager="kubectl", metadata=OURS), True),
        (a_live("2", 2, spec={"a": 1}, manager="rollwright"), True),  # another rollout's
        (a_live("2", metadata={"deletionTimestamp": "t"}), False),  # it is not gone yet
    ],
)
def test_what_a_run_wrote_itself_is_no_reason_for_another(after, is_it):
    assert is_news(a_live(), after, owners={"shop"}) is is_it


def test_a_mark_is_of_generation_and_token():
    one, asked = a_live(), a_live("2", metadata=ASKED)

    assert (mark_of(one), mark_of(asked)) == ("u:1:", "u:1:now")
    assert token_of(asked) == "now"
