"""What a prune may take, on a real server: guards, names, propagation and the blast radius."""

from __future__ import annotations

import pytest

from rollwright import library
from rollwright.errors import GuardRefused
from rollwright.plugins.contracts import (
    ApplyRequest,
    DeleteRequest,
    ListRequest,
    PatchRequest,
)
from rollwright.rollouts.manifest import ref_of
from rollwright.rollouts.report import Outcome

pytestmark = pytest.mark.cluster

UNBOUND = {"skip": [{"kind": "PersistentVolumeClaim"}]}
"""No claim is bound by anybody here: waiting for it would last."""


@pytest.fixture
async def gone(shop):
    """Remove the rollout afterwards, whatever is left of it."""
    yield
    await shop.remove()


def a_namespace(name):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def claim(name="data", **spec):
    return {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "",
            "resources": {"requests": {"storage": "1Gi"}}, **spec,
        },
    }  # fmt: skip


def volume(name, policy, namespace):
    return {
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": policy, "storageClassName": "",
            "hostPath": {"path": f"/nowhere/{name}"},
            "claimRef": {"namespace": namespace, "name": "data"},
        },
    }  # fmt: skip


def guards(plan):
    return {guard.id: guard for guard in plan.guards}


def effects(plan):
    return [str(effect) for effect in plan.blast]


async def as_somebody(shop, body):
    """Apply an object as another tool would."""
    async with shop.cluster() as cluster:
        return await cluster.apply(ApplyRequest(ref=ref_of(body), body=body, manager="somebody"))


async def drop(shop, body):
    async with shop.cluster() as cluster:
        await cluster.delete(DeleteRequest(ref=ref_of(body), api_version=body["apiVersion"]))


async def test_60_percent_do_not_go_unasked(shop, make):
    shop.write(*(make.config(f"c{n}") for n in range(10)))
    await shop.rollout()
    shop.drop(*(f"c{n}." for n in range(6)))

    with pytest.raises(GuardRefused, match=r"PR-02: deleting 60 % \(6 of 10\)"):
        await shop.rollout()

    assert await shop.get("ConfigMap", "c0")


async def test_half_goes(shop, make):
    shop.write(*(make.config(f"c{n}") for n in range(10)))
    await shop.rollout()
    shop.drop(*(f"c{n}." for n in range(5)))

    report = await shop.rollout()

    assert (report.outcome, await shop.get("ConfigMap", "c0")) == (Outcome.SUCCEEDED, None)


async def test_everything_does_not_go_unasked(shop, make):
    shop.write(make.config("a"), make.config("b"))
    await shop.rollout()
    shop.drop("config")

    with pytest.raises(GuardRefused, match=r"PR-05: .* rendered no object"):
        await shop.rollout()

    assert await shop.get("ConfigMap", "a")


async def test_a_claim_stays_until_somebody_names_it(shop, make, gone):
    shop.declare(health=UNBOUND)
    shop.write(make.config("a"), claim())
    await shop.rollout()
    shop.drop("persistentvolumeclaim")

    plan = await shop.plan()
    await shop.rollout()
    assert (guards(plan)["PR-04"].value, [c.ref.kind for c in plan.changes if c.writes]) == (
        f"PersistentVolumeClaim/{shop.name}/data", []
    )  # fmt: skip
    assert "--allow-delete" in guards(plan)["PR-04"].message
    assert await shop.get("PersistentVolumeClaim", "data")


async def test_a_claim_goes_by_its_name(shop, make, gone):
    shop.declare(health=UNBOUND)
    shop.write(make.config("a"), claim())
    await shop.rollout()
    shop.drop("persistentvolumeclaim")
    async with shop.open() as site:
        site.allowed = frozenset({f"PersistentVolumeClaim/{shop.name}/data"})

        report = await library.rollout(shop.folder, site=site)

    found = await shop.get("PersistentVolumeClaim", "data")
    assert (report.outcome, found, guards(report.plan)["PR-04"].waived_by) == (
        Outcome.SUCCEEDED, None, f"--allow-delete PersistentVolumeClaim/{shop.name}/data"
    )  # fmt: skip


@pytest.mark.parametrize(("policy", "is_lost"), [("Delete", True), ("Retain", False)])
async def test_a_volume_says_whether_its_data_is_lost(shop, make, gone, policy, is_lost):
    name = f"{shop.name}-{policy.lower()}"
    body = volume(name, policy, shop.name)
    await as_somebody(shop, body)
    try:
        shop.declare(health=UNBOUND)
        shop.write(make.config("a"), claim(volumeName=name))
        await shop.rollout()
        shop.drop("persistentvolumeclaim")
        async with shop.open() as site:
            site.allowed = frozenset({"persistentvolumeclaim/data"})

            plan = await library.plan(shop.folder, site=site)
        assert [one.is_data_lost for one in plan.blast if one.rule == "BR-04"] == [is_lost]
    finally:
        await drop(shop, body)


async def test_the_children_of_a_deployment_are_counted(shop, make):
    shop.write(make.config("a"), make.deployment("web", replicas=2))
    await shop.rollout()
    shop.drop("deployment")

    plan = await shop.plan()

    assert f"Deployment/{shop.name}/web: takes along 2 Pod, 1 ReplicaSet" in effects(plan)


