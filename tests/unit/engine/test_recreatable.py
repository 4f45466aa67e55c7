"""What could not be created again is refused while the former object is still there (AP-57)."""

from __future__ import annotations

import pytest

from rollwright.errors import Cause, ClusterError, InvalidManifests
from rollwright.rollouts.report import Outcome

FIXED = ClusterError(
    "no",
    status=422,
    causes=[Cause(reason="FieldValueInvalid", field="spec.x", message="field is immutable")],
)


def refusal(field, *, status=422):
    cause = Cause(reason="FieldValueInvalid", field=field, message="wrong")
    return ClusterError('"one-anew" is wrong', status=status, causes=[cause])


def service(**spec):
    return {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "one"},
        "spec": {"selector": {"app": "one"}, **spec},
    }  # fmt: skip


async def fixed(world, make, **changed):
    """A Service that was rolled out and is declared with a field that cannot change in place."""
    held = {"clusterIP": "10.0.0.7", "clusterIPs": ["10.0.0.7"]}
    world.declare(apply={"recreateImmutable": ["Service"]})
    world.write(service(**held, ports=[{"port": 80, "nodePort": 30001}]))
    await world.rollout()
    world.write(service(**{**held, "ports": [{"port": 81, "nodePort": 30001}], **changed}))
    ref = make.ref("Service", "one")
    world.cluster.fail("dry-run", ref, FIXED)
    return ref, ref._replace(name="one-anew")


async def test_a_mistake_is_told_before_the_former_object_is_deleted(world, make):
    ref, alias = await fixed(world, make)
    world.cluster.fail("dry-run", alias, refusal("spec.selector"))

    with pytest.raises(InvalidManifests) as caught:
        await world.rollout()

    assert '"one" is wrong; it would have to be deleted' in str(caught.value)
    assert world.cluster.sent("delete") == ()
    assert ref in world.cluster.objects


@pytest.mark.parametrize(
    "error",
    [refusal("metadata.name"), refusal("spec.selector", status=403), ClusterError("", status=422)],
    ids=["the other name", "a quota", "a policy"],
)
async def test_what_may_be_good_for_the_object_itself_holds_nobody_up(world, make, error):
    ref, alias = await fixed(world, make)
    world.cluster.fail("dry-run", alias, error)

    report = await world.rollout()

    assert report.outcome is Outcome.SUCCEEDED, report.message
    assert [one.ref for one in world.cluster.sent("delete")] == [ref]


async def test_the_addresses_of_the_former_object_are_not_asked_for_twice(world, make):
    _, alias = await fixed(world, make)

    await world.plan()

    (asked,) = [one for one in world.cluster.sent("dry-run") if one.ref == alias]
    assert asked.body["spec"].keys() == {"selector", "ports"}
    assert "nodePort" not in asked.body["spec"]["ports"][0]


async def test_a_refused_creation_says_that_the_former_object_is_gone(world, make):
    ref, _ = await fixed(world, make)
    world.cluster.fail("apply", ref, refusal("spec.clusterIPs"))

    report = await world.rollout()

    (result,) = [one for one in report.changes if one.ref == ref]
    assert result.outcome is Outcome.FAILED
    assert "the former object is deleted" in result.hint
