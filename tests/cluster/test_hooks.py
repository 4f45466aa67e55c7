"""Hooks of Helm's and of Argo CD's kind on a real control plane: when they run, what they leave."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from rollwright import library
from rollwright.engine import operations
from rollwright.engine.returning.history import prepare_rollback, roll_back
from rollwright.errors import Refused
from rollwright.plugins.contracts import ListRequest
from rollwright.rollouts.hooks.left import left_hooks
from rollwright.rollouts.report import Outcome

pytestmark = pytest.mark.cluster


def marked(body, **annotations):
    """Return an object with annotations, by short names of theirs."""
    names = {
        "helm": "helm.sh/hook", "weight": "helm.sh/hook-weight",
        "policy": "helm.sh/hook-delete-policy", "argo": "argocd.argoproj.io/hook",
        "wave": "argocd.argoproj.io/sync-wave",
        "argo_policy": "argocd.argoproj.io/hook-delete-policy",
        "origin": "rollwright.dev/hook-from", "logs": "rollwright.dev/hook-logs",
    }  # fmt: skip
    found = {names[key]: text for key, text in annotations.items()}
    metadata = {**body["metadata"], "annotations": found}
    return {**body, "metadata": metadata}


def outcomes(report):
    return {one.step: one.outcome.value for one in report.results}


def hook_steps(plan):
    return [step.name for step in plan.steps if step.hook]


@pytest.fixture
def jobs(shop):
    """The Jobs of the test's namespace that stay, by name, with their UIDs."""

    async def jobs():
        async with shop.cluster() as cluster:
            request = ListRequest(api_version="batch/v1", kind="Job", namespace=shop.name)
            found = await cluster.list(request)
        return {one.ref.name: one.uid for one in found if not one.is_being_deleted}

    return jobs


def a_chart(make):
    """What Helm users write: an account for a migration, the migration, the application, a test."""
    account = {
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "migrator"},
    }  # fmt: skip
    both = "pre-install,pre-upgrade"
    return [
        marked(account, helm=both, weight="-5", policy="before-hook-creation,hook-succeeded"),
        marked(make.job("migrate"), helm=both, weight="1"),
        marked(make.job("welcome"), helm="post-install", policy="hook-succeeded"),
        marked(make.job("announce"), helm="post-upgrade"),
        marked(make.job("smoke"), helm="test"),
        make.config("settings"),
        make.deployment("web"),
    ]


async def test_hooks_of_a_chart_run_around_its_objects(shop, make):
    shop.write(*a_chart(make))
    plan = await shop.plan()
    report = await shop.rollout()

    assert hook_steps(plan) == [
        "pre-apply/ServiceAccount/migrator", "pre-apply/Job/migrate", "post-apply/Job/welcome",
    ]  # fmt: skip
    assert report.outcome is Outcome.SUCCEEDED, report.message
    assert list(outcomes(report)) == [
        "pre-apply/ServiceAccount/migrator", "pre-apply/Job/migrate", "apply-0",
        "post-apply/Job/welcome",
    ]  # fmt: skip


async def test_what_succeeded_goes_if_its_policy_says_so(shop, make, jobs):
    shop.write(*a_chart(make))
    await shop.rollout()

    assert list(await jobs()) == ["migrate"]
    assert await shop.get("ServiceAccount", "migrator") is None


async def test_hooks_are_no_part_of_the_inventory_but_remembered(shop, make):
    shop.write(*a_chart(make))
    await shop.rollout()
    state = await shop.state()

    assert {one.ref.name for one in state.inventory} == {"settings", "web"}
    assert [one.ref.name for one in left_hooks(state.extra)] == ["migrate"]


async def test_a_run_that_changes_nothing_runs_no_hooks(shop, make, jobs):
    shop.write(*a_chart(make))
    await shop.rollout()
    before = await jobs()
    plan = await shop.plan()
    report = await shop.rollout()

    assert plan.is_done
    assert report.results == ()
    assert await jobs() == before


async def test_an_upgrade_runs_them_again(shop, make, jobs):
    shop.write(*a_chart(make))
    await shop.rollout()
    before = await jobs()
    shop.write(make.config("settings", color="red"))
    report = await shop.rollout()
    after = await jobs()

    assert report.outcome is Outcome.SUCCEEDED, report.message
    assert "post-apply/Job/announce" in outcomes(report)
    assert sorted(after) == ["announce", "migrate"]
    assert after["migrate"] != before["migrate"]


