"""Objects that come with their kind or namespace: checked at plan time, asked about in the run."""

from __future__ import annotations

import pytest

from rollwright.errors import ClusterError, InvalidManifests
from rollwright.rollouts.change import Prediction
from rollwright.rollouts.report import Outcome

SCHEMA = {
    "type": "object",
    "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
}
UNABLE = ClusterError('admission webhook "h" does not support dry run', status=400)


def a_namespace(name="new"):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def a_crd(schema=SCHEMA):
    version = {
        "name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema},
    }  # fmt: skip
    names = {"kind": "Basket", "plural": "baskets"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "baskets.example.com"},
        "spec": {
            "group": "example.com", "names": names, "scope": "Namespaced", "versions": [version],
        },
    }  # fmt: skip


def a_basket(**spec):
    metadata = {"name": "b", "namespace": "shop"}
    return {"apiVersion": "example.com/v1", "kind": "Basket", "metadata": metadata, "spec": spec}


def in_new(body):
    body["metadata"]["namespace"] = "new"
    return body


async def test_a_mistake_is_found_although_the_document_validates_nothing(world):
    world.write(a_crd(), a_basket(size="many"))

    with pytest.raises(InvalidManifests) as caught:
        await world.plan()

    assert [problem.path for problem in caught.value.problems] == ["spec.size"]


async def test_every_mistake_of_every_object_is_told(world, make):
    wrong = in_new(make.config("a"))
    wrong["dota"] = {}
    world.write(a_namespace(), wrong, a_crd(), a_basket(size="many", sise=1))

    with pytest.raises(InvalidManifests) as caught:
        await world.plan()

    assert {problem.path for problem in caught.value.problems} == {"dota", "spec.size", "spec.sise"}


async def test_nothing_is_read_for_it_in_an_ordinary_run(world, make):
    world.write(make.config("a"))
    await world.plan()
    before = len(world.cluster.sent("get"))

    await world.plan()

    assert len(world.cluster.sent("get")) == 2 * before


async def test_a_simulated_object_is_asked_about_just_before_its_apply(world, make):
    world.write(a_namespace(), in_new(make.config("a")))

    await world.rollout()

    calls = [one.call for one in world.cluster.requests
             if one.ref and one.ref.name == "a" and one.call in {"dry-run", "apply"}]  # fmt: skip
    assert calls == ["dry-run", "apply"]


async def test_an_object_whose_namespace_is_there_is_asked_about_once(world, make):
    world.write(make.config("a"))

    report = await world.rollout()

    assert report.calls["dry-run"] == 1


async def test_a_refusal_in_the_run_stops_it_and_says_that_the_plan_was_wrong(world, make):
    body = in_new(make.config("a"))
    world.write(a_namespace(), body)
    ref = make.ref("ConfigMap", "a")._replace(namespace="new")
    world.cluster.fail("dry-run", ref, ClusterError("quota is used up", status=403, hint="ask"))

    report = await world.rollout()

    (failure,) = report.failures
    assert failure.message == "quota is used up; the plan could only simulate it"
    assert failure.hint == "ask"
    assert ref not in world.cluster.objects


@pytest.mark.parametrize(
    ("policy", "outcome"),
    [("allow", Outcome.SUCCEEDED), ("approve", Outcome.FAILED), ("refuse", Outcome.FAILED)],
)
async def test_a_webhook_that_supports_no_dry_run_is_met_by_the_policy(
    world, make, policy, outcome
):
    world.declare(apply={"unpredictable": policy})
    world.write(a_namespace(), in_new(make.config("a")))
    ref = make.ref("ConfigMap", "a")._replace(namespace="new")
    world.cluster.fail("dry-run", ref, UNABLE)

    report = await world.rollout()

    assert report.outcome is outcome


async def test_the_targets_own_namespace_needs_no_dry_run(world, make):
    world.declare(target={"namespace": "fresh"})
    world.write(make.config("a"))

    report = await world.rollout()

    assert report.outcome is Outcome.SUCCEEDED, report.message
    assert [one.ref.name for one in world.cluster.sent("dry-run")] == ["a"]


async def test_a_namespace_for_rehearsals_gives_defaults_and_finds_refusals(world, make):
    world.declare(apply={"simulateIn": "shop"})
    world.write(a_namespace(), in_new(make.config("a")))

    plan = await world.plan()

    (change,) = [one for one in plan.changes if one.ref.name == "a"]
    assert change.prediction is Prediction.SIMULATED
    assert change.predicted_digest
    assert [one.ref.namespace for one in world.cluster.sent("dry-run") if one.ref.name == "a"] == [
        "shop"
    ]
