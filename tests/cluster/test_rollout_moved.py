"""What changes between the plan and its first write is never overwritten unseen."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from rollwright.engine import beginning, operations, stages
from rollwright.engine.approval import permitting
from rollwright.errors import Refused
from rollwright.rollouts.report import Outcome

pytestmark = pytest.mark.cluster


async def roll_out_while(shop, happens):
    """Roll out; something happens while a person looks at the plan."""

    async def approve(site, spec, plan):
        happens()
        await permitting.approve(site, spec, plan)

    async with shop.open() as site:
        return await operations.roll_out(
            site, site.rollout, replace(stages.DIRECT, approve=approve)
        )


@pytest.fixture(autouse=True)
def _a_slow_reader(monkeypatch):
    monkeypatch.setattr(beginning, "VERIFIED_AFTER", timedelta(0))


async def test_a_field_changed_after_the_plan_refuses_the_plan(shop, make, kubectl):
    shop.write(make.config("a", x="1", y="1"))
    await shop.rollout()
    shop.write(make.config("a", x="2", y="1"))
    patch = ["patch", "configmap", "a", "-n", shop.name, "-p", '{"data":{"y":"theirs"}}']

    with pytest.raises(Refused, match=r"ConfigMap/.*/a was changed meanwhile"):
        await roll_out_while(shop, lambda: kubectl(*patch))

    assert (await shop.get("ConfigMap", "a")).body["data"] == {"x": "1", "y": "theirs"}


async def test_an_object_created_after_the_plan_is_not_taken(shop, make, kubectl):
    shop.write(make.config("a", x="ours"))
    create = ["create", "configmap", "a", "-n", shop.name, "--from-literal=x=theirs"]

    with pytest.raises(Refused, match="was created meanwhile"):
        await roll_out_while(shop, lambda: kubectl(*create))

    assert (await shop.get("ConfigMap", "a")).body["data"] == {"x": "theirs"}


async def test_an_object_deleted_after_the_plan_refuses_the_plan(shop, make, kubectl):
    shop.write(make.config("a", x="1"))
    await shop.rollout()
    shop.write(make.config("a", x="2"))

    with pytest.raises(Refused, match="was deleted meanwhile"):
        await roll_out_while(shop, lambda: kubectl("delete", "configmap", "a", "-n", shop.name))


async def test_a_status_that_moved_is_no_change(shop, make, kubectl):
    shop.write(make.deployment("web"))
    await shop.rollout()
    shop.write(make.deployment("web", replicas=2))
    status = '{"status":{"conditions":[{"type":"Odd","status":"True"}]}}'
    patch = ["patch", "deployment", "web", "-n", shop.name, "--subresource=status"]

    report = await roll_out_while(shop, lambda: kubectl(*patch, "--type=merge", "-p", status))

    assert report.outcome is Outcome.SUCCEEDED


async def test_objects_with_our_label_that_nobody_remembers_are_told(shop, make, kubectl):
    shop.write(make.config("a"))
    await shop.rollout()
    labelled = f"rollwright.dev/rollout={shop.name}"
    kubectl("create", "configmap", "stray", "-n", shop.name)
    kubectl("label", "configmap", "stray", "-n", shop.name, labelled)

    plan = await shop.plan()

    assert any("ConfigMap/" in note and "stray" in note for note in plan.notes)
    assert not any(change.writes for change in plan.changes)