async def test_a_hook_that_changed_runs_although_nothing_else_did(shop, make):
    shop.write(*a_chart(make))
    await shop.rollout()
    changed = make.job("migrate", image="shop/job:2")
    shop.write(marked(changed, helm="pre-install,pre-upgrade", weight="1"))
    report = await shop.rollout()

    assert outcomes(report)["pre-apply/Job/migrate"] == "succeeded"
    assert (await shop.plan()).is_done


async def test_hooks_are_neither_drift_nor_status(shop, make):
    shop.write(*a_chart(make))
    await shop.rollout()
    async with shop.open() as site:
        drift = await operations.drift(site, shop.name, cluster="here")
        status = await operations.status(site, shop.name, cluster="here")

    assert not drift.objects
    assert {one.ref.name for one in status.statuses} == {"settings", "web"}


async def test_the_removal_of_a_rollout_takes_what_hooks_left(shop, make, jobs):
    shop.write(*a_chart(make))
    await shop.rollout()
    await shop.remove()

    assert await jobs() == {}
    assert await shop.state() is None


async def test_hooks_that_are_no_longer_declared_go(shop, make, jobs):
    shop.write(*a_chart(make))
    await shop.rollout()
    shop.drop("migrate")
    await shop.rollout()

    assert "migrate" not in await jobs()
    assert "migrate" not in {one.ref.name for one in left_hooks((await shop.state()).extra)}


async def test_hooks_run_before_and_after_a_removal(shop, make):
    shop.write(
        make.config("settings"),
        marked(make.job("backup"), helm="pre-delete"),
        marked(make.job("goodbye"), helm="post-delete"),
    )
    await shop.rollout()
    async with shop.open() as site:
        removal = await operations.prepare_delete(site, shop.name, cluster="here")
        report = await operations.delete(site, removal, cluster="here")

    assert list(outcomes(report)) == [
        "pre-delete/Job/backup", "prune-0", "post-delete/Job/goodbye",
    ]  # fmt: skip
    assert report.outcome is Outcome.SUCCEEDED, report.message
    assert await shop.get("Job", "goodbye") is None
    assert await shop.state() is None


async def test_a_failing_hook_before_a_removal_keeps_everything(shop, make):
    shop.write(
        make.config("settings"), marked(make.job("backup", "fail"), helm="pre-delete")
    )  # fmt: skip
    await shop.rollout()
    async with shop.open() as site:
        removal = await operations.prepare_delete(site, shop.name, cluster="here")
        report = await operations.delete(site, removal, cluster="here")

    assert report.outcome is Outcome.FAILED
    assert await shop.get("ConfigMap", "settings") is not None
    assert await shop.state() is not None


# ------------------------------------------------------------------ Argo CD


def an_application(make, migration=""):
    """What users of Argo CD write: phases, waves, a hook for failures."""
    return [
        marked(make.job("schema", migration), argo="PreSync", wave="-1", argo_policy="HookFailed"),
        marked(make.job("seed"), argo="PreSync", wave="2"),
        marked(make.job("rescue"), argo="SyncFail", argo_policy="HookSucceeded"),
        marked(make.config("skipped"), argo="Skip"),
        marked(make.config("wave"), argo="Sync"),
        make.deployment("web"),
    ]


async def test_hooks_of_argo_cd_run_in_their_phases(shop, make, jobs):
    shop.write(*an_application(make))
    report = await shop.rollout()

    assert list(outcomes(report)) == ["pre-apply/Job/schema", "pre-apply/Job/seed", "apply-0"]
    assert report.outcome is Outcome.SUCCEEDED, report.message
    assert sorted(await jobs()) == ["schema", "seed"]
    assert await shop.get("ConfigMap", "wave") is not None
    assert await shop.get("ConfigMap", "skipped") is None


async def test_after_a_hook_that_failed_only_those_for_failures_run(shop, make, jobs):
    shop.write(*an_application(make, "fail"))
    report = await shop.rollout()

    assert outcomes(report) == {
        "pre-apply/Job/schema": "failed",
        "pre-apply/Job/seed": "not-started",
        "apply-0": "not-started",
        "on-failure/Job/rescue": "succeeded",
    }
    assert report.outcome is Outcome.FAILED
    assert "schema" in report.message
    assert await shop.get("Deployment", "web") is None
    assert await jobs() == {}


