"""Steps of onRollback: by hand, after a killed run, and never twice."""

from __future__ import annotations

import json

import pytest

from rollwright import library
from rollwright.engine.returning.history import prepare_rollback
from rollwright.engine.returning.revisions import load_record
from rollwright.errors import ClusterError
from rollwright.rollouts.describe.lines import text
from rollwright.rollouts.describe.plans import describe_plan
from rollwright.rollouts.report import Outcome
from rollwright.rollouts.state import LEFT_SNAPSHOT

PLUGINS = """
from __future__ import annotations
from pathlib import Path
from pydantic import BaseModel, ConfigDict
from rollwright.rollouts.report import Outcome, StepResult

HERE = Path(__file__).parent


class Killed(BaseException):
    pass


class Note(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    word: str = "ran"
    killed_once: bool = False

    async def run(self, request):
        with (HERE / "ran.log").open("a") as log:
            log.write(f"{request.step.name} {self.word} {request.run_id}\\n")
        mark = HERE / f"killed-{self.word}"
        if self.killed_once and not mark.exists():
            mark.touch()
            raise Killed("killed")
        outcome = Outcome.FAILED if self.word == "bad" else Outcome.SUCCEEDED
        return StepResult(step=request.step.name, outcome=outcome, message=f"said {self.word}")
"""


@pytest.fixture
def noting(world):
    """Let the site have an action that writes down that it ran; it may be killed, once."""
    (world.folder / "mine.py").write_text(PLUGINS)
    (world.folder / "site.toml").write_text('[plugins.actions]\nNote = "mine.py:Note"\n')

    def ran():
        log = world.folder / "ran.log"
        lines = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
        log.unlink(missing_ok=True)
        return [one[0] for one in lines]

    return ran


def note(name, **options):
    return {"name": name, "action": {"use": "Note", "with": options}}


def apply(name="apply"):
    return {"name": name, "object": "all.yaml"}


def group(name, *steps, back=(), **more):
    return {"name": name, "steps": list(steps), "onRollback": list(back), **more}


async def first_revision(world, make, **spec):
    world.write(make.config("a", k="1"))
    world.declare(groups=[group("g", apply())], **spec)
    await world.rollout()


async def back(world, **options):
    async with world.site() as site:
        return await library.rollback(world.folder, site=site, **options)


async def killed(world):
    with pytest.raises(BaseException, match="killed"):
        await world.rollout()


def value(world, make):
    return world.cluster.objects[make.ref("ConfigMap", "a")]["data"]["k"]


def two_groups(**last):
    return [
        group("one", note("do"), back=[note("undo", word="one")]),
        group("two", apply(), note("do", **last), back=[note("undo", word="two")]),
    ]


# ------------------------------------------------------------------ by hand


async def test_a_rollback_by_hand_undoes_the_revision_that_it_leaves(world, make, noting):
    await first_revision(world, make)
    world.write(make.config("a", k="2"))
    world.declare(groups=two_groups())
    await world.rollout()
    noting()
    report = await back(world)

    assert (report.outcome, noting(), value(world, make)) == (
        Outcome.SUCCEEDED,
        ["two/onRollback/undo", "one/onRollback/undo"],
        "1",
    )


async def test_its_plan_shows_the_steps_first(world, make, noting):
    await first_revision(world, make)
    world.write(make.config("a", k="2"))
    world.declare(groups=two_groups())
    await world.rollout()
    async with world.site() as site:
        prepared = await prepare_rollback(site, "shop")
    lines = text(describe_plan(prepared.plan)).splitlines()

    assert [line for line in lines if line.startswith("first, ")] == [
        "first, two/onRollback/undo: word='two' killed_once=False",
        "first, one/onRollback/undo: word='one' killed_once=False",
    ]


async def test_after_a_run_that_failed_only_groups_that_had_begun_are_undone(world, make, noting):
    await first_revision(world, make)
    world.write(make.config("a", k="2"))
    third = group("three", note("do"), back=[note("undo", word="three")])
    world.declare(groups=[*two_groups(word="bad"), third])
    await world.rollout()
    noting()
    await back(world)

    assert noting() == ["two/onRollback/undo", "one/onRollback/undo"]


