from __future__ import annotations

import pytest

from rollwright.engine.reading.read import SINGLE_GETS, read_live
from rollwright.errors import ClusterError, Unreachable
from rollwright.rollouts.manifest import Manifest, ManifestSet, Origin, ref_of
from rollwright.rollouts.ownership.fields import own
from rollwright.testing.fake import FakeCluster


@pytest.fixture
def wanted(make):
    """Make a set of labelled manifests in a namespace."""

    def wanted(*names, namespace="shop", bodies=()):
        made = [*bodies]
        for name in names:
            body = make.config(name)
            body["metadata"]["namespace"] = namespace
            made.append(body)
        manifests = (
            Manifest(body=body, ref=ref_of(body), key=body["metadata"]["name"], origin=Origin(file="x"))
            for body in made
        )  # fmt: skip
        return own(ManifestSet(tuple(manifests)), "shop")

    return wanted


async def test_what_is_ours_is_read_by_one_list(world, wanted):
    manifests = wanted(*"abc")
    for manifest in manifests:
        world.cluster.put(dict(manifest.body))

    live = await read_live(world.cluster, "shop", manifests, None)

    assert set(live.objects) == set(manifests.by_ref())
    assert world.cluster.calls["list"] == 1


async def test_a_few_objects_without_our_label_are_fetched_singly(world, wanted, make):
    body = make.config("a")
    body["metadata"]["namespace"] = "shop"
    world.cluster.put(body)

    live = await read_live(world.cluster, "shop", wanted("a"), None)

    assert {ref.name for ref in live.objects} == {"a"}
    assert not any(one.metadata_only for one in world.cluster.sent("list"))


async def test_many_unknown_objects_are_looked_for_by_a_list_of_names(world, wanted):
    names = [f"c-{number}" for number in range(SINGLE_GETS + 1)]

    live = await read_live(world.cluster, "shop", wanted(*names), None)

    assert not live.objects
    assert [one.metadata_only for one in world.cluster.sent("list")] == [False, True]


async def test_a_namespace_that_does_not_exist_is_known_to_be_absent(world, wanted):
    live = await read_live(world.cluster, "shop", wanted("a", namespace="nowhere"), None)

    assert live.absent_namespaces == {"nowhere"}


async def test_a_namespace_that_we_may_not_look_at_counts_as_there(world, wanted):
    world.cluster.fail("get", "Namespace", ClusterError("no", status=403))

    live = await read_live(world.cluster, "shop", wanted("a"), None)

    assert not live.absent_namespaces


async def test_rights_in_the_namespaces_only_are_enough(world, wanted):
    both = ManifestSet((*wanted("a"), *wanted("b", namespace="other")))
    for manifest in both:
        world.cluster.put(dict(manifest.body))
    world.cluster.fail("list", "ConfigMap", ClusterError("no", status=403))

    live = await read_live(world.cluster, "shop", both, None)

    assert {ref.name for ref in live.objects} == {"a", "b"}
    assert [one.namespace for one in world.cluster.sent("list")] == ["", "other", "shop"]


async def test_a_refusal_is_not_read_as_nothing_there(world, wanted):
    world.cluster.fail("list", "ConfigMap", ClusterError("broken", status=500))

    with pytest.raises(ClusterError):
        await read_live(world.cluster, "shop", wanted("a"), None)


async def test_a_failure_ends_the_other_requests(world, wanted, make):
    deployment = make.deployment("web")
    deployment["metadata"]["namespace"] = "shop"
    world.cluster.fail("list", "ConfigMap", Unreachable("gone"))

    with pytest.raises(Unreachable):
        await read_live(world.cluster, "shop", wanted("a", bodies=[deployment]), None)


async def test_a_group_without_a_backend_is_left_out(wanted):
    cluster = FakeCluster(missing={"metrics.k8s.io": "its backend does not answer"})

    live = await read_live(cluster, "shop", wanted("a"), None)

    assert live.missing_groups == {"metrics.k8s.io": "its backend does not answer"}


async def test_a_kind_that_nobody_serves_is_known_to_be_unknown(world, wanted):
    basket = {
        "apiVersion": "example.com/v1", "kind": "Basket",
        "metadata": {"name": "one", "namespace": "shop"},
    }  # fmt: skip

    live = await read_live(world.cluster, "shop", wanted(bodies=[basket]), None)

    assert live.unknown_kinds == {("example.com/v1", "Basket")}