async def test_the_log_of_a_hook_that_failed_is_in_the_report(shop, make):
    shop.write(*an_application(make, "fail"))
    report = await shop.rollout()
    logs = report.results[0].logs

    assert any("kwok plays this pod" in text for text in logs.values())


async def test_a_hook_for_failures_that_fails_changes_nothing_more(shop, make):
    shop.write(
        marked(make.job("schema", "fail"), argo="PreSync"),
        marked(make.job("rescue", "fail"), argo="SyncFail"),
    )  # fmt: skip
    report = await shop.rollout()

    assert outcomes(report)["on-failure/Job/rescue"] == "failed"
    assert "schema" in report.message


async def test_a_run_after_a_failed_one_tries_its_hooks_again(shop, make):
    shop.write(make.config("settings"), marked(make.job("check", "fail"), argo="PostSync"))
    first = await shop.rollout()
    second = await shop.rollout()

    assert (first.outcome, second.outcome) == (Outcome.FAILED, Outcome.FAILED)
    assert outcomes(second)["post-apply/Job/check"] == "failed"


async def test_a_hook_without_a_name_gets_one_of_its_run(shop, make, jobs):
    job = make.job("x")
    unnamed = {**job, "metadata": {"generateName": "migrate-"}}
    shop.write(make.config("settings"), unnamed_file=json.dumps(marked(unnamed, argo="PreSync")))
    first = await shop.rollout()
    shop.write(make.config("settings", color="red"))
    second = await shop.rollout()

    assert first.run_id != second.run_id
    assert list(await jobs()) == [f"migrate-{second.run_id}"]


async def test_an_object_that_becomes_a_hook_is_no_longer_owned(shop, make, jobs):
    shop.write(make.config("settings"), make.job("migrate"))
    await shop.rollout()
    before = await jobs()
    shop.write(marked(make.job("migrate"), argo="PreSync"))
    report = await shop.rollout()
    after = await jobs()

    assert report.outcome is Outcome.SUCCEEDED, report.message
    assert after.keys() == before.keys()
    assert after != before
    assert {one.ref.name for one in (await shop.state()).inventory} == {"settings"}


async def test_a_foreign_object_of_that_name_stays(shop, make, kubectl):
    kubectl("create", "configmap", "banner", "-n", shop.name, "--from-literal=key=theirs")
    shop.write(make.config("settings"), marked(make.config("banner"), argo="PreSync"))
    report = await shop.rollout()
    found = await shop.get("ConfigMap", "banner")

    assert report.outcome is Outcome.FAILED
    assert "no run of this rollout made it" in report.message
    assert found.body["data"] == {"key": "theirs"}


async def test_hooks_run_in_a_namespace_that_comes_with_the_run(
    new_shop, make, shop, tmp_path, kubectl
):
    there = new_shop(tmp_path / "there", shop.name, shop.kubeconfig)
    space = f"{shop.name}-new"
    there.declare(target={"namespace": space, "createNamespace": True})
    there.write(make.config("settings"), marked(make.job("schema"), argo="PreSync"))
    try:
        report = await there.rollout()
        await there.remove()
    finally:
        kubectl("delete", "namespace", space, "--wait=false")

    assert list(outcomes(report)) == ["target", "pre-apply/Job/schema", "apply-0"]
    assert report.outcome is Outcome.SUCCEEDED, report.message


async def test_the_last_hook_that_leaves_the_set_goes_without_another_change(shop, make, jobs):
    shop.write(make.config("settings"), marked(make.job("migrate"), argo="PreSync"))
    await shop.rollout()
    shop.drop("migrate")
    plan = await shop.plan()
    await shop.rollout()

    assert any("Job/" in note and "hooks have left" in note for note in plan.notes)
    assert await jobs() == {}
    assert (await shop.plan()).is_done


async def test_a_job_with_a_deadline_of_its_own_is_waited_for_so_long(shop, make):
    job = make.job("check", "never-ready", activeDeadlineSeconds=2)
    shop.write(make.config("settings"), marked(job, argo="PreSync"))
    report = await shop.rollout()

    assert report.outcome is Outcome.FAILED
    assert "active longer" in report.message or "DeadlineExceeded" in report.message


async def test_equal_weights_run_together(shop, make):
    one, two = (marked(make.job(name), argo="PreSync") for name in ("one", "two"))
    shop.write(make.config("settings"), one, two)
    report = await shop.rollout()
    first, second = report.results[:2]

    assert report.outcome is Outcome.SUCCEEDED, report.message
    assert max(first.started_at, second.started_at) < min(first.ended_at, second.ended_at)