async def test_what_was_undone_in_the_failed_run_is_not_undone_again(world, make, noting):
    await first_revision(world, make, onFailure="rollback")
    world.write(make.config("a", k="2"))
    world.declare(groups=two_groups(word="bad"), onFailure="rollback")
    report = await world.rollout()

    assert (report.rollback.outcome, sorted(noting())) == (
        Outcome.SUCCEEDED,
        ["one/do", "one/onRollback/undo", "two/do", "two/onRollback/undo"],
    )


async def test_a_step_that_fails_is_told_and_the_objects_go_back(world, make, noting):
    await first_revision(world, make)
    world.write(make.config("a", k="2"))
    world.declare(groups=[group("g", apply(), back=[note("undo", word="bad")])])
    await world.rollout()
    report = await back(world)

    assert (report.outcome, report.message, value(world, make)) == (
        Outcome.FAILED,
        "g/onRollback/undo: said bad",
        "1",
    )


async def test_a_rollback_that_is_tried_again_undoes_only_what_is_left(world, make, noting):
    await first_revision(world, make)
    world.write(make.config("a", k="2"))
    undo = [note("first"), note("second", word="bad")]
    world.declare(groups=[group("g", apply(), back=undo)])
    await world.rollout()
    await back(world)
    noting()
    await back(world)

    assert noting() == ["g/onRollback/second"]


async def test_going_back_to_the_revision_that_is_there_undoes_nothing(world, make, noting):
    world.write(make.config("a", k="1"))
    world.declare(groups=[group("g", apply(), back=[note("undo")])])
    await world.rollout()
    await back(world, to=1)

    assert noting() == []


async def test_what_a_step_for_a_rollback_changes_comes_back_as_it_was(world, make, noting):
    kept = make.config("b", k="1")
    world.write(make.config("a", k="1"), kept)
    world.declare(groups=[group("g", apply(), {"name": "b", "object": "all.yaml#2"})])
    await world.rollout()
    world.write(make.config("a", k="2"), kept)
    patch = {"use": "Patch", "with": {"type": "merge", "patch": {"data": {"k": "undone"}}}}
    undo = {"name": "undo", "object": "all.yaml#2", "action": patch}
    steps = apply(), {"name": "b", "object": "all.yaml#2"}
    world.declare(groups=[group("g", *steps, back=[undo])])
    await world.rollout()
    report = await back(world)
    live = world.cluster.objects[make.ref("ConfigMap", "b")]

    assert (report.outcome, live["data"]) == (Outcome.SUCCEEDED, {"k": "1"})


async def test_a_forward_step_of_the_same_words_does_not_stand_for_it(world, make, noting):
    await first_revision(world, make, onFailure="rollback")
    world.write(make.config("a", k="2"))
    groups = [group("g", note("same"), apply(), note("do", word="bad"), back=[note("same")])]
    world.declare(groups=groups, onFailure="rollback")
    await world.rollout()

    assert noting() == ["g/same", "g/do", "g/onRollback/same"]


# ------------------------------------------------------------------ after a crash


async def test_after_a_killed_run_what_had_begun_is_undone(world, make, noting):
    await first_revision(world, make, onInterrupted="rollback")
    world.write(make.config("a", k="2"))
    third = group("three", note("do"), back=[note("undo", word="three")])
    groups = [*two_groups(killed_once=True), third]
    world.declare(groups=groups, onInterrupted="rollback")
    await killed(world)
    noting()
    report = await world.rollout()

    assert (report.rollback.outcome, noting(), value(world, make)) == (
        Outcome.SUCCEEDED,
        ["two/onRollback/undo", "one/onRollback/undo"],
        "1",
    )


async def test_a_group_of_objects_alone_counts_as_begun(world, make, noting):
    await first_revision(world, make, onInterrupted="rollback")
    world.write(make.config("a", k="2"))
    groups = [
        group("objects", apply(), back=[note("undo")]),
        group("late", note("do", killed_once=True)),
    ]
    world.declare(groups=groups, onInterrupted="rollback")
    await killed(world)
    noting()
    await world.rollout()

    assert noting() == ["objects/onRollback/undo"]


async def test_by_hand_after_a_killed_run(world, make, noting):
    await first_revision(world, make)
    world.write(make.config("a", k="2"))
    world.declare(groups=two_groups(killed_once=True))
    await killed(world)
    noting()
    report = await back(world)

    assert (report.outcome, noting()) == (
        Outcome.SUCCEEDED,
        ["two/onRollback/undo", "one/onRollback/undo"],
    )


