"""Deleting an object that is created again right after (AP-57, OR-84)."""

from __future__ import annotations

import asyncio

import pytest

from rollwright.engine.progress import Applied
from rollwright.errors import Cause, ClusterError
from rollwright.rollouts.report import Outcome

FIXED = ClusterError(
    "no",
    status=422,
    causes=[Cause(reason="FieldValueInvalid", field="spec.x", message="field is immutable")],
)


def a_job(image="one"):
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": image}]}
    return {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate"},
        "spec": {"template": {"spec": pod}},
    }  # fmt: skip


def status_of(kind):
    return {"startTime": "2025-01-01T00:00:00Z", "conditions": [{"type": kind, "status": "True"}]}


RUNNING = {"startTime": "2025-01-01T00:00:00Z", "active": 1}


async def fixed(world, make, *, status):
    """A Job that was rolled out, is in a status, and is declared with another template."""
    world.declare(apply={"recreateImmutable": ["Job"]}, health={"timeout": "1s"})
    world.write(a_job())
    ref = make.ref("Job", "migrate", "batch")
    world.cluster.report(ref, status_of("Complete"))
    await world.rollout()
    body = world.cluster.objects[ref]
    world.cluster.put({**body, "status": status})
    world.write(a_job("two"))
    world.cluster.fail("dry-run", ref, FIXED)
    return ref


@pytest.mark.parametrize("kind", ["Complete", "Failed"])
async def test_a_job_that_has_ended_goes_at_once_with_its_pods(world, make, kind):
    ref = await fixed(world, make, status=status_of(kind))

    report = await world.rollout()

    (sent,) = [one for one in world.cluster.sent("delete") if one.ref == ref]
    assert report.outcome is Outcome.SUCCEEDED, report.message
    assert sent.propagation == "Background"
    assert sent.uid


async def test_a_suspended_job_runs_nothing_that_could_be_cut_off(world, make):
    ref = await fixed(world, make, status={})
    body = world.cluster.objects[ref]
    world.cluster.put({**body, "spec": {**body["spec"], "suspend": True}})

    report = await world.rollout()

    assert report.outcome is Outcome.SUCCEEDED, report.message


async def test_a_running_job_is_waited_for(world, make):
    ref = await fixed(world, make, status=RUNNING)
    task = asyncio.create_task(world.rollout())
    while not any(one.field_selector for one in world.cluster.sent("watch")):
        await asyncio.sleep(0)
    assert not world.cluster.sent("delete")

    world.cluster.put({**world.cluster.objects[ref], "status": status_of("Complete")})
    report = await task

    assert report.outcome is Outcome.SUCCEEDED, report.message
    assert len([one for one in world.cluster.sent("delete") if one.ref == ref]) == 1


async def test_a_job_that_does_not_end_in_time_stays(world, make):
    ref = await fixed(world, make, status=RUNNING)

    report = await world.rollout()

    (failure,) = report.failures
    assert failure.outcome is Outcome.TIMED_OUT
    assert "still runs after 1 s" in failure.message
    assert ref not in {one.ref for one in world.cluster.sent("delete")}


async def test_a_cancel_ends_the_wait_for_a_running_job(world, make):
    await fixed(world, make, status=RUNNING)
    async with world.site() as site:
        from rollwright import library

        task = asyncio.create_task(library.rollout(world.folder, site=site))
        while not any(one.field_selector for one in world.cluster.sent("watch")):
            await asyncio.sleep(0)
        site.stop.set()
        report = await task

    assert report.outcome is Outcome.CANCELLED
    assert not world.cluster.sent("delete")


async def test_a_job_that_somebody_deleted_meanwhile_holds_nobody_up(world, make):
    ref = await fixed(world, make, status=RUNNING)
    task = asyncio.create_task(world.rollout())
    while not any(one.field_selector for one in world.cluster.sent("watch")):
        await asyncio.sleep(0)

    world.cluster.remove(ref)
    report = await task

    assert report.outcome is Outcome.SUCCEEDED, report.message


async def test_a_crash_after_the_delete_leaves_a_create_for_the_next_run(world, make):
    ref = await fixed(world, make, status=status_of("Complete"))
    world.cluster.fail("apply", ref, ClusterError("gone away", status=503))
    await world.rollout()

    report = await world.rollout()

    assert report.outcome is Outcome.SUCCEEDED, report.message
    (change,) = [one for one in report.plan.changes if one.writes]
    assert change.operation == "create"


async def test_who_waits_for_a_recreated_object_waits_for_its_new_half(world, make):
    world.declare(apply={"recreateImmutable": ["ConfigMap"]})
    waiting = make.config("b", k="v")
    waiting["metadata"]["annotations"] = {
        "rollwright.dev/depends-on": "/namespaces/shop/ConfigMap/a"
    }
    world.write(make.config("a"), waiting)
    await world.rollout()
    world.write(make.config("a", k="two"), {**waiting, "data": {"k": "two"}})
    world.cluster.fail("dry-run", make.ref("ConfigMap", "a"), FIXED)
    world.heard.clear()

    await world.rollout()

    calls = [(one.call, one.ref.name) for one in world.cluster.requests
             if one.ref and one.call in {"delete", "apply"} and one.ref.name in "ab"]  # fmt: skip
    assert calls[-3:] == [("delete", "a"), ("apply", "a"), ("apply", "b")]
    applied = [one.change.ref.name for one in world.heard if isinstance(one, Applied)]
    assert applied == ["a", "b"]
