"""Whether somebody was told already, and when many events become one: instants are given."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from runpy import run_path

import jsonschema_rs
import pytest

from rollwright.rollouts.change import Operation
from rollwright.rollouts.concluding import conclude
from rollwright.rollouts.describe.feedback import (
    About,
    in_words,
    of_error,
    of_plan,
    of_report,
    of_storm,
)
from rollwright.rollouts.feedback import NOTIFIED, OBJECTS_TOLD, Event, Reason, Severity
from rollwright.rollouts.machine.feedback import (
    feedback_form,
    feedback_schema,
    read_feedback_form,
)
from rollwright.rollouts.report import ChangeResult, Outcome, StepResult
from rollwright.rollouts.spec.feedback import FeedbackRules
from rollwright.rollouts.telling import (
    STORM_COUNT,
    WINDOW,
    Burst,
    Record,
    Told,
    Trouble,
    concerns,
    let_through,
    merged,
    read_told,
    show_once,
    tell_once,
    told_form,
    with_records,
    with_trouble,
)
from rollwright.testing.feedback_contract import NOW, a_feedback

WORLD = run_path(str(Path(__file__).parents[2] / "world.py"))
World, a_config, a_set, TRIGGER = (WORLD[one] for one in ("World", "a_config", "a_set", "TRIGGER"))
SECOND = timedelta(seconds=1)


def tell(told, feedback, now=NOW, *, sink="team", once_per=()):
    return tell_once(told, sink, feedback, once_per, now)


# ------------------------------------------------------------------ once


def test_the_same_is_told_again_after_five_minutes():
    told = tell(Told(), a_feedback())

    assert tell(told, a_feedback(), NOW + WINDOW - SECOND) is None
    assert tell(told, a_feedback(), NOW + WINDOW) is not None


@pytest.mark.parametrize(
    "other",
    [
        {"message": "other"}, {"revision": "main@sha1:" + "b" * 40}, {"rollout": "other"},
        {"cluster": "other"}, {"event": Event.ROLLED_BACK},
    ],
    ids=lambda one: next(iter(one)),
)  # fmt: skip
def test_what_differs_is_told(other):
    assert tell(tell(Told(), a_feedback()), a_feedback(**other)) is not None


def test_another_sink_is_told_for_itself():
    assert tell(tell(Told(), a_feedback()), a_feedback(), sink="other") is not None


def test_a_recovery_is_always_told():
    over = a_feedback(event=Event.RECOVERED)

    assert tell(tell(Told(), over), over) is not None


@pytest.mark.parametrize("days", [0, 1, 30])
def test_each_value_of_once_per_is_told_once_and_for_all(days):
    told = tell(Told(), a_feedback(), once_per=("revision",))
    later = NOW + timedelta(days=days)

    assert tell(told, a_feedback(message="other"), later, once_per=("revision",)) is None
    other = a_feedback(revision="main@sha1:" + "b" * 40)
    assert tell(told, other, later, once_per=("revision",)) is not None


def test_once_per_a_label():
    told = tell(Told(), a_feedback(labels={"a.b/c": "1"}), once_per=("labels.a.b/c",))

    assert (
        tell(told, a_feedback(message="x", labels={"a.b/c": "1"}), once_per=("labels.a.b/c",))
        is None
    )
    assert (
        tell(told, a_feedback(labels={"a.b/c": "2"}), NOW, once_per=("labels.a.b/c",)) is not None
    )


def test_one_plan_that_waits_is_told_once():
    waiting = a_feedback(event=Event.APPROVAL_NEEDED, plan_id="p1")
    told = tell(Told(), waiting)

    assert tell(told, waiting, NOW + timedelta(days=1)) is None
    assert tell(told, replace(waiting, plan_id="p2"), NOW + timedelta(days=1)) is not None


def test_what_is_kept_of_it_is_bounded():
    told = Told()
    for number in range(1000):
        told = tell(told, a_feedback(rollout=f"r{number}"), once_per=("rollout",)) or told

    assert len(told.sent) <= 200


def test_a_state_is_shown_when_it_changes():
    told = show_once(Told(), "gh", "r1", "pending") or Told()

    assert show_once(told, "gh", "r1", "pending") is None
    assert show_once(told, "gh", "r1", "success") is not None
    assert show_once(told, "gh", "r2", "pending") is not None


# ------------------------------------------------------------------ trouble


def test_trouble_lasts_from_the_first_failure_to_the_next_success():
    told = with_trouble(Told(), a_feedback())
    told = with_trouble(told, a_feedback(at=NOW + WINDOW))

    assert told.trouble == Trouble(since=NOW, reason="ApplyFailed")
    assert with_trouble(told, a_feedback(event=Event.SUCCEEDED)).trouble is None


@pytest.mark.parametrize("outcome", ["cancelled", "superseded"])
def test_what_somebody_ended_is_no_trouble(outcome):
    assert with_trouble(Told(), a_feedback(outcome=outcome)).trouble is None


def test_what_was_told_survives_being_written():
    told = with_trouble(tell(Told(), a_feedback()), a_feedback())
    told = with_records(told, [Record(sink="team", event="failed", at=NOW, result="told")])

    assert read_told(json.loads(json.dumps(told_form(told)))) == told


@pytest.mark.parametrize(
    "form", [{}, {"sent": 1}, {"sent": {}, "shown": {}, "trouble": 1, "records": []}]
)
def test_what_another_version_wrote_is_nothing(form):
    assert read_told(form) == Told()


def test_two_processes_know_together_what_each_told():
    theirs, ours = tell(Told(), a_feedback()), tell(Told(), a_feedback(rollout="other"))

    assert tell(merged(theirs, ours, NOW), a_feedback(), NOW + SECOND) is None
    assert tell(merged(theirs, ours, NOW), a_feedback(rollout="other"), NOW + SECOND) is None


# ------------------------------------------------------------------ storms


def test_fifty_events_pass_within_a_minute():
    burst, passed = Burst(), 0
    for number in range(STORM_COUNT + 20):
        after = let_through(burst, NOW + number * timedelta(milliseconds=1))
        burst, passed = after or burst, passed + (after is not None)

    assert passed == STORM_COUNT
    assert let_through(burst, NOW + timedelta(minutes=2)) is not None


def test_a_storm_is_one_summary_with_a_link():
    told = of_storm([a_feedback(rollout=f"r{n}", title=f"r{n}: failed") for n in range(70)], NOW)

    assert told.title == "70 more events within a minute"
    assert (told.event, told.severity) == (Event.SUMMARY, Severity.ERROR)
    assert told.url == "https://prefect.example/runs/1"
    assert len(told.lines) == OBJECTS_TOLD + 1


# ------------------------------------------------------------------ rules


@pytest.mark.parametrize(
    ("when", "feedback", "is_told"),
    [
        ({}, {}, True),
        ({}, {"event": Event.SUCCEEDED}, False),
        ({"outcomes": ["succeeded"]}, {"event": Event.SUCCEEDED, "outcome": "succeeded"}, True),
        ({"outcomes": ["failed"]}, {"outcome": "timed-out"}, True),
        ({"outcomes": ["failed"]}, {"event": Event.RECOVERED, "outcome": "succeeded"}, True),
        ({"events": ["failed"]}, {"event": Event.RECOVERED, "outcome": "succeeded"}, True),
        ({"events": ["succeeded"]}, {"event": Event.RECOVERED}, False),
        ({"severity": "error"}, {"severity": Severity.WARNING}, False),
        ({"severity": "warning"}, {"severity": Severity.ERROR}, True),
        ({"severity": "error"}, {"event": Event.RECOVERED, "severity": Severity.INFO}, True),
        ({"rollouts": ["sh*"]}, {}, True), ({"rollouts": ["x"]}, {}, False),
        ({"clusters": ["prod"]}, {}, True), ({"clusters": ["dev*"]}, {}, False),
        ({"labels": {"a": "b"}}, {"labels": {"a": "b", "c": "d"}}, True),
        ({"labels": {"a": "b"}}, {"labels": {"a": "c"}}, False),
        ({"reasons": ["ApplyFailed"]}, {}, True), ({"reasons": ["HookFailed"]}, {}, False),
        ({"include": ["*image*"]}, {}, True), ({"exclude": ["*image*"]}, {}, False),
        ({"groups": ["db*"]}, {"event": Event.GROUP_ENDED, "group": "dba"}, True),
        ({"groups": ["db*"]}, {"event": Event.GROUP_ENDED, "group": "web"}, False),
        ({"groups": ["db*"]}, {}, False),
        ({"steps": ["one"]}, {"event": Event.STEP_ENDED, "group": "g", "step": "one"}, True),
        ({"steps": ["one"]}, {"event": Event.STEP_ENDED, "group": "g", "step": "two"}, False),
    ],
)  # fmt: skip
def test_a_rule_says_what_is_told(when, feedback, is_told):
    rules = FeedbackRules.model_validate({"when": when})

    assert concerns(rules, NOTIFIED, a_feedback(**feedback)) is is_told


def test_one_rule_of_several_is_enough():
    rules = FeedbackRules.model_validate({"when": [{"rollouts": ["x"]}, {"rollouts": ["shop"]}]})

    assert concerns(rules, NOTIFIED, a_feedback())


# ------------------------------------------------------------------ in words


def a_report(outcome=Outcome.SUCCEEDED, message="", **facts):
    world = World()
    plan = world.plan(a_set(a_config("a"), a_config("b")))
    changes = [
        ChangeResult(
            ref=one.ref, operation=one.operation, outcome=outcome, message=message, **facts
        )
        for one in plan.changes
    ]
    results = [StepResult(step=next(plan.steps).name, outcome=outcome, changes=tuple(changes))]
    return conclude(plan, TRIGGER, results, run_id="0123456789ab")


ABOUT = About(rollout="shop", cluster="prod", revision="main@sha1:" + "a" * 40, actor="ada")


def test_a_success_is_told_with_its_counts():
    told = of_report(ABOUT, a_report())

    assert (told.event, told.severity, told.reason) == (
        Event.SUCCEEDED, Severity.INFO, Reason.SUCCEEDED,
    )  # fmt: skip
    assert told.title == "shop (prod): succeeded"
    assert told.message.endswith("; 2 created")
    assert told.counts == {"create": 2}


def test_a_failure_is_told_by_its_worst_object_and_cause():
    told = of_report(ABOUT, a_report(Outcome.FAILED, "is refused"))

    assert (told.event, told.reason) == (Event.FAILED, Reason.APPLY_FAILED)
    assert told.message == "ConfigMap/shop/a: is refused; 2 failed"
    assert told.lines == ("ConfigMap/shop/a: is refused", "ConfigMap/shop/b: is refused")


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"resource_version": "7"}, Reason.HEALTH_CHECK_FAILED),
        ({}, Reason.APPLY_FAILED),
    ],
)
def test_what_was_written_failed_by_its_health(facts, reason):
    assert of_report(ABOUT, a_report(Outcome.FAILED, "x", **facts)).reason is reason


def test_a_recovery_says_how_long_it_took():
    told = of_report(ABOUT, a_report(), failing_for=timedelta(minutes=12, seconds=5))

    assert told.event is Event.RECOVERED
    assert told.message.startswith("recovered after 12 min: ")


def test_at_most_fifty_objects_are_named():
    world = World()
    plan = world.plan(a_set(*(a_config(f"c{n}") for n in range(70))))
    told = of_plan(ABOUT, Event.PLANNED, plan, NOW)

    assert (len(told.objects), told.omitted_count) == (OBJECTS_TOLD, 20)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (720, "12 min"),
        (3700, "1 h 1 min"),
        (90061, "1 d 1 h"),
        (-3, "0 s"),
    ],
)
def test_a_length_of_time_in_words(seconds, words):
    assert in_words(timedelta(seconds=seconds)) == words


def test_markdown_takes_words_of_others_as_words():
    told = of_error(ABOUT, "<script>*x*</script> [a](http://b)", Reason.BUILD_FAILED, NOW)

    assert "<script>" not in told.markdown.replace("\\<", "")
    assert "\\*x\\*" in told.markdown


@pytest.mark.parametrize(
    "told",
    [a_feedback(), of_report(ABOUT, a_report()), of_storm([a_feedback()], NOW)],
    ids=lambda one: str(one.event),
)
def test_the_machine_form_is_as_its_schema_says(told):
    jsonschema_rs.validator_for(feedback_schema()).validate(json.loads(json.dumps(told.machine)))


def test_the_machine_form_is_as_recorded():
    path = Path(__file__).parents[2] / "golden" / "feedback" / "failed.json"

    assert json.loads(json.dumps(a_feedback().machine)) == json.loads(path.read_text())


def test_the_machine_form_can_be_read_again():
    told = a_feedback()

    assert feedback_form(read_feedback_form(json.loads(json.dumps(told.machine)))) == told.machine


def test_kept_objects_are_no_changes():
    report = a_report()
    kept = [replace(one, operation=Operation.KEEP) for one in report.changes]
    told = of_report(
        ABOUT, replace(report, results=(replace(report.results[0], changes=tuple(kept)),))
    )

    assert (told.objects, told.counts) == ((), {})


def test_whom_it_is_told_changes_no_plan():
    """What somebody approved stays approved."""
    step = {"name": "s", "object": "a"}
    spec = WORLD["a_spec"]
    plain = World(spec=spec(groups=[{"name": "g", "steps": [step]}]))
    told = World(
        spec=spec(
            feedback=["team"],
            groups=[{"name": "g", "feedback": ["team"], "steps": [{**step, "feedback": ["x"]}]}],
        )
    )

    assert told.plan(a_set(a_config("a"))).id == plain.plan(a_set(a_config("a"))).id
