"""What is asked before anything is deleted, and what it costs."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from rollwright.engine import operations, stages
from rollwright.engine.removal.blast import measure
from rollwright.errors import ClusterError
from rollwright.library import load
from rollwright.rollouts.blast import Going
from rollwright.rollouts.live import live_object
from rollwright.rollouts.report import Outcome
from rollwright.testing.fake import FakeCluster

CLAIM = {
    "apiVersion": "v1", "kind": "PersistentVolumeClaim",
    "metadata": {"name": "data", "namespace": "shop", "uid": "u"}, "spec": {},
}  # fmt: skip


def lists(cluster):
    return [request.kind for request in cluster.sent("list")]


async def test_a_plan_that_deletes_nothing_reads_nothing_more(world, make):
    world.write(make.config("a"), make.config("b"))
    await world.rollout()
    before = len(world.cluster.requests)
    await world.plan()
    ordinary = len(world.cluster.requests) - before
    world.write(make.config("a", k="new"), make.config("b"))

    before = len(world.cluster.requests)
    await world.plan()

    assert lists(world.cluster)[-1] == "ConfigMap"
    assert len(world.cluster.requests) - before <= ordinary + 2


async def test_a_delete_asks_who_else_uses_the_object(world, make):
    world.write(make.config("a"), make.config("b"))
    await world.rollout()
    world.write(make.config("a"))

    await world.plan()

    assert {"Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"} <= set(lists(world.cluster))


async def test_what_cannot_be_read_is_unknown_and_not_nothing():
    cluster = FakeCluster()
    cluster.fail("list", "PersistentVolume", ClusterError("forbidden", status=403))

    effects = await measure(cluster, "shop", (Going(live=live_object(CLAIM)),))

    assert [(one.rule, one.is_unknown) for one in effects if one.is_unknown] == [("BR-04", True)]


async def test_a_kind_that_is_not_served_holds_nothing():
    cluster = FakeCluster()
    cluster.fail("list", "CronJob", ClusterError("no such kind", status=404))

    effects = await measure(cluster, "shop", (Going(live=live_object(CLAIM)),))

    assert not [one for one in effects if one.rule == "BR-05"]


async def test_a_list_that_never_ends_is_unknown(make):
    async def forever(_request):
        await asyncio.Event().wait()

    cluster = make.wrapped(FakeCluster(), list=forever)

    effects = await measure(cluster, "shop", (Going(live=live_object(CLAIM)),), seconds=0.01)

    assert any("took longer than 0.01 s" in one.text for one in effects if one.is_unknown)


async def test_nothing_is_deleted_when_input_is_missing(world, make):
    world.write(make.config("a"), make.config("b"))
    await world.rollout()
    world.write(make.config("a"))

    async def with_fault(site, spec, checkout, trigger):
        found = await stages.render(site, spec, checkout, trigger)
        return replace(found, faults=("values.yaml is missing",))

    async with world.site() as site:
        report = await operations.roll_out(
            site, load(world.folder), replace(stages.DIRECT, render=with_fault)
        )

    assert (report.outcome, [guard.id for guard in report.plan.guards if guard.message]) == (
        Outcome.SUCCEEDED, ["PR-06"]
    )  # fmt: skip
    assert make.ref("ConfigMap", "b") in world.cluster.objects


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"labels": {"rollwright.dev/rollout": "blog"}}, "belongs to rollout 'blog' now"),
        ({"annotations": {"helm.sh/resource-policy": "keep"}}, "keeps it"),
    ],
)
async def test_the_guards_are_asked_again_right_before_the_delete(world, make, change, why):
    world.write(make.config("a"), make.config("b"))
    await world.rollout()
    world.write(make.config("a"))

    async def meddling(site, spec, plan):
        await stages.DIRECT.approve(site, spec, plan)
        body = world.cluster.objects[make.ref("ConfigMap", "b")]
        for key, values in change.items():
            body["metadata"][key] = {**body["metadata"].get(key, {}), **values}

    async with world.site() as site:
        report = await operations.roll_out(
            site, load(world.folder), replace(stages.DIRECT, approve=meddling)
        )

    assert why in report.failures[0].message
    assert make.ref("ConfigMap", "b") in world.cluster.objects
