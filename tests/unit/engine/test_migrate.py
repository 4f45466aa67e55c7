"""Taking over fields just before the apply: when, how often, and what happens in between."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollwright import library
from rollwright.engine import operations
from rollwright.engine.stages import DIRECT, no_forecast
from rollwright.errors import ClusterError
from rollwright.plugins.contracts import ApplyRequest
from rollwright.rollouts.manifest import ref_of
from rollwright.rollouts.report import Outcome
from rollwright.testing.fake_apply import applied


def put(world, body, manager="kubectl-create"):
    """Put an object as somebody else made it."""
    body = {**body, "metadata": {**body["metadata"], "namespace": "shop"}}
    request = ApplyRequest(ref=ref_of(body), body=body, manager=manager, force=True)
    return world.cluster.put(applied(request, None)).ref


def writes(world):
    return [one.call for one in world.cluster.requests if one.call in {"patch", "apply"}]


async def test_the_patch_comes_just_before_the_apply(world, make):
    ref = put(world, make.config("a", k="v", old="x"))
    world.write(make.config("a"))

    report = await world.rollout()

    assert report.outcome is Outcome.SUCCEEDED
    assert world.cluster.objects[ref]["data"] == {"k": "v"}
    assert [one.ref for one in world.cluster.requests if one.call == "patch"] == [ref]
    assert writes(world).index("patch") < len(writes(world)) - 1


async def test_a_second_run_takes_nothing_over(world, make):
    put(world, make.config("a", k="v", old="x"))
    world.write(make.config("a"))
    await world.rollout()
    before = len(world.cluster.requests)

    report = await world.rollout()

    later = {one.call for one in world.cluster.requests[before:]}
    assert report.run_id == ""
    assert not later & {"patch", "apply", "dry-run"}


async def test_an_object_that_moved_is_taken_over_as_it_is_then(world, make):
    ref = put(world, make.config("a", k="v", old="x"))
    world.write(make.config("a"))
    moved = ClusterError("testing value failed", status=422)
    world.cluster.fail("patch", ref, moved)
    get = world.cluster.get
    seen: list[object] = []

    async def get_and_touch(request):
        if request.ref == ref and seen:
            body = world.cluster.objects[ref]
            touched = {**body["metadata"], "labels": {"seen": str(len(seen))}}
            world.cluster.put({**body, "metadata": touched})
        if request.ref == ref:
            seen.append(ref)
        return await get(request)

    world.cluster.get = get_and_touch
    report = await world.rollout()

    assert report.outcome is Outcome.SUCCEEDED
    assert world.cluster.objects[ref]["data"] == {"k": "v"}
    assert len(world.cluster.sent("patch")) == 2


async def test_a_refusal_that_is_no_race_is_not_tried_again(world, make):
    ref = put(world, make.config("a", k="v", old="x"))
    world.write(make.config("a"))
    refusal = ClusterError("managedFields are wrong", status=422)
    world.cluster.fail("patch", ref, refusal, refusal)

    report = await world.rollout()

    assert report.outcome is Outcome.FAILED
    assert "managedFields are wrong" in report.message
    assert len(world.cluster.sent("patch")) == 1
    assert writes(world).count("apply") == 0


@pytest.mark.parametrize("manager", ["painter", "kube-controller-manager"])
async def test_nothing_is_taken_from_other_controllers(world, make, manager):
    ref = put(world, make.config("a", extra="x"), manager)
    world.write(make.config("a"))

    await world.rollout()

    assert world.cluster.objects[ref]["data"] == {"k": "v", "extra": "x"}
    assert world.cluster.sent("patch") == ()


async def test_a_conflict_that_a_rule_allows_is_forced_though_force_is_off(world, make):
    ref = put(world, make.config("a", k="theirs"), "painter")
    world.declare(apply={"force": False, "conflicts": [{"field": "data.k", "action": "take"}]})
    world.write(make.config("a"))

    await world.rollout()

    assert world.cluster.objects[ref]["data"] == {"k": "v"}


async def test_autoscalers_are_looked_for_only_when_it_matters(world, make):
    world.write(make.deployment("web"))
    world.cluster.report(make.web, make.ready)
    await world.rollout()
    await world.rollout()

    kinds = [one.kind for one in world.cluster.sent("list")]

    assert "HorizontalPodAutoscaler" not in kinds


@pytest.mark.parametrize(
    ("action", "value"), [("leave", "theirs"), ("adopt", "theirs"), ("take", "v")]
)
async def test_without_a_dry_run_conflicts_go_by_their_rules_too(world, make, action, value):
    ref = put(world, make.config("a", k="theirs"), "painter")
    world.declare(apply={"conflicts": [{"field": "data.k", "action": action}]})
    world.write(make.config("a"))
    stages = replace(DIRECT, forecast=no_forecast)

    async with world.site() as site:
        await operations.roll_out(site, library.load(world.folder), stages)

    assert world.cluster.objects[ref]["data"] == {"k": value}
    assert world.cluster.sent("dry-run") == ()