# ------------------------------------------------------------------ going back


async def two_revisions(shop, make):
    for color in ("blue", "red"):
        shop.write(
            make.config("settings", color=color),
            marked(make.job(f"back-to-{color}"), helm="pre-rollback"),
            marked(make.job("after"), helm="post-rollback"),
            marked(make.job("undo"), helm="pre-rollback", origin="left"),
        )
        await shop.rollout()
        shop.drop("back-to")


async def test_a_rollback_runs_hooks_of_the_revision_that_comes_back(shop, make):
    await two_revisions(shop, make)
    async with shop.open() as site:
        prepared = await prepare_rollback(site, shop.name, cluster="here")
        report = await roll_back(site, prepared)

    assert report.outcome is Outcome.SUCCEEDED, report.message
    assert list(outcomes(report)) == [
        "pre-rollback/Job/back-to-blue", "pre-rollback/Job/undo", "apply-0",
        "post-rollback/Job/after",
    ]  # fmt: skip


async def test_a_hook_that_failed_after_the_objects_brings_the_last_success_back(shop, make):
    shop.declare(onFailure="rollback", health={"timeout": "30s"})
    shop.write(make.config("settings", color="blue"))
    await shop.rollout()
    shop.write(
        make.config("settings", color="red"), marked(make.job("check", "fail"), argo="PostSync")
    )  # fmt: skip
    report = await shop.rollout()
    found = await shop.get("ConfigMap", "settings")

    assert report.outcome is Outcome.FAILED
    assert report.rollback.outcome is Outcome.SUCCEEDED
    assert found.body["data"] == {"color": "blue"}
    assert await shop.get("Job", "check") is None


# ------------------------------------------------------------------ a run that was killed


@pytest.fixture
def killed(shop, sandbox):
    """Roll out in a process of its own, and kill it as soon as a line has both words."""

    async def killed(*words):
        command = [sys.executable, "-m", "rollwright", "rollout", str(shop.folder), "--yes", "-v"]
        process = await asyncio.create_subprocess_exec(
            *command, env={**os.environ, **sandbox.environment},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            await asyncio.wait_for(_until(process.stderr, words), 60)
        finally:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            await process.communicate()

    return killed


async def _until(stream, words):
    seen = []
    while line := (await stream.readline()).decode():
        seen.append(line)
        if all(word in line for word in words):
            return
    raise AssertionError(f"the run ended by itself: {''.join(seen)}")


async def test_a_run_that_was_killed_goes_on_with_its_own_hooks(shop, make, jobs, killed, kubectl):
    shop.settle(locks={"use": "lease", "namespace": shop.name, "ttl": "3s", "renewEvery": "1s"})
    shop.write(
        make.config("settings"),
        marked(make.job("first"), helm="pre-install", policy="hook-succeeded"),
        marked(make.job("second", suspend=True), helm="pre-install", weight="1"),
    )
    await killed("second", "runs")
    before = await jobs()
    patch = '{"spec": {"suspend": false}}'
    kubectl("patch", "job", "second", "-n", shop.name, "--type=merge", "-p", patch)
    report = await shop.rollout()

    assert report.outcome is Outcome.SUCCEEDED, report.message
    assert sorted(before) == ["first", "second"]
    assert report.results[0].message.startswith("was done by run")
    assert await jobs() == {"second": before["second"]}


# ------------------------------------------------------------------ a saved plan


async def test_a_saved_plan_runs_its_hooks_once(shop, make, jobs, tmp_path):
    shop.write(*a_chart(make))
    await library.save_plan(shop.folder, tmp_path / "plan.json")
    first = await shop.rollout(plan=tmp_path / "plan.json")
    before = await jobs()
    again = await shop.rollout(plan=tmp_path / "plan.json")

    assert first.outcome is Outcome.SUCCEEDED, first.message
    assert outcomes(first)["pre-apply/Job/migrate"] == "succeeded"
    assert again.results == ()
    assert await jobs() == before


async def test_a_saved_plan_is_refused_when_a_hook_changed(shop, make, tmp_path):
    shop.write(*a_chart(make))
    await library.save_plan(shop.folder, tmp_path / "plan.json")
    changed = make.job("migrate", image="shop/job:2")
    shop.write(marked(changed, helm="pre-install,pre-upgrade", weight="1"))

    with pytest.raises(Refused, match="hooks are rendered differently"):
        await shop.rollout(plan=tmp_path / "plan.json")
