"""What became of a run: outcomes, the worst first, and one line for people."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import pytest

from rollwright.rollouts.change import Operation
from rollwright.rollouts.concluding import cancelled, conclude
from rollwright.rollouts.manifest import ref_of
from rollwright.rollouts.pruning.removal import make_removal
from rollwright.rollouts.report import ChangeResult, Outcome, StepResult, must_stop, step_outcome
from rollwright.rollouts.status import ObjectStatus, Status

w = SimpleNamespace(**run_path(str(Path(__file__).parents[2] / "world.py")))
A, B, C, D = (ref_of(w.a_config(name)) for name in "abcd")
GOOD, FAILED, SKIPPED, TIMED_OUT, CANCELLED, NOT_STARTED = (
    Outcome.SUCCEEDED, Outcome.FAILED, Outcome.SKIPPED, Outcome.TIMED_OUT, Outcome.CANCELLED,
    Outcome.NOT_STARTED,
)  # fmt: skip


def a_plan(wanted="ab", before=""):
    """Return a plan that creates some objects and deletes those that are not wanted."""
    world = w.World()
    if before:
        world.roll_out(*(w.a_config(name) for name in before))
    return world.plan(w.a_set(*(w.a_config(name, k="new") for name in wanted)))


def a_result(ref, outcome=GOOD, message="", *, operation=Operation.CREATE, **facts):
    return ChangeResult(ref=ref, operation=operation, outcome=outcome, message=message, **facts)


def a_prune(ref, outcome=GOOD, message=""):
    return a_result(ref, outcome, message, operation=Operation.PRUNE)


def a_step(name, *changes, outcome=None, **facts):
    return StepResult(step=name, outcome=outcome or step_outcome(changes), changes=changes, **facts)


def a_report(plan, *steps, **facts):
    return conclude(plan, w.TRIGGER, steps, run_id="r", **facts)


# ------------------------------------------------------------------ steps


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([], GOOD),
        ([GOOD, GOOD], GOOD),
        ([GOOD, FAILED, TIMED_OUT], FAILED),
        ([TIMED_OUT, SKIPPED], TIMED_OUT),
        ([FAILED, CANCELLED], CANCELLED),
        ([GOOD, SKIPPED], FAILED),
        ([NOT_STARTED], FAILED),
    ],
)
def test_a_step_ends_as_its_worst_change(outcomes, expected):
    assert step_outcome(a_result(A, one) for one in outcomes) is expected


@pytest.mark.parametrize(
    ("outcome", "stops"), [(GOOD, False), (FAILED, True), (TIMED_OUT, True), (CANCELLED, True)]
)
def test_nothing_follows_a_step_that_did_not_succeed(outcome, stops):
    assert must_stop(a_plan(), [a_step("apply-0", outcome=outcome)]) is stops


def test_nothing_stops_before_the_first_step():
    assert not must_stop(a_plan(), [])


# ------------------------------------------------------------------ runs


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([a_result(A), a_result(B)], GOOD),
        ([a_result(A), a_result(B, FAILED)], FAILED),
        ([a_result(A), a_result(B, TIMED_OUT)], TIMED_OUT),
        ([a_result(A, FAILED), a_result(B, CANCELLED)], CANCELLED),
        ([a_result(A), a_result(B, SKIPPED)], FAILED),
    ],
)
def test_a_run_ends_as_its_applies_end(changes, expected):
    assert a_report(a_plan(), a_step("apply-0", *changes)).outcome is expected


def test_an_apply_that_was_not_started_fails_the_run():
    plan = w.World().plan(
        w.a_set(w.a_config("a"), w.a_config("b", annotations={"rollwright.dev/wave": "1"}))
    )

    assert a_report(plan, a_step("apply-0", a_result(A))).outcome is FAILED


def test_steps_that_were_not_started_are_told_with_their_objects():
    plan = a_plan("a", before="ab")

    report = a_report(plan, a_step("apply-0", a_result(A, FAILED)))

    (last,) = report.results[1].changes
    assert (report.results[1].outcome, last.ref, last.outcome, last.message) == (
        NOT_STARTED, B, NOT_STARTED, "an earlier step did not succeed"
    )  # fmt: skip


@pytest.mark.parametrize("outcome", [FAILED, TIMED_OUT])
def test_a_failed_delete_does_not_undo_what_was_applied(outcome):
    plan = a_plan("a", before="ab")

    report = a_report(plan, a_step("apply-0", a_result(A)), a_step("prune-0", a_prune(B, outcome)))

    assert report.outcome is GOOD


def test_a_cancelled_delete_cancels_the_run():
    plan = a_plan("a", before="ab")

    report = a_report(
        plan, a_step("apply-0", a_result(A)), a_step("prune-0", a_prune(B, CANCELLED))
    )

    assert report.outcome is CANCELLED


@pytest.mark.parametrize(
    ("outcome", "expected"), [(GOOD, GOOD), (FAILED, FAILED), (TIMED_OUT, TIMED_OUT)]
)
def test_a_removal_ends_as_its_deletes_end(outcome, expected):
    world = w.World()
    world.roll_out(w.a_config("a"))
    plan = make_removal("shop", world.live(), world.state)

    assert a_report(plan, a_step("prune-0", a_prune(A, outcome))).outcome is expected


def test_a_run_without_anything_to_do_succeeds():
    world = w.World()
    world.roll_out(w.a_config("a"))
    plan = world.plan(w.a_set(w.a_config("a")))

    report = conclude(plan, w.TRIGGER, ())

    assert (report.outcome, report.results, report.run_id) == (GOOD, (), "")


# ------------------------------------------------------------------ times and counts


def test_a_run_lasts_from_its_trigger_to_its_last_step():
    ends = [w.NOW + timedelta(seconds=n) for n in (9, 5)]

    report = a_report(a_plan(), *(a_step(str(end), ended_at=end) for end in ends))

    assert (report.started_at, report.ended_at) == (w.NOW, ends[0])


def test_a_run_does_not_last_while_it_waits_for_its_turn():
    begun_at = w.TRIGGER.received_at + timedelta(seconds=100)
    trigger = replace(w.TRIGGER, begun_at=begun_at)
    steps = [a_step("a", a_result(A), ended_at=begun_at + timedelta(seconds=2))]
    report = conclude(a_plan(), trigger, steps, run_id="r")

    assert report.ended_at - report.started_at == timedelta(seconds=2)


def test_a_run_without_steps_ends_when_its_plan_was_made():
    plan = a_plan()

    assert conclude(plan, w.TRIGGER, ()).ended_at == plan.made_at


@pytest.mark.parametrize(("calls", "expected"), [(None, {}), ({"list": 2}, {"list": 2})])
def test_requests_are_counted(calls, expected):
    assert a_report(a_plan(), calls=calls).calls == expected


# ------------------------------------------------------------------ what is said


def message(plan, *steps):
    return a_report(plan, *steps).message


def test_what_was_done_is_counted():
    step = a_step("apply-0", a_result(A), a_result(B))

    assert message(a_plan(), step) == "2 changes carried out; everything is Current"


def test_one_change_is_one_change():
    step = a_step("apply-0", a_result(A), a_result(B, operation=Operation.KEEP))

    assert message(a_plan(), step) == "1 change carried out; everything is Current"


def test_a_run_without_anything_to_do_says_so():
    assert message(a_plan()) == "nothing to do; everything is Current"


def test_a_run_that_only_waited_says_so():
    step = a_step("apply-0", a_result(A, operation=Operation.KEEP))

    assert message(a_plan("a"), step) == "nothing to do; everything is Current"


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        (None, "2 changes carried out; nothing is left"),
        ({"helm.sh/resource-policy": "keep"}, "1 change carried out; 1 object stays"),
    ],
)
def test_a_removal_says_whether_anything_stays(annotations, expected):
    world = w.World()
    world.roll_out(w.a_config("a"), w.a_config("b", annotations=annotations))
    plan = make_removal("shop", world.live(), world.state)
    prunes = [a_prune(change.ref) for change in plan.changes]

    assert message(plan, a_step("prune-0", *prunes)) == expected


def test_a_failure_is_the_message():
    step = a_step("apply-0", a_result(A), a_result(B, FAILED, "the server said no"))

    assert message(a_plan(), step) == "ConfigMap/shop/b: the server said no"


def test_a_delete_that_failed_is_named_in_the_message_of_success():
    plan = a_plan("a", before="ab")
    steps = a_step("apply-0", a_result(A)), a_step("prune-0", a_prune(B, FAILED, "finalizer x"))

    assert message(plan, *steps) == (
        "1 change carried out; could not delete ConfigMap/shop/b: finalizer x"
    )


def test_the_delete_that_failed_is_named_before_those_that_were_not_started():
    plan = a_plan("a", before="abcd")
    prunes = a_prune(B, NOT_STARTED), a_prune(C), a_prune(D, TIMED_OUT, "finalizer x")
    steps = a_step("apply-0", a_result(A, operation=Operation.KEEP)), a_step("prune-0", *prunes)

    assert message(plan, *steps) == (
        "1 change carried out; could not delete ConfigMap/shop/d (and 1 more): finalizer x"
    )


@pytest.mark.parametrize("changes", [[a_result(A, CANCELLED)], []])
def test_a_cancelled_run_says_so_and_how_to_resume(changes):
    report = a_report(a_plan("a"), a_step("apply-0", *changes, outcome=CANCELLED))

    assert report.message == "cancelled at step apply-0"
    assert report.hint == "run the same rollout again to resume"


def test_whoever_cancelled_a_run_is_named():
    report = a_report(a_plan("a"), a_step("apply-0", a_result(A, CANCELLED)))

    assert (
        cancelled(report, "Ctrl-C of ada").message == "cancelled by Ctrl-C of ada at step apply-0"
    )


def test_a_failure_stands_beside_who_cancelled():
    step = a_step("apply-0", a_result(A, CANCELLED), a_result(B, FAILED, "no"))
    report = cancelled(a_report(a_plan(), step), "SIGTERM")

    assert report.message == "ConfigMap/shop/b: no; cancelled by SIGTERM at step apply-0"


def test_a_run_that_came_to_its_end_was_not_cancelled():
    report = a_report(a_plan("a"), a_step("apply-0", a_result(A)))

    assert cancelled(report, "Ctrl-C of ada") == report


def test_a_failure_comes_before_the_cancellation_that_it_met():
    step = a_step("apply-0", a_result(A, CANCELLED), a_result(B, FAILED, "no"))

    assert message(a_plan(), step) == "ConfigMap/shop/b: no"


@pytest.mark.parametrize(
    ("said", "expected"),
    [("the job broke", "apply-0: the job broke"), ("", "apply-0: did not succeed")],
)
def test_a_step_that_failed_as_a_whole_is_named(said, expected):
    step = a_step("apply-0", a_result(A), a_result(B), outcome=FAILED, message=said)

    assert message(a_plan(), step) == expected


def test_the_hint_is_that_of_the_worst_failure_that_has_one():
    worse = ObjectStatus(ref=A, status=Status.FAILED)
    step = a_step(
        "apply-0",
        a_result(A, FAILED, "a", status=worse, hint="look at a"),
        a_result(B, FAILED, "b"),
    )

    assert a_report(a_plan(), step).hint == "look at a"


def test_a_success_needs_no_hint():
    assert a_report(a_plan(), a_step("apply-0", a_result(A), a_result(B))).hint == ""


# ------------------------------------------------------------------ the worst first


def test_failures_come_with_the_worst_first():
    slow = ObjectStatus(ref=A, status=Status.IN_PROGRESS)
    broken = ObjectStatus(ref=C, status=Status.FAILED)
    step = a_step(
        "apply-0",
        a_result(A, TIMED_OUT, status=slow),
        a_result(B, SKIPPED),
        a_result(C, FAILED, status=broken),
        a_result(D, FAILED),
    )

    assert [one.ref for one in a_report(a_plan("abcd"), step).failures] == [D, C, A]


def test_equal_failures_come_by_name():
    step = a_step("apply-0", a_result(B, FAILED), a_result(A, FAILED))

    assert [one.ref for one in a_report(a_plan(), step).failures] == [A, B]


# ------------------------------------------------------------------ statuses


def test_the_last_verdict_on_each_wanted_object_counts():
    world = w.World()
    world.roll_out(w.a_config("a"), w.a_config("b"), w.a_config("c"))
    plan = world.plan(w.a_set(w.a_config("a"), w.a_config("b", k="new")))
    broken = ObjectStatus(ref=B, status=Status.FAILED)
    gone = ObjectStatus(ref=C, status=Status.NOT_FOUND)
    steps = (
        a_step("apply-0", a_result(B, FAILED, status=broken)),
        a_step("prune-0", a_result(C, status=gone, operation=Operation.PRUNE)),
    )

    assert [(one.ref, one.status) for one in a_report(plan, *steps).statuses] == [
        (A, Status.CURRENT), (B, Status.FAILED)
    ]  # fmt: skip
