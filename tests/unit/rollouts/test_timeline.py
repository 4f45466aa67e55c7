"""When what happened in a run: what has a bar, what is kept, and how it is drawn."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema_rs
import pytest

from rollwright.rollouts.change import Operation
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.plan import Plan, Rollback, Step, Wave
from rollwright.rollouts.report import ChangeResult, Outcome, Report, StepResult
from rollwright.rollouts.state import Revision, RolloutState
from rollwright.rollouts.timeline.bars import (
    KEPT_BARS,
    KEPT_RUNS,
    BarKind,
    last_timelines,
    seconds,
    timeline_of,
    with_timeline,
)
from rollwright.rollouts.timeline.form import timeline_form, timeline_schema
from rollwright.rollouts.timeline.svg import draw_svg
from rollwright.rollouts.timeline.text import draw_text
from rollwright.rollouts.trigger import Trigger

AT = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)
TRIGGER = Trigger(id="t", kind="manual", rollout="shop", actor="ada", received_at=AT)


def after(count):
    return AT + timedelta(seconds=count)


def ref(name):
    return ObjectRef("batch", "Job", "shop", name)


def a_change(name, span=(1, 2), outcome=Outcome.SUCCEEDED, **facts: Any):
    times = {"started_at": after(span[0]), "ended_at": after(span[1])} if span else {}
    facts = {"operation": Operation.CREATE, **times, **facts}
    return ChangeResult(ref=ref(name), outcome=outcome, **facts)


def a_step(name, *changes, span=(1, 2), outcome=Outcome.SUCCEEDED, message=""):
    times: dict[str, Any] = (
        {"started_at": after(span[0]), "ended_at": after(span[1])} if span else {}
    )
    return StepResult(step=name, outcome=outcome, changes=changes, message=message, **times)


def a_report(*results, groups=None, outcome=Outcome.SUCCEEDED, **facts: Any):
    """Return a report of steps; ``groups`` names the group of each."""
    named = groups or dict.fromkeys((one.step for one in results), "")
    steps = tuple(
        Step(name=name, action="Apply", changes=(), group=group) for name, group in named.items()
    )
    waves = tuple(Wave(name=f"wave-{number}", steps=(step,)) for number, step in enumerate(steps))
    plan = Plan(
        id="sha256:1", rollout="shop", cluster="prod", cluster_id="c", source="s", waves=waves,
        made_at=AT, wanted_digest="d",
    )  # fmt: skip
    plan = replace(plan, **facts)
    return Report(
        rollout="shop", cluster="prod", plan=plan, trigger=TRIGGER, outcome=outcome,
        started_at=AT, ended_at=after(10), run_id="run1", results=results, revision=1,
    )  # fmt: skip


def parsed(picture):
    return ET.fromstring(picture)  # noqa: S314  (our own picture)


def told(timeline):
    return [(bar.kind.value, bar.name) for bar in timeline.bars]


def a_state(*numbers):
    revisions = tuple(
        Revision(
            number=number, source="s", digest="d", outcome="succeeded", actor="ada",
            started_at=AT, ended_at=AT,
        )
        for number in numbers
    )  # fmt: skip
    return RolloutState(rollout="shop", revisions=revisions)


def remembered(*timelines):
    state = a_state(*(one.revision for one in timelines))
    for one in timelines:
        state = replace(state, extra=with_timeline(state.extra, one))
    return state


def test_each_group_stands_before_its_steps_and_objects():
    report = a_report(
        a_step("db/schema", a_change("migrate")),
        a_step("db/seed", a_change("seed")),
        a_step("app/web", a_change("web")),
        groups={"db/schema": "db", "db/seed": "db", "app/web": "app"},
    )

    assert told(timeline_of(report)) == [
        ("group", "db"),
        ("step", "db/schema"),
        ("object", "Job/shop/migrate"),
        ("step", "db/seed"),
        ("object", "Job/shop/seed"),
        ("group", "app"),
        ("step", "app/web"),
        ("object", "Job/shop/web"),
    ]


def test_without_groups_the_waves_stand_there():
    assert told(timeline_of(a_report(a_step("apply-0"))))[0] == ("group", "wave-0")


def test_a_wave_that_is_called_like_its_step_says_nothing_more():
    assert told(timeline_of(a_report(a_step("wave-0")))) == [("step", "wave-0")]


def test_a_group_lasts_from_its_first_step_to_its_last():
    report = a_report(
        a_step("a", span=(1, 3)), a_step("b", span=(2, 7)), groups={"a": "db", "b": "db"}
    )
    [group, *_] = timeline_of(report).bars

    assert (group.started_at, group.ended_at) == (after(1), after(7))


def test_a_group_is_as_bad_as_its_worst_step():
    report = a_report(
        a_step("a"), a_step("b", outcome=Outcome.FAILED), groups={"a": "db", "b": "db"}
    )
    [group, *_] = timeline_of(report).bars

    assert group.outcome == "failed"


def test_a_step_without_times_has_those_of_its_objects():
    report = a_report(a_step("a", a_change("x", (3, 5)), span=None))
    step = timeline_of(report).bars[1]

    assert (step.started_at, step.ended_at) == (after(3), after(5))


def test_objects_that_were_only_kept_have_no_bar():
    kept = a_change("x", None, operation=Operation.KEEP)
    waited_for = a_change("y", (1, 2), operation=Operation.KEEP)
    skipped = a_change("z", None, Outcome.SKIPPED, operation=Operation.KEEP)
    timeline = timeline_of(a_report(a_step("a", kept, waited_for, skipped)))

    assert [one for kind, one in told(timeline) if kind == "object"] == [
        "Job/shop/y",
        "Job/shop/z",
    ]


def test_only_what_did_not_succeed_says_why():
    good = a_change("x", message="all fine")
    bad = a_change("y", (1, 2), Outcome.FAILED, message="out of\nmemory")
    bars = timeline_of(a_report(a_step("a", good, bad))).bars

    assert [bar.message for bar in bars if bar.kind is BarKind.OBJECT] == ["", "out of memory"]


def test_what_was_never_begun_has_no_times():
    never = a_change("x", None, Outcome.NOT_STARTED)
    [bar] = [
        one
        for one in timeline_of(a_report(a_step("a", never, span=None))).bars
        if one.kind is BarKind.OBJECT
    ]

    assert (bar.started_at, bar.ended_at, bar.duration) == (None, None, None)


def test_it_survives_being_kept():
    report = a_report(a_step("a", a_change("x")), outcome=Outcome.FAILED)
    timeline = timeline_of(report)

    assert last_timelines(remembered(timeline)) == (timeline,)


def test_the_last_runs_are_kept_and_nothing_else_is_lost():
    state = replace(a_state(1), extra={"mine": "stays"})
    for number in range(1, 8):
        one = timeline_of(a_report(a_step("a")), revision=number)
        state = replace(state, extra=with_timeline(state.extra, one))

    assert len(state.extra) == KEPT_RUNS + 1
    assert state.extra["mine"] == "stays"
    assert {key for key in state.extra if key != "mine"} == {f"timeline/{n}" for n in (5, 6, 7)}


def test_a_rollback_is_shown_after_the_run_that_it_left():
    failed = timeline_of(a_report(a_step("a"), outcome=Outcome.FAILED), revision=2)
    back = Rollback(revision=1, snapshot="s", reason="failed")
    undone = timeline_of(a_report(a_step("a"), rollback=back), revision=3)
    older = timeline_of(a_report(a_step("a")), revision=1)

    shown = last_timelines(remembered(older, failed, undone))
    assert [one.revision for one in shown] == [2, 3]


def test_without_a_run_there_is_nothing():
    assert last_timelines(a_state()) == ()


@pytest.mark.parametrize("text", ["", "no base64!", "AAAA", "eJw="])
def test_a_damaged_record_is_none(text):
    state = replace(a_state(1), extra={"timeline/1": text, "timeline/x": "y"})

    assert last_timelines(state) == ()


def test_of_very_many_objects_the_telling_ones_are_kept():
    quick = [a_change(f"quick-{number}", (1, 2)) for number in range(KEPT_BARS)]
    slow = a_change("slow", (1, 9))
    bad = a_change("bad", (1, 1), Outcome.FAILED)
    timeline = timeline_of(a_report(a_step("a", *quick, slow, bad)))

    names = {bar.name for bar in timeline.bars}
    assert len(timeline.bars) == KEPT_BARS
    assert {"a", "Job/shop/slow", "Job/shop/bad"} <= names
    assert timeline.left_out_count == len(quick) + 4 - KEPT_BARS


def test_a_record_stays_small():
    changes = [a_change(f"object-{number}", (number, number + 1)) for number in range(2000)]
    extra = with_timeline({}, timeline_of(a_report(a_step("a", *changes))))

    assert sum(map(len, extra.values())) < 64 * 1024


def test_the_text_shows_when_and_how_long():
    report = a_report(
        a_step("db/schema", a_change("migrate", (5, 10), Outcome.FAILED, message="exit code 3"),
               span=(5, 10), outcome=Outcome.FAILED),
        groups={"db/schema": "db"}, outcome=Outcome.FAILED,
    )  # fmt: skip
    head, *lines = [line.text for line in draw_text(timeline_of(report), width=10)]

    assert head == "shop revision 1: failed, 2026-05-04 10:00:00Z, 10.0 s"
    assert lines == [
        "db                   ·····█████    5.0 s  failed",
        "  db/schema          ·····█████    5.0 s  failed",
        "    Job/shop/migrate ·····█████    5.0 s  failed: exit code 3",
    ]


def test_a_run_that_took_no_time_can_be_drawn():
    report = replace(a_report(a_step("a", span=(0, 0))), ended_at=AT)

    assert "█" in draw_text(timeline_of(report))[1].text
    parsed(draw_svg([timeline_of(report)]))


def test_the_picture_has_a_bar_for_each():
    report = a_report(a_step("a", a_change("x"), a_change("y", None, Outcome.NOT_STARTED)))
    picture = draw_svg([timeline_of(report), timeline_of(report)])

    drawn = parsed(picture)
    assert len([one for one in drawn.iter() if one.get("class") == "bar"]) == 2 * 3
    assert picture.count("<title>") == 2 * 4


def test_the_picture_escapes_what_it_quotes():
    bad = a_change("x", (1, 2), Outcome.FAILED, message='a <b> & "c" \x1b[31m')
    picture = draw_svg([timeline_of(a_report(a_step("a<", bad)))])

    texts = [one.text or "" for one in parsed(picture).iter()]
    assert any('a <b> & "c"' in text for text in texts)
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", picture)


def test_the_json_has_times_in_utc():
    document = timeline_form("shop", [timeline_of(a_report(a_step("a")))])

    [form] = document["runs"]
    assert form["startedAt"] == "2026-05-04T10:00:00Z"
    assert form["bars"][0] == {
        "kind": "group",
        "name": "wave-0",
        "outcome": "succeeded",
        "startedAt": "2026-05-04T10:00:01Z",
        "endedAt": "2026-05-04T10:00:02Z",
        "durationSeconds": 1.0,
        "message": "",
    }


def test_the_json_fits_its_schema():
    never = a_change("x", None, Outcome.NOT_STARTED)
    form = timeline_form("shop", [timeline_of(a_report(a_step("a", never)))])
    validator = jsonschema_rs.validator_for(timeline_schema(), validate_formats=True)

    assert [str(error.message) for error in validator.iter_errors(form)] == []
    assert not validator.is_valid({**form, "kind": "Other"})


@pytest.mark.parametrize(
    ("duration", "words"), [(0.04, "0.0 s"), (99, "99.0 s"), (125, "2 m 05 s"), (3720, "1 h 02 m")]
)
def test_durations_in_words(duration, words):
    assert seconds(timedelta(seconds=duration)) == words
