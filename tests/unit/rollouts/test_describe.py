"""Plans, reports and what is live, in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rollwright.rollouts.change import Change, Operation, Prediction
from rollwright.rollouts.concluding import conclude
from rollwright.rollouts.describe.changes import shown
from rollwright.rollouts.describe.lines import Tone, short, text
from rollwright.rollouts.describe.plans import describe_plan
from rollwright.rollouts.describe.reports import describe_report
from rollwright.rollouts.describe.statuses import describe_status, health_tone
from rollwright.rollouts.diff import ABSENT, Conflict, FieldChange
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.overview import Overview
from rollwright.rollouts.plan import Guard, Plan, Step, Wave
from rollwright.rollouts.report import ChangeResult, Outcome, StepResult
from rollwright.rollouts.state import Hold, InventoryEntry, Journal, Revision, RolloutState
from rollwright.rollouts.status import Evidence, ObjectStatus, Status
from rollwright.rollouts.trigger import Trigger

AT = datetime(2026, 5, 4, 10, 0, 0, tzinfo=UTC)
WEB = ObjectRef("apps", "Deployment", "shop", "web")
OLD = ObjectRef("", "Service", "shop", "old")
TRIGGER = Trigger(id="t", kind="manual", rollout="shop", actor="me", received_at=AT)


def a_status(status=Status.CURRENT, message="", ref=WEB, evidence=()):
    return ObjectStatus(ref=ref, status=status, message=message, evidence=evidence)


def a_change(operation=Operation.UPDATE, **facts):
    known = {"ref": WEB, "api_version": "apps/v1", "prediction": Prediction.SERVER, **facts}
    return Change(operation=operation, **known)


def a_plan(*changes, **facts):
    step = Step(name="apply-0", action="Apply", changes=changes)
    known = {
        "id": "sha256:" + "1" * 64, "rollout": "shop", "cluster": "prod", "cluster_id": "c",
        "source": "path@sha256:" + "2" * 64, "waves": (Wave(name="apply-0", steps=(step,)),),
        "made_at": AT,
    }  # fmt: skip
    return Plan(**{**known, **facts})


def lines_of(*changes, **facts):
    return text(describe_plan(a_plan(*changes, **facts))).splitlines()


def test_a_plan_begins_with_what_sums_it_up():
    head = lines_of(a_change(Operation.CREATE), a_change(Operation.PRUNE, ref=OLD))[:2]

    assert head == [
        "plan for shop on prod: 1 to create, 1 to delete",
        "  source path@sha256:222222222222   plan sha256:111111111111",
    ]


def test_kept_objects_are_only_counted():
    kept = a_change(Operation.KEEP, status=a_status())
    lines = lines_of(a_change(Operation.CREATE, ref=OLD, why="new"), kept)

    assert lines[2:] == ["apply-0:", "  + Service/shop/old  new", "  = 1 unchanged"]


def test_waves_without_news_are_left_out():
    assert len(lines_of(a_change(Operation.KEEP, status=a_status()))) == 2


def test_what_is_not_yet_current_says_why():
    kept = a_change(Operation.KEEP, status=a_status(Status.IN_PROGRESS, "Ready: 1/2"))

    assert "  … Deployment/shop/web  is InProgress: Ready: 1/2" in lines_of(kept)


def test_fields_show_both_values():
    fields = (
        FieldChange(path="spec.replicas", old=1, new=3),
        FieldChange(path="spec.paused", old=True, new=ABSENT),
        FieldChange(path="metadata.labels.a", old=ABSENT, new="b"),
    )

    assert lines_of(a_change(fields=fields))[4:] == [
        "      spec.replicas: 1 → 3",
        "      - spec.paused: true",
        '      + metadata.labels.a: "b"',
    ]


def test_texts_of_several_lines_show_as_a_diff():
    field = FieldChange(path="data.conf", old="a\nb\nc\n", new="a\nB\nc\n")
    lines = lines_of(a_change(fields=(field,)))

    assert [line.strip() for line in lines[-3:-1]] == ["-b", "+B"]


def test_many_fields_are_cut():
    fields = tuple(FieldChange(path=f"f{n}", old=0, new=1) for n in range(30))

    assert lines_of(a_change(fields=fields))[-1].strip() == "… and 10 more fields"


def test_taken_fields_name_their_manager():
    conflict = Conflict(path="spec.replicas", manager="kubectl")

    assert "      takes spec.replicas from kubectl" in lines_of(a_change(conflicts=(conflict,)))


def test_what_nobody_asked_about_is_marked():
    assert lines_of(a_change(prediction=Prediction.NONE))[-1].strip() == "not predicted"


@pytest.mark.parametrize(
    ("waived", "line", "tone"),
    [
        ("", "too much", Tone.BAD),
        ("--allow-prune", "too much; allowed by --allow-prune", Tone.WARNING),
    ],
)
def test_breached_guards_stand_at_the_top(waived, line, tone):
    guard = Guard(
        id="PR-02", limit="50 %", value="60 %", is_breached=True, message="too much",
        waived_by=waived,
    )  # fmt: skip
    found = describe_plan(a_plan(guards=(guard,)))[2]

    assert (found.text, found.tone) == (line, tone)


def test_guards_that_hold_are_silent():
    guard = Guard(id="PR-02", limit="50 %", value="0 %", is_breached=False, message="m")

    assert not [line for line in lines_of(guards=(guard,)) if line == "m"]


def a_report(*results, outcome=Outcome.SUCCEEDED, changes=None):
    step = StepResult(
        step="apply-0", outcome=outcome, changes=results, started_at=AT,
        ended_at=AT + timedelta(seconds=2),
    )  # fmt: skip
    planned = changes or tuple(a_change(one.operation, ref=one.ref) for one in results)
    return conclude(a_plan(*planned), TRIGGER, (step,), run_id="r", calls={"apply": 1, "get": 0})


def report_lines(report):
    return text(describe_report(report)).splitlines()


def test_a_good_report_counts_and_ends_well():
    result = ChangeResult(ref=WEB, operation=Operation.CREATE, outcome=Outcome.SUCCEEDED)
    lines = report_lines(replace(a_report(result), revision=4))

    assert (lines[0].startswith("shop on prod succeeded: "), lines[1:]) == (
        True,
        ["  revision 4, 1 created in 2.0 s", "  API requests: 1 apply"],
    )


def test_a_failure_names_its_cause_its_evidence_and_what_to_do():
    status = a_status(
        Status.FAILED, "m", evidence=(Evidence(kind="Pod", name="web-1", text="OOM"),)
    )
    result = ChangeResult(
        ref=WEB, operation=Operation.CREATE, outcome=Outcome.FAILED, message="out of memory",
        hint="raise the limit", status=status,
    )  # fmt: skip
    lines = report_lines(a_report(result, outcome=Outcome.FAILED))

    assert lines[1:4] == [
        "  ✗ Deployment/shop/web  out of memory",
        "      Pod/web-1: OOM",
        "      hint: raise the limit",
    ]


def test_what_was_kept_and_failed_is_not_counted_as_unchanged():
    good = ChangeResult(ref=OLD, operation=Operation.KEEP, outcome=Outcome.SUCCEEDED)
    bad = ChangeResult(ref=WEB, operation=Operation.KEEP, outcome=Outcome.TIMED_OUT)
    lines = report_lines(a_report(good, bad, outcome=Outcome.TIMED_OUT))

    assert "  1 unchanged in 2.0 s" in lines


def test_a_cancelled_run_says_how_to_go_on():
    result = ChangeResult(ref=WEB, operation=Operation.CREATE, outcome=Outcome.CANCELLED)
    lines = report_lines(a_report(result, outcome=Outcome.CANCELLED))

    assert "  hint: run the same rollout again to resume" in lines


def test_what_was_left_undone_is_named():
    result = ChangeResult(
        ref=WEB, operation=Operation.CREATE, outcome=Outcome.SKIPPED, message="because"
    )
    lines = report_lines(a_report(result, outcome=Outcome.FAILED))

    assert "  - Deployment/shop/web  skipped: because" in lines


def an_overview(*statuses, **facts):
    state = RolloutState(rollout="shop", **facts)
    return Overview(rollout="shop", cluster="prod", state=state, statuses=statuses, read_at=AT)


def status_lines(*statuses, **facts):
    return text(describe_status(an_overview(*statuses, **facts))).splitlines()


def test_a_status_begins_with_the_worst():
    statuses = (a_status(Status.FAILED, "crashes"), a_status(ref=OLD))

    assert status_lines(*statuses) == [
        "shop on prod: Failed, 2 objects",
        "  Failed   Deployment/shop/web  crashes",
        "  Current  Service/shop/old",
    ]


def test_a_rollout_without_any_run_is_not_current():
    overview = an_overview()

    assert overview.health is Status.UNKNOWN
    assert str(describe_status(overview)[0]) == "shop on prod: was never rolled out"


def test_a_status_says_who_did_what_when():
    revision = Revision(
        number=3, source="git", digest="", outcome="failed", actor="me@here", started_at=AT,
        ended_at=AT + timedelta(seconds=5),
    )  # fmt: skip

    assert "  revision 3 failed at 2026-05-04 10:00:05Z by me@here, in 5.0 s" in status_lines(
        revisions=(revision,)
    )


def test_a_run_that_did_not_end_shows():
    journal = Journal(run_id="r", plan_id="p", owner="me", token=1, started_at=AT)
    expected = "  run r of me, begun 2026-05-04 10:00:00Z, did not end; roll out again to resume"

    assert expected in status_lines(journal=journal)


def test_a_hold_says_who_and_why():
    hold = Hold(reason="freeze", actor="me", since_at=AT)

    assert "  held by me since 2026-05-04 10:00:00Z: freeze" in status_lines(hold=hold)


def test_survivors_say_why_they_stay():
    entry = InventoryEntry(ref=OLD, api_version="v1", why_kept="protected")

    assert "  stays: Service/shop/old (protected)" in status_lines(inventory=(entry,))


@pytest.mark.parametrize(
    ("status", "tone"),
    [
        (Status.CURRENT, Tone.GOOD),
        (Status.IN_PROGRESS, Tone.WARNING),
        (Status.SUSPENDED, Tone.WARNING),
        (Status.TERMINATING, Tone.WARNING),
        (Status.NOT_FOUND, Tone.BAD),
        (Status.FAILED, Tone.BAD),
        (Status.UNKNOWN, Tone.BAD),
    ],
)
def test_verdicts_have_tones(status, tone):
    assert health_tone(status) is tone


def test_long_values_are_cut():
    assert (len(shown("x" * 200)), shown("x" * 200)[-1]) == (72, "…")


@pytest.mark.parametrize(
    ("digest", "expected"),
    [
        ("path@sha256:" + "a" * 64, "path@sha256:aaaaaaaaaaaa"),
        ("main@sha1:" + "b" * 40, "main@sha1:bbbbbbbbbbbb"),
        ("v1.2.3", "v1.2.3"),
        ("", ""),
    ],
)
def test_digests_are_short_enough_to_read(digest, expected):
    assert short(digest) == expected
