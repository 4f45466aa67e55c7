from __future__ import annotations

import pytest

from rollwright.engine.reading.forecast import forecast, immutable_fields, read_conflicts
from rollwright.errors import ApplyConflict, Cause, ClusterError, InvalidManifests, Unreachable
from rollwright.rollouts.manifest import Manifest, Origin, ref_of


@pytest.fixture
def manifest(make):
    def manifest(name, **data):
        body = make.config(name, **data)
        body["metadata"]["namespace"] = "shop"
        return Manifest(body=body, ref=ref_of(body), key=name, origin=Origin(file=f"{name}.yaml"))

    return manifest


async def test_nothing_is_written(world, manifest):
    one = manifest("a")

    answers = await forecast(world.cluster, [one])

    predicted = answers[one.ref].body
    assert predicted is not None
    assert predicted["data"] == {"k": "v"}
    assert one.ref not in world.cluster.objects


async def test_every_refusal_is_told_with_its_file(world, manifest):
    for name in "ab":
        refusal = ClusterError(f"{name} is bad", status=422, hint="mend it")
        world.cluster.fail("dry-run", manifest(name).ref, refusal)

    with pytest.raises(InvalidManifests) as caught:
        await forecast(world.cluster, [manifest("a"), manifest("b"), manifest("c")])

    told = [(problem.where, problem.message) for problem in caught.value.problems]
    assert [where.split(":")[0] for where, _ in told] == ["a.yaml", "b.yaml"]
    assert caught.value.hint == "mend it"


async def test_a_server_that_is_gone_is_no_mistake_of_the_manifests(world, manifest):
    world.cluster.fail("dry-run", manifest("a").ref, Unreachable("gone"))

    with pytest.raises(Unreachable):
        await forecast(world.cluster, [manifest("a"), manifest("b")])


async def test_a_field_of_another_manager_is_a_conflict_and_the_forced_answer(world, manifest):
    one = manifest("a")
    cause = Cause(
        reason="FieldManagerConflict", field=".data.k", message='conflict with "painter" using v1'
    )
    world.cluster.fail("dry-run", one.ref, ApplyConflict("no", status=409, causes=[cause]))

    answer = (await forecast(world.cluster, [one]))[one.ref]

    assert [(found.path, found.manager) for found in answer.conflicts] == [("data.k", "painter")]
    assert [sent.force for sent in world.cluster.sent("dry-run")] == [False, True]


IMMUTABLE = {
    "field is immutable": True,
    "spec is immutable after creation": True,
    "may not change once set": True,
    "cannot be changed": True,
    "cannot change roleRef": True,
    "updates to statefulset spec for fields other than 'replicas' are forbidden": True,
    "must be no more than 63 characters": False,
    "Unsupported value": False,
}


@pytest.mark.parametrize(("message", "expected"), IMMUTABLE.items())
def test_a_field_that_cannot_change_is_told_from_a_bad_value(message, expected):
    cause = Cause(reason="FieldValueInvalid", field="spec.x", message=message)

    found = immutable_fields(ClusterError("no", status=422, causes=[cause]))

    assert bool(found) is expected


def test_the_words_of_a_webhook_make_no_field_immutable():
    error = ClusterError("admission webhook: tags are immutable", status=403)

    assert immutable_fields(error) == ()


def test_a_cause_without_a_manager_is_no_conflict():
    error = ApplyConflict("no", status=409, causes=[Cause(reason="x", field="y", message="z")])

    assert list(read_conflicts(error)) == []