@pytest.mark.parametrize("again", ["rollout", "rollback"])
async def test_a_rollback_that_was_killed_does_nothing_twice(world, make, noting, again):
    await first_revision(world, make)
    world.write(make.config("a", k="2"))
    groups = [
        group("one", note("do"), back=[note("undo", word="one", killed_once=True)]),
        group("two", apply(), back=[note("undo", word="two")]),
    ]
    world.declare(groups=groups)
    await world.rollout()
    noting()
    with pytest.raises(BaseException, match="killed"):
        await back(world)
    if again == "rollout":
        report = (await world.rollout()).rollback
    else:
        report = await back(world)

    assert (report.outcome, noting(), value(world, make)) == (
        Outcome.SUCCEEDED,
        ["two/onRollback/undo", "one/onRollback/undo", "one/onRollback/undo"],
        "1",
    )


@pytest.mark.parametrize("has_past", [True, False])
async def test_a_run_that_was_killed_while_it_undid_is_not_gone_on_with(
    world, make, noting, has_past
):
    if has_past:
        await first_revision(world, make, onFailure="rollback")
    world.write(make.config("a", k="2"))
    undo = [note("first"), note("second", killed_once=True)]
    groups = [group("g", note("do"), apply(), note("fail", word="bad"), back=undo)]
    world.declare(groups=groups, onFailure="rollback")
    await killed(world)
    noting()
    report = await world.rollout()

    back_again = ["g/onRollback/second"]
    forward_again = ["g/do", "g/fail", "g/onRollback/first", "g/onRollback/second"]
    assert noting() == (back_again if has_past else forward_again)
    assert (report.rollback is not None) is has_past


async def test_a_hook_of_a_killed_rollback_does_not_run_twice(world, make, noting):
    hook = make.config("hook", k="h")
    hook["metadata"]["annotations"] = {"rollwright.dev/hook": "pre-rollback"}
    world.write(make.config("a", k="1"), hook)
    await world.rollout()
    world.write(make.config("a", k="2"), hook)
    await world.rollout()
    world.cluster.fail("apply", make.ref("ConfigMap", "a"), RuntimeError("killed"))
    with pytest.raises(RuntimeError, match="killed"):
        await back(world)
    report = await back(world)
    sent = [one for one in world.cluster.sent("apply") if one.ref.name == "hook"]

    assert (report.outcome, len(sent), value(world, make)) == (Outcome.SUCCEEDED, 1, "1")


# ------------------------------------------------------------------ what is remembered


async def test_what_is_left_is_remembered_until_a_run_succeeds(world, make, noting):
    world.write(make.config("a", k="1"))
    world.declare(groups=[group("g", apply(), back=[note("undo")])])
    world.cluster.fail("apply", make.ref("ConfigMap", "a"), ClusterError("no", status=403))
    await world.rollout()
    before = LEFT_SNAPSHOT in (await world.state()).extra
    await world.rollout()

    assert (before, LEFT_SNAPSHOT in (await world.state()).extra) == (True, False)


async def test_a_set_without_such_steps_is_not_kept_before_it_succeeds(world, make):
    world.write(make.config("a", k="1"))
    world.cluster.fail("apply", make.ref("ConfigMap", "a"), ClusterError("no", status=403))
    await world.rollout()

    assert LEFT_SNAPSHOT not in (await world.state()).extra


async def test_a_snapshot_remembers_that_groups_run_side_by_side(world, make):
    world.write(make.config("a", k="1"))
    older = {
        "apiVersion": "workflow.kubernetes.io/v1alpha1", "kind": "Rollout",
        "metadata": {"name": "shop"},
        "spec": {"parallel": True, "groups": [{"name": "g", "steps": [
            {"name": "s", "object": "all.yaml", "action": "CreateOrUpdate"}]}]},
    }  # fmt: skip
    (world.folder / "older.yaml").write_text(json.dumps(older))
    world.declare(groups={"file": "older.yaml"})
    await world.rollout()
    async with world.site() as site:
        spec = library.load(world.folder).spec
        record = await load_record(site, spec, await world.state(), 1)

    assert record.spec is not None
    assert record.spec.groups_parallel