async def test_an_ordinary_plan_asks_nothing_about_a_blast_radius(shop, make):
    shop.write(make.config("a"), make.config("b"))
    await shop.rollout()
    shop.write(make.config("a", key="new"))

    assert (await shop.plan()).blast == ()


async def test_pods_stay_when_a_deployment_is_deleted_as_an_orphan_maker(shop, make):
    annotations = {"rollwright.dev/propagation": "orphan"}
    shop.write(make.config("a"), make.deployment("web", annotations=annotations))
    await shop.rollout()
    shop.drop("deployment")

    plan = await shop.plan()
    await shop.rollout()

    assert "leaves without an owner" in " ".join(effects(plan))
    assert await shop.get("Deployment", "web") is None
    async with shop.cluster() as cluster:
        sets = await cluster.list(
            ListRequest(api_version="apps/v1", kind="ReplicaSet", namespace=shop.name)
        )
    assert [one.metadata.get("ownerReferences") for one in sets] == [None]


async def test_what_is_still_mounted_stays(shop, make):
    volumes = {"volumes": [{"name": "v", "configMap": {"name": "settings"}}]}
    shop.write(make.config("settings"), make.deployment("web", pod=volumes))
    await shop.rollout()
    shop.drop("configmap")

    plan = await shop.plan()

    assert list(plan.kept.values()) == [f"Deployment/{shop.name}/web stays and needs it"]


async def test_an_annotation_counts_that_somebody_took_off_by_hand(shop, make):
    kept = make.config("kept")
    kept["metadata"]["annotations"] = {"rollwright.dev/prune": "disabled"}
    shop.write(make.config("a"), kept)
    await shop.rollout()
    ref = ref_of({**kept, "metadata": {"name": "kept", "namespace": shop.name}})
    operations = ({"op": "remove", "path": "/metadata/annotations/rollwright.dev~1prune"},)
    async with shop.cluster() as cluster:
        await cluster.patch(PatchRequest(ref=ref, api_version="v1", operations=operations))
    shop.drop("kept")

    await shop.rollout()

    assert await shop.get("ConfigMap", "kept")


async def test_a_failed_upsert_lets_nothing_go(shop, make):
    shop.write(make.config("old"), make.config("a"))
    await shop.rollout()
    shop.drop("old")
    shop.write(make.job("fails", "crash-loop"))

    report = await shop.rollout()

    assert report.outcome is not Outcome.SUCCEEDED
    assert await shop.get("ConfigMap", "old")


async def test_a_namespace_that_another_rollout_lives_in_stays(shop, make):
    name = f"{shop.name}-more"
    shop.declare(prune={"protect": []})
    shop.write(make.config("a"), a_namespace(name))
    await shop.rollout()
    tenant = make.config("theirs", name)
    tenant["metadata"]["labels"] = {"rollwright.dev/rollout": "somebody"}
    await as_somebody(shop, tenant)
    shop.drop("namespace")

    plan = await shop.plan()
    try:
        assert list(plan.kept.values()) == [
            f"ConfigMap/{name}/theirs of rollout 'somebody' lives in it"
        ]
    finally:
        await drop(shop, tenant)
        await shop.remove()


async def test_the_content_of_a_namespace_is_counted_apart(shop, make):
    name = f"{shop.name}-more"
    shop.declare(prune={"protect": []})
    shop.write(make.config("a"), a_namespace(name))
    await shop.rollout()
    await as_somebody(shop, make.config("nobodys", name))
    shop.drop("namespace")

    plan = await shop.plan()

    assert f"Namespace/{name}: takes along 1 ConfigMap of nobody" in effects(plan)
    await shop.remove()


async def test_a_finalizer_that_nobody_takes_off_is_named(shop, make):
    body = make.config("held")
    body["metadata"]["finalizers"] = ["widgets.example.com/cleanup"]
    shop.declare(health={"timeout": "2s"})
    shop.write(make.config("a"), body)
    await shop.rollout()
    shop.drop("held")

    plan = await shop.plan()
    report = await shop.rollout()

    text = " ".join(effects(plan))
    assert "waits for finalizer widgets.example.com/cleanup" in text
    assert "no such controller was found running" in text
    assert "widgets.example.com/cleanup" in report.failures[0].message
    operations = ({"op": "remove", "path": "/metadata/finalizers"},)
    ref = ref_of({**body, "metadata": {"name": "held", "namespace": shop.name}})
    async with shop.cluster() as cluster:
        await cluster.patch(PatchRequest(ref=ref, api_version="v1", operations=operations))


async def test_users_of_other_rollouts_are_named(shop, make):
    volumes = {"volumes": [{"name": "v", "configMap": {"name": "settings"}}]}
    theirs = make.deployment("theirs", pod=volumes)
    theirs["metadata"] |= {"namespace": shop.name, "labels": {"rollwright.dev/rollout": "blog"}}
    shop.write(make.config("a"), make.config("settings"))
    await shop.rollout()
    await as_somebody(shop, theirs)
    shop.drop("settings")

    plan = await shop.plan()

    assert effects(plan) == [
        f"ConfigMap/{shop.name}/settings: is used by Deployment/{shop.name}/theirs (rollouts blog)"
    ]


def test_the_document_says_how_children_go(shop):
    shop.declare(prune={"propagation": "background"})

    assert shop.load().spec.prune.propagation == "background"
