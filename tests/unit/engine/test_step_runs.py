"""Steps over a cluster in memory: plugins, retries, resumed runs, ways back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rollwright import library
from rollwright.engine.approval.saved import roll_out_saved, save_plan
from rollwright.errors import ClusterError, InvalidSpec
from rollwright.rollouts.describe.lines import text
from rollwright.rollouts.describe.plans import describe_plan, summary
from rollwright.rollouts.describe.reports import describe_report
from rollwright.rollouts.machine.plans import plan_form
from rollwright.rollouts.report import Outcome
from rollwright.rollouts.saved.saved_plan import decode, encode

PLUGINS = """
from __future__ import annotations
from dataclasses import replace
from pathlib import Path
from pydantic import BaseModel, ConfigDict
from rollwright.errors import RolloutError
from rollwright.plugins.contracts import CheckResult, Verdict
from rollwright.rollouts.report import ChangeResult, Outcome, StepResult

LOG = Path(__file__).parent / "ran.log"


class Killed(BaseException):
    pass


class Note(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    word: str = "ran"
    outcome: str = "succeeded"
    passing: int = 0

    def __str__(self):
        return f"write down {self.word!r}"

    async def run(self, request):
        with LOG.open("a") as log:
            log.write(f"{request.step.name} {self.word} {request.run_id}\\n")
        if self.outcome == "broken":
            raise Killed("killed")
        if self.outcome == "mistaken":
            raise ValueError("a mistake")
        if len(LOG.read_text().splitlines()) <= self.passing:
            raise RolloutError("not reachable now", retryable=True)
        return StepResult(
            step=request.step.name, outcome=Outcome(self.outcome), message=f"said {self.word}"
        )


class Fails(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    async def evaluate(self, request):
        return CheckResult(verdict=Verdict.FAILURE, reason="says no")
"""


@pytest.fixture
def noting(world):
    """Let the site have an action that writes down that it ran, and a check that fails."""
    (world.folder / "mine.py").write_text(PLUGINS)
    (world.folder / "site.toml").write_text(
        '[plugins.actions]\nNote = "mine.py:Note"\n[plugins.checks]\nFails = "mine.py:Fails"\n'
    )

    def ran():
        log = world.folder / "ran.log"
        return [line.split() for line in log.read_text().splitlines()] if log.exists() else []

    return ran


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Wait no time before something is tried again."""
    monkeypatch.setattr("rollwright.engine.writing.again.next_delay", lambda _attempt: timedelta(0))


def note(name="note", **options):
    more = {key: options.pop(key) for key in ("retries", "continueOnError") if key in options}
    return {"name": name, "action": {"use": "Note", "with": options}, **more}


def apply(key, **more):
    return {"name": f"apply-{key}", "object": key, **more}


def group(name, *steps, **more):
    return {"name": name, "steps": list(steps), **more}


async def test_a_plugin_carries_a_step_out(world, make, noting):
    world.write(make.config("a"))
    world.declare(groups=[group("g", note(word="hello"), apply("all.yaml"))])
    report = await world.rollout()

    assert (report.outcome, [one[:2] for one in noting()]) == (
        Outcome.SUCCEEDED,
        [["g/note", "hello"]],
    )


async def test_a_plan_counts_the_action_of_a_plugin_until_it_has_run(world, make, noting):
    world.write(make.config("a"))
    handed = {"name": "note", "object": "all.yaml", "action": "Note"}
    world.declare(groups=[group("g", handed)])
    before = await world.plan()
    await world.rollout()
    after = await world.plan()

    assert [summary(one) for one in (before, after)] == ["1 action to run", "1 unchanged"]
    assert [plan_form(one)["summary"]["run"] for one in (before, after)] == [1, 0]
    assert "▸ ConfigMap/shop/a  is handed to action Note" in text(describe_plan(before))
    assert "= 1 unchanged (the last run did it" in text(describe_plan(after))


async def test_a_plan_says_which_checks_nobody_looks_at(world, make, noting):
    world.write(make.config("a"))
    handed = {"name": "note", "object": "all.yaml", "action": "Note", "success": ["healthy"]}
    world.declare(groups=[group("g", handed)])

    assert "note: step 'g/note': action Note says itself" in text(describe_plan(await world.plan()))


async def test_a_check_for_jobs_may_stand_beside_other_objects(world, make):
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {}}
    world.write(make.config("a"), job)
    both = {"name": "s", "select": {"namespace": "shop"}, "failure": ["JobOOMKilled"]}
    world.declare(groups=[group("g", both)])

    assert len(list((await world.plan()).changes)) == 2


async def test_a_plan_says_what_a_plugin_will_do(world, make, noting):
    world.write(make.config("a"))
    world.declare(groups=[group("g", note(word="hello"), apply("all.yaml"))])

    assert "g/note: write down 'hello'" in text(describe_plan(await world.plan()))


async def test_what_ended_well_is_not_done_again(world, make, noting):
    world.write(make.config("a"))
    world.declare(groups=[group("g", note(), apply("all.yaml"))])
    await world.rollout()

    assert (await world.plan()).is_done


async def test_a_step_that_changed_is_done_again(world, make, noting):
    world.write(make.config("a"))
    world.declare(groups=[group("g", note(), apply("all.yaml"))])
    await world.rollout()
    world.declare(groups=[group("g", note(word="other"), apply("all.yaml"))])
    await world.rollout()

    assert [one[1] for one in noting()] == ["ran", "other"]


async def test_after_a_step_that_failed_the_run_ends(world, make, noting):
    world.write(make.config("a"))
    world.declare(groups=[group("g", note(outcome="failed"), apply("all.yaml"))])
    report = await world.rollout()

    assert (report.outcome, report.message, world.cluster.sent("apply")) == (
        Outcome.FAILED,
        "g/note: said ran",
        (),
    )


async def test_a_resumed_run_passes_over_what_is_done(world, make, noting):
    world.write(make.config("a"))
    steps = note("first"), note("second", outcome="broken"), apply("all.yaml")
    world.declare(groups=[group("g", *steps)])
    with pytest.raises(BaseException, match="killed"):
        await world.rollout()
    world.declare(groups=[group("g", note("first"), note("second"), apply("all.yaml"))])
    report = await world.rollout()

    assert ([one[0] for one in noting()], report.outcome) == (
        ["g/first", "g/second", "g/second"],
        Outcome.SUCCEEDED,
    )


async def test_a_resumed_run_hands_on_the_id_of_the_first(world, make, noting):
    world.write(make.config("a"))
    for outcome in ("broken", "broken", "succeeded"):
        world.declare(groups=[group("g", note(outcome=outcome), apply("all.yaml"))])
        if outcome == "broken":
            with pytest.raises(BaseException, match="killed"):
                await world.rollout()
        else:
            await world.rollout()

    assert len({one[2] for one in noting()}) == 1


async def test_a_mistake_of_a_plugin_fails_its_step(world, make, noting):
    world.write(make.config("a"))
    world.declare(groups=[group("g", note(outcome="mistaken"), apply("all.yaml"))])
    report = await world.rollout()

    assert (report.outcome, report.message) == (
        Outcome.FAILED,
        "g/note: action Note broke: ValueError",
    )


async def test_an_error_that_can_pass_is_tried_again(world, make, noting):
    world.write(make.config("a"))
    world.declare(groups=[group("g", note(passing=2, retries=2), apply("all.yaml"))])
    report = await world.rollout()

    assert (report.outcome, len(noting())) == (Outcome.SUCCEEDED, 3)


async def test_an_error_that_can_pass_is_tried_again_no_more_than_asked(world, make, noting):
    world.write(make.config("a"))
    world.declare(groups=[group("g", note(passing=9, retries=1), apply("all.yaml"))])
    report = await world.rollout()

    assert (report.message, len(noting())) == ("g/note: not reachable now", 2)


@pytest.mark.parametrize(("retryable", "count"), [(True, 3), (False, 1)])
async def test_an_object_is_tried_again_after_errors_that_can_pass(world, make, retryable, count):
    world.write(make.config("a"))
    world.declare(groups=[group("g", apply("all.yaml", retries=2))])
    error = ClusterError("no", status=500, retryable=retryable)
    world.cluster.fail("apply", make.ref("ConfigMap", "a"), error, error, error)
    report = await world.rollout()

    assert (report.outcome, len(world.cluster.sent("apply"))) == (Outcome.FAILED, count)


async def test_a_failure_check_ends_a_step_at_once(world, make, noting):
    world.write(make.config("a"), make.config("b"))
    never = {"condition": {"type": "Never"}}
    step = {
        "name": "both", "select": {"kind": "ConfigMap"}, "success": [never], "failure": ["Fails"],
    }  # fmt: skip
    world.declare(groups=[group("g", step)])
    report = await world.rollout()

    assert (report.outcome, "check Fails: says no" in report.message) == (Outcome.FAILED, True)


async def test_a_step_has_its_own_time(world, make):
    world.write(make.config("a"))
    never = {"condition": {"type": "Never"}}
    world.declare(groups=[group("g", apply("all.yaml", success=[never], timeout="50ms"))])
    report = await world.rollout()

    assert (report.outcome, report.message.startswith("ConfigMap/shop/a: not within")) == (
        Outcome.TIMED_OUT,
        True,
    )


async def test_a_run_has_its_time(world, make):
    world.write(make.config("a"), make.config("b"))
    never = {"condition": {"type": "Never"}}
    steps = apply("all.yaml", success=[never]), apply("all.yaml#2")
    world.declare(groups=[group("g", *steps)], timeout="50ms")
    report = await world.rollout()

    assert (report.outcome, report.message) == (
        Outcome.TIMED_OUT,
        "the run took longer than 0.05 s (spec.timeout)",
    )


async def test_a_way_back_runs_through_the_groups_that_began_last_first(world, make, noting):
    world.write(make.config("a"))
    groups = [
        group("one", note("do"), onRollback=[note("undo")]),
        group("two", note("do", outcome="failed"), onRollback=[note("undo", word="two")]),
        group("three", apply("all.yaml"), onRollback=[note("undo")]),
    ]
    world.declare(groups=groups, onFailure="rollback")
    await world.rollout()

    assert [one[0] for one in noting()] == [
        "one/do", "two/do", "two/onRollback/undo", "one/onRollback/undo",
    ]  # fmt: skip


async def test_a_way_back_that_fails_is_told_and_changes_nothing_more(world, make, noting):
    world.write(make.config("a"))
    bad = note("undo", outcome="failed", word="bad")
    groups = [group("one", note("do", outcome="failed"), apply("all.yaml"), onRollback=[bad])]
    world.declare(groups=groups, onFailure="rollback")
    report = await world.rollout()

    assert (report.outcome, report.message.startswith("one/do: said ran")) == (
        Outcome.FAILED,
        True,
    )


async def test_a_rollback_runs_no_plugin_again(world, make, noting):
    world.write(make.config("a", k="1"))
    world.declare(groups=[group("g", note(), apply("all.yaml"))], onFailure="rollback")
    await world.rollout()
    world.write(make.config("a", k="2"))
    groups = [group("g", apply("all.yaml"), note(outcome="failed"))]
    world.declare(groups=groups, onFailure="rollback")
    report = await world.rollout()
    live = world.cluster.objects[make.ref("ConfigMap", "a")]

    assert (report.rollback.outcome, live["data"], len(noting())) == (
        Outcome.SUCCEEDED,
        {"k": "1"},
        2,
    )


async def test_an_object_that_is_only_ignored_survives_a_rollback(world, make, noting):
    world.write(make.config("a", k="1"), make.config("b"))
    await world.rollout()
    only = [group("g", apply("all.yaml"))]
    world.declare(groups=only, rest="ignore", onFailure="rollback")
    await world.rollout()
    world.write(make.config("a", k="2"), make.config("b"))
    bad = [group("g", apply("all.yaml"), note(outcome="failed"))]
    world.declare(groups=bad, rest="ignore", onFailure="rollback")
    await world.rollout()

    assert make.ref("ConfigMap", "b") in world.cluster.objects


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ({"name": "s", "action": "Frob", "object": "all.yaml"}, 'unknown action "Frob": available'),
        ({"name": "s", "object": "all.yaml", "success": ["frob"]}, 'unknown check "frob"'),
        ({"name": "s", "object": "all.yaml", "failure": ["frob"]}, 'unknown failure check "frob"'),
        ({"name": "s", "object": "al.yaml"}, 'could not find object named "al.yaml"'),
        ({"name": "s", "object": "all.yaml", "action": {"use": "Apply", "with": {"a": 1}}}, "a: "),
        ({"name": "s", "select": {"kind": "Pod"}}, "selects no object"),
        ({"name": "s", "object": "all.yaml", "action": "Job"}, "ConfigMap/shop/a is no Job or Pod"),
        (
            {"name": "s", "object": "all.yaml", "failure": ["JobOOMKilled"]},
            "JobOOMKilled: ConfigMap/shop/a is no Job",
        ),
        ({"name": "s", "action": "Wait"}, "action 'Wait' needs 'object' or 'select'"),
        (
            {"name": "s", "action": {"use": "Command", "with": {"argv": ["ls"]}}},
            r"the site lets no program be started; 'ls' is not",
        ),
    ],
)
async def test_a_step_that_cannot_be_is_refused_before_anything_is_applied(world, make, step, why):
    world.write(make.config("a"))
    world.declare(groups=[group("g", step)], rest="ignore")
    with pytest.raises(InvalidSpec, match=why):
        await world.rollout()

    assert world.cluster.requests == []


