from __future__ import annotations

import asyncio

import pytest

from rollwright.engine.reading.evidence import Evidence
from rollwright.engine.waiting.watches import Watches
from rollwright.errors import ClusterError


@pytest.fixture
def woken():
    return []


@pytest.fixture
async def evidence(world, woken):
    watches = Watches(world.cluster)
    yield Evidence(watches, woken.append)
    await watches.close()


def owned(kind, name, uid, owner, version="v1"):
    owners = [{"uid": owner, "controller": True, "kind": "x", "name": "x"}] if owner else []
    return {
        "apiVersion": version, "kind": kind,
        "metadata": {"name": name, "namespace": "shop", "uid": uid, "ownerReferences": owners},
    }  # fmt: skip


async def until_synced(evidence, namespace="shop"):
    for _ in range(500):
        if evidence.is_synced(namespace):
            return
        await asyncio.sleep(0.01)
    pytest.fail("never synced")


async def test_pods_are_found_below_their_owners_owner(world, evidence):
    world.cluster.put(owned("ReplicaSet", "rs", "rs-1", "web-1", "apps/v1"))
    world.cluster.put(owned("Pod", "p", "p-1", "rs-1"))
    evidence.watch("shop")
    await until_synced(evidence)

    assert [pod["metadata"]["name"] for pod in evidence.pods("web-1")] == ["p"]
    assert evidence.owned("web-1", "ReplicaSet")


async def test_a_change_of_a_pod_wakes_its_topmost_owner(world, evidence, woken):
    world.cluster.put(owned("ReplicaSet", "rs", "rs-1", "web-1", "apps/v1"))
    evidence.watch("shop")
    await until_synced(evidence)
    world.cluster.put(owned("Pod", "p", "p-1", "rs-1"))
    await asyncio.sleep(0.05)

    assert "web-1" in woken


async def test_a_pod_that_went_is_forgotten(world, evidence, make):
    live = world.cluster.put(owned("Pod", "p", "p-1", "job-1"))
    evidence.watch("shop")
    await until_synced(evidence)
    world.cluster.remove(live.ref)
    await asyncio.sleep(0.05)

    assert evidence.pods("job-1") == ()
    assert evidence.pods_in("shop") == ()


async def test_events_are_those_of_everything_below(world, evidence):
    world.cluster.put(owned("Pod", "p", "p-1", "job-1"))
    event = owned("Event", "e", "e-1", "")
    world.cluster.put({**event, "involvedObject": {"uid": "p-1"}, "reason": "Failed"})
    evidence.watch("shop")
    await until_synced(evidence)

    assert [one["reason"] for one in evidence.events("job-1")] == ["Failed"]


async def test_what_is_forbidden_is_as_known_as_it_gets(world, evidence):
    for kind in ("Pod", "ReplicaSet", "ControllerRevision", "Event"):
        world.cluster.fail("watch", kind, ClusterError("no", status=403))
    evidence.watch("shop")
    await until_synced(evidence)

    assert evidence.pods("web-1") == ()


async def test_where_all_namespaces_are_forbidden_single_ones_are_watched(world, evidence):
    world.cluster.put(owned("Pod", "p", "p-1", "job-1"))
    world.cluster.fail("watch", "Pod", ClusterError("no", status=403))
    evidence.watch("shop", is_alone=False)
    for _ in range(500):
        if evidence.pods("job-1"):
            break
        await asyncio.sleep(0.01)

    assert len(evidence.pods("job-1")) == 1


async def test_nothing_is_known_before_anything_is_watched(evidence):
    assert evidence.is_synced("shop") is False
    assert evidence.is_synced("") is True
