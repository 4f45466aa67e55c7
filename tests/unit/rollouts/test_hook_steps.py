"""Hooks as steps of a plan: their place, their runs, what is remembered of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace
from typing import Any

import pytest

from rollwright.errors import InvalidManifests
from rollwright.rollouts.concluding import conclude
from rollwright.rollouts.describe.plans import describe_plan
from rollwright.rollouts.hooks.left import is_stale, left_hooks, with_left, without_gone
from rollwright.rollouts.hooks.steps import (
    again,
    hooks_of_run,
    set_apart,
    with_delete_hooks,
    with_rollback_hooks,
)
from rollwright.rollouts.machine.plans import plan_form
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.planning import make_plan
from rollwright.rollouts.pruning.removal import make_removal
from rollwright.rollouts.report import Outcome, StepResult
from rollwright.rollouts.saved.saved_plan import bare
from rollwright.rollouts.state import DoneStep, Journal

w = SimpleNamespace(**run_path(str(Path(__file__).parents[2] / "world.py")))

NAMES = {
    "helm": "helm.sh/hook", "weight": "helm.sh/hook-weight",
    "policy": "helm.sh/hook-delete-policy", "argo": "argocd.argoproj.io/hook",
    "origin": "rollwright.dev/hook-from",
}  # fmt: skip


def a_hook(kind="Job", name="migrate", **annotations):
    version = "batch/v1" if kind == "Job" else "v1"
    marks = {NAMES[key]: text for key, text in annotations.items()}
    return w.a_body(kind, name, "shop", version, metadata={"annotations": marks})


def an_unnamed(**annotations):
    body = a_hook(**annotations)
    metadata = {key: value for key, value in body["metadata"].items() if key != "name"}
    return {**body, "metadata": {**metadata, "generateName": "migrate-"}}


def a_set(*bodies, spec=None):
    return set_apart(spec or w.a_spec(), w.a_set(*bodies))


def planned(*bodies, world=None):
    world = world or w.World()
    return world.plan(a_set(*bodies, spec=world.spec))


def rolled_out(*bodies):
    world = w.World()
    wanted = a_set(*bodies)
    world.carry_out(world.plan(wanted))
    return world


def names(plan):
    return [step.name for step in plan.steps]


def hook_names(plan):
    return [step.name for step in plan.steps if step.hook]


PRE = a_hook(helm="pre-install,pre-upgrade")
POST = a_hook(name="welcome", helm="post-install,post-upgrade")

# ------------------------------------------------------------------ told apart


def test_a_set_without_hooks_stays_the_very_same():
    wanted = w.a_set(w.a_config("a"))

    assert set_apart(w.a_spec(), wanted) is wanted


def test_hooks_are_no_objects_of_the_set():
    wanted = a_set(w.a_config("a"), PRE)

    assert [one.ref.name for one in wanted] == ["a"]
    assert [one.ref.name for one in wanted.hooks] == ["migrate"]


def test_the_digest_of_a_set_covers_its_hooks():
    whole = w.a_set(w.a_config("a"), PRE)

    assert set_apart(w.a_spec(), whole).digest == whole.digest
    assert whole.digest != w.a_set(w.a_config("a")).digest


def test_what_is_both_counts_once_in_the_digest():
    whole = w.a_set(w.a_config("a"), a_hook(argo="PreSync,Sync"))
    apart = set_apart(w.a_spec(), whole)

    assert (len(apart), len(apart.hooks)) == (2, 1)
    assert apart.digest == whole.digest


def test_an_object_that_a_step_names_is_no_hook():
    step = {"name": "s", "object": "migrate"}
    spec = w.a_spec(groups=[{"name": "g", "steps": [step]}])

    assert a_set(PRE, spec=spec).hooks == ()


@pytest.mark.parametrize("text", ["Skip", "PostSync"])
def test_what_is_skipped_or_a_hook_is_not_applied(text):
    plan = planned(w.a_config("a"), a_hook("ConfigMap", "b", argo=text))

    assert [change.ref.name for change in plan.changes] == ["a"]


@pytest.mark.parametrize("mark", [{"argo": "Sync"}, {"helm": "crd-install"}])
def test_other_phases_are_ordinary_waves(mark):
    plan = planned(a_hook("ConfigMap", "b", **mark))

    assert [change.ref.name for change in plan.changes] == ["b"]


def test_an_unknown_phase_is_told():
    with pytest.raises(InvalidManifests) as caught:
        a_set(a_hook(helm="pre-instal"))

    assert "pre-instal" in str(caught.value)


# ------------------------------------------------------------------ their place


def test_phases_stand_before_upserts_and_between_them_and_prunes():
    world = rolled_out(w.a_config("a"), w.a_config("old"))
    plan = planned(w.a_config("a", k="2"), PRE, POST, world=world)

    assert names(plan) == ["pre-apply/Job/migrate", "apply-0", "post-apply/Job/welcome", "prune-0"]


def test_each_step_waits_for_the_one_before():
    world = rolled_out(w.a_config("a"), w.a_config("old"))
    plan = planned(w.a_config("a", k="2"), PRE, POST, world=world)

    assert [step.needs for step in plan.steps] == [
        (), ("pre-apply/Job/migrate",), ("apply-0",), ("post-apply/Job/welcome",),
    ]  # fmt: skip


def test_turns_follow_weights_then_kinds_then_names():
    plan = planned(
        w.a_config("a"),
        a_hook(name="z", helm="pre-install", weight="-5"),
        a_hook(name="b", helm="pre-install"),
        a_hook(name="a", helm="pre-install"),
        a_hook("ServiceAccount", "x", helm="pre-install"),
        a_hook(name="c", helm="pre-install", weight="10"),
    )

    assert [[step.name.split("/", 1)[1] for step in wave.steps] for wave in plan.waves[:-1]] == [
        ["Job/z"], ["ServiceAccount/x", "Job/a", "Job/b"], ["Job/c"],
    ]  # fmt: skip


def test_a_job_waits_for_the_account_of_its_own_weight():
    plan = planned(PRE, a_hook("ServiceAccount", "x", helm="pre-install"))
    account, job = plan.waves[0].steps

    assert (account.needs, job.needs) == ((), (account.name,))


def test_the_namespace_of_the_target_comes_first():
    spec = w.a_spec(target={"namespace": "shop", "create_namespace": True})
    world = w.World(spec=spec)
    live = replace(world.live(), absent_namespaces=frozenset({"shop"}))
    wanted = a_set(w.a_config("a"), PRE, spec=spec)
    plan = make_plan(spec, wanted, live, {}, None)

    assert names(plan) == ["target", "pre-apply/Job/migrate", "apply-0"]
    assert all(not change.needs for change in plan.changes)


def test_hooks_stand_around_declared_groups():
    step = {"name": "s", "select": {"kind": "ConfigMap"}}
    world = w.World(spec=w.a_spec(groups=[{"name": "g", "steps": [step]}]))
    plan = planned(w.a_config("a"), PRE, POST, world=world)

    assert names(plan) == ["pre-apply/Job/migrate", "g/s", "post-apply/Job/welcome"]


def test_hooks_of_one_name_have_steps_of_their_own():
    second = {**PRE, "metadata": {**PRE["metadata"], "namespace": "other"}}
    plan = planned(PRE, second)

    assert hook_names(plan) == ["pre-apply/Job/migrate", "pre-apply/Job/migrate-2"]


# ------------------------------------------------------------------ which run


def test_the_first_run_installs_and_later_ones_upgrade():
    install, upgrade = a_hook(helm="pre-install"), a_hook(name="up", helm="pre-upgrade")
    first = planned(w.a_config("a"), install, upgrade)
    world = rolled_out(w.a_config("a"), install, upgrade)
    later = planned(w.a_config("a", k="2"), install, upgrade, world=world)

    assert hook_names(first) == ["pre-apply/Job/migrate"]
    assert hook_names(later) == ["pre-apply/Job/up"]


def test_a_plan_that_changes_nothing_runs_none():
    world = rolled_out(w.a_config("a"), PRE)
    plan = planned(w.a_config("a"), PRE, world=world)

    assert hook_names(plan) == []
    assert plan.is_done


def test_a_hook_that_changed_is_a_change():
    world = rolled_out(w.a_config("a"), PRE)
    plan = planned(w.a_config("a"), {**PRE, "spec": {"parallelism": 2}}, world=world)

    assert hook_names(plan) == ["pre-apply/Job/migrate"]
    assert not plan.is_done


def test_after_a_failed_run_they_run_again():
    world = rolled_out(w.a_config("a"), PRE)
    last = replace(world.state.last, outcome="failed")
    world.state = replace(world.state, revisions=(*world.state.revisions, last))
    plan = planned(w.a_config("a"), PRE, world=world)

    assert hook_names(plan) == ["pre-apply/Job/migrate"]


def test_what_an_interrupted_run_has_done_is_not_done_again():
    world = w.World()
    plan = planned(w.a_config("a"), PRE, POST, world=world)
    step = next(plan.steps)
    journal = Journal(
        run_id="r1", plan_id=plan.id, owner="ada", token=1, started_at=w.NOW,
        digest=plan.wanted_digest, done=(DoneStep(step=step.name, digest=step.digest),),
    )  # fmt: skip
    world.carry_out(plan)
    world.state = replace(world.state, journal=journal, revisions=())
    resumed = planned(w.a_config("a"), PRE, POST, world=world)

    assert [step.done_by for step in resumed.steps if step.hook] == ["r1", ""]


def test_tests_are_named_and_do_not_run():
    plan = planned(w.a_config("a"), a_hook(name="smoke", helm="test"))

    assert hook_names(plan) == []
    assert "not run, because tests run only when asked for: Job/shop/smoke" in plan.notes


def test_hooks_for_failures_stand_beside_the_plan():
    plan = planned(w.a_config("a"), a_hook(name="rescue", argo="SyncFail"))

    assert hook_names(plan) == []
    assert [step.name for wave in plan.on_failure for step in wave.steps] == [
        "on-failure/Job/rescue"
    ]


def test_an_object_that_became_a_hook_is_not_pruned():
    world = rolled_out(w.a_config("a"), w.a_body("Job", "migrate", "shop", "batch/v1"))
    plan = planned(w.a_config("a"), PRE, world=world)

    assert names(plan) == ["pre-apply/Job/migrate", "apply-0"]
    assert plan.forgotten == {ObjectRef("batch", "Job", "shop", "migrate"): "is a hook now"}


# ------------------------------------------------------------------ what identifies a plan


@pytest.mark.parametrize("text", ["pre-install", "post-install"])
def test_the_id_of_a_plan_covers_its_hooks(text):
    without = planned(w.a_config("a"))

    assert planned(w.a_config("a"), a_hook(helm=text)).id != without.id


def test_the_id_covers_hooks_for_failures():
    one, other = (
        planned(w.a_config("a"), a_hook(argo="SyncFail", policy=policy))
        for policy in ("hook-succeeded", "hook-failed")
    )

    assert one.id != other.id


def test_the_set_of_a_revision_has_its_hooks():
    plan = planned(w.a_config("a"), PRE, an_unnamed(argo="PostSync"), a_hook(name="t", helm="test"))
    kinds = [one.ref.kind for one in plan.manifests]

    assert kinds == ["ConfigMap", "Job", "Job", "Job"]


def test_a_saved_plan_finds_its_hooks_again():
    wanted = a_set(w.a_config("a"), PRE, POST)
    plan = w.World().plan(wanted)
    found = again(bare(plan), wanted.hooks, None)

    assert bare(plan).hooks == ()
    assert (found.hooks, list(found.steps)) == (plan.hooks, list(bare(plan).steps))


# ------------------------------------------------------------------ back, and away


def back(plan):
    return [step.name for step in plan.steps if step.hook]


def test_a_rollback_takes_its_hooks_from_both_revisions():
    plan = planned(w.a_config("a"))
    restored = a_set(
        a_hook(name="r", helm="pre-rollback"), a_hook(name="p", helm="post-rollback"), PRE,
        a_hook(name="not", helm="pre-rollback", origin="left"),
    )  # fmt: skip
    left = a_set(
        a_hook(name="l", helm="pre-rollback", origin="left"), a_hook(name="n", helm="pre-rollback")
    )
    found = with_rollback_hooks(plan, restored.hooks, left.hooks)

    assert back(found) == ["pre-rollback/Job/l", "pre-rollback/Job/r", "post-rollback/Job/p"]
    assert found.id != plan.id
    assert all(one in found.hooks for one in restored.hooks)


def test_a_rollback_without_hooks_stays_the_same():
    plan = planned(w.a_config("a"))

    assert with_rollback_hooks(plan, ()) is plan


def test_a_removal_has_its_hooks_before_and_after():
    world = rolled_out(w.a_config("a"))
    hooks = a_set(
        a_hook(name="b", helm="pre-delete"), a_hook(name="p", helm="post-delete"), PRE
    ).hooks
    plan = with_delete_hooks(make_removal("shop", world.live(), world.state), hooks, world.state)

    assert names(plan) == ["pre-delete/Job/b", "prune-0", "post-delete/Job/p"]
    assert plan.is_removal


# ------------------------------------------------------------------ what is remembered


def test_a_run_names_what_it_may_create_before_it_does():
    plan = planned(w.a_config("a"), PRE, an_unnamed(argo="SyncFail"))
    left = left_hooks(with_left({}, plan, "r1"))

    assert {one.ref.name: (one.step, one.origin) for one in left} == {
        "migrate": ("pre-apply/Job/migrate", "migrate"),
        "migrate-r1": ("on-failure/Job/migrate", "migrate-"),
    }


def test_names_of_a_run_are_the_same_when_it_is_resumed():
    plan = planned(an_unnamed(argo="PreSync"), an_unnamed(argo="PostSync"))
    found = [hook.manifest.ref.name for hook in hooks_of_run(plan, "r1").values()]

    assert found == ["migrate-r1", "migrate-r1-2"]
    assert hooks_of_run(plan, "r1") == hooks_of_run(plan, "r1")


def test_without_hooks_nothing_is_remembered():
    extra = {"other": "x"}

    assert with_left(extra, planned(w.a_config("a")), "r1") is extra


def test_what_is_gone_is_forgotten():
    plan = planned(PRE, POST)
    extra = with_left({"other": "x"}, plan, "r1")
    left = left_hooks(extra)

    assert left_hooks(without_gone(extra, {left[0].ref})) == left[1:]
    assert without_gone(extra, {one.ref for one in left}) == {"other": "x"}


def test_what_is_no_longer_declared_is_stale():
    extra = with_left({}, planned(PRE, an_unnamed(helm="post-install")), "r1")
    now = planned(w.a_config("a"), an_unnamed(helm="post-install"))

    assert [one.ref.name for one in left_hooks(extra) if is_stale(one, now)] == ["migrate"]


# ------------------------------------------------------------------ what is told


def test_a_plan_says_what_hooks_will_do():
    plan = planned(
        w.a_config("a"), a_hook(helm="pre-install", weight="-5", policy="hook-succeeded"),
        a_hook("ServiceAccount", "x", helm="post-install"), a_hook(name="n", argo="SyncFail"),
    )  # fmt: skip
    text = "\n".join(line.text for line in describe_plan(plan))

    assert "1 to create, 2 hooks to run" in text
    assert "run Job/shop/migrate to its end; weight -5; it goes after its phase if it" in text
    assert "create ServiceAccount/shop/x and wait until it is Current" in text
    assert "if the run fails, on-failure/Job/n: run Job/shop/n to its end" in text


def test_the_machine_form_has_phase_weight_and_object():
    form: Any = plan_form(planned(PRE, a_hook(name="n", argo="SyncFail")))
    step = form["waves"][0]["steps"][0]

    assert step["hook"] == {
        "phase": "pre-apply", "weight": 0,
        "object": {"group": "batch", "kind": "Job", "namespace": "shop", "name": "migrate"},
    }  # fmt: skip
    assert form["onFailure"][0]["steps"][0]["hook"]["phase"] == "on-failure"


def test_a_hook_for_failures_that_failed_is_not_the_headline():
    plan = planned(w.a_config("a"), PRE, a_hook(name="a-rescue", argo="SyncFail"))
    results = [
        StepResult(step="pre-apply/Job/migrate", outcome=Outcome.FAILED, message="no table"),
        StepResult(step="on-failure/Job/a-rescue", outcome=Outcome.FAILED, message="no pager"),
    ]
    report = conclude(plan, w.TRIGGER, results, run_id="r1")

    assert (report.outcome, report.message) == (
        Outcome.FAILED,
        "pre-apply/Job/migrate: no table",
    )