async def test_a_protected_object_is_not_deleted_by_a_step(world, make):
    claim = {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c"},
        "spec": {},
    }  # fmt: skip
    world.write(claim)
    await world.rollout()
    world.declare(groups=[group("g", apply("all.yaml", action="DeleteIfExist"))])
    plan = await world.plan()

    assert [one.id for one in plan.breached] == ["PR-04"]


async def test_an_object_of_another_rollout_is_left_alone_by_some_actions(world, make):
    theirs = make.config("a", k="theirs")
    theirs["metadata"] |= {"namespace": "shop", "labels": {"rollwright.dev/rollout": "other"}}
    world.cluster.put(theirs)
    world.write(make.config("a"))
    world.declare(groups=[group("g", apply("all.yaml", action="CreateIfNotExist"))])
    report = await world.rollout()

    assert (report.outcome, world.cluster.sent("create")) == (Outcome.SUCCEEDED, ())


async def test_a_report_names_each_step(world, make, noting):
    world.write(make.config("a"))
    world.declare(groups=[group("g", note(), apply("all.yaml"))])

    assert "✓ g/note succeeded" in text(describe_report(await world.rollout()))


async def test_a_saved_plan_with_groups_is_carried_out(world, make, noting):
    world.write(make.config("a"), make.config("b"))
    first = group("first", note(), apply("all.yaml", success=["healthy"]))
    gone = {"name": "gone", "object": "all.yaml#2", "action": "DeleteIfExist"}
    made = {"name": "made", "object": "all.yaml#2", "action": "Replace"}
    world.declare(groups=[first, group("second", gone, made, onRollback=[note("undo")])])
    async with world.site() as site:
        saved = decode(encode(await save_plan(site, library.load(world.folder))), where="plan.json")
    async with world.site() as site:
        report = await roll_out_saved(site, library.load(world.folder), saved)

    assert (report.outcome, len(noting()), len(world.cluster.sent("create"))) == (
        Outcome.SUCCEEDED,
        1,
        2,
    )


async def test_a_saved_plan_that_broke_off_passes_over_what_is_done(world, make, noting):
    world.write(make.config("a"))
    world.declare(groups=[group("g", note(), note("other"), apply("all.yaml"))])
    async with world.site() as site:
        saved = await save_plan(site, library.load(world.folder))
    world.cluster.fail("apply", make.ref("ConfigMap", "a"), RuntimeError("killed"))
    for attempt in (1, 2):
        async with world.site() as site:
            try:
                await roll_out_saved(site, library.load(world.folder), saved)
            except RuntimeError:
                assert attempt == 1

    assert [one[0] for one in noting()] == ["g/note", "g/other"]
