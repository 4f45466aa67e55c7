"""What changes, what is pruned, what is refused, against a real API server."""

from __future__ import annotations

import json

import pytest

from rollwright.errors import GuardRefused, Refused
from rollwright.rollouts.report import Outcome

pytestmark = pytest.mark.cluster


async def test_a_second_run_asks_for_one_list_a_kind_and_nothing_else(shop, make):
    shop.write(make.config("a"), make.config("b"), make.deployment("web"), make.service("web"))
    await shop.rollout()

    report = await shop.rollout()

    assert report.outcome is Outcome.SUCCEEDED
    assert report.run_id == ""
    calls = report.calls
    state_reads = 1  # the store lists its own Secrets, beside the three kinds
    assert calls["list"] <= 3 + state_reads
    assert [calls[one] for one in ("dry-run", "apply", "patch", "create", "watch")] == [0] * 5


async def test_a_removed_file_is_a_pruned_object(shop, make, written):
    shop.write(make.config("a"), make.config("b"))
    await shop.rollout()
    shop.drop("configmap-b")

    report = await shop.rollout()

    assert written(report.plan) == {"b": "prune"}
    assert await shop.get("ConfigMap", "b") is None
    assert await shop.get("ConfigMap", "a") is not None


async def test_too_many_deletes_are_refused_and_nothing_changes(shop, make):
    names = "abcde"
    shop.write(*(make.config(name) for name in names))
    await shop.rollout()
    before = await shop.state()
    shop.drop(*(f"configmap-{name}" for name in names[1:]))

    with pytest.raises(GuardRefused) as caught:
        await shop.rollout()

    assert caught.value.exit_code == 4
    assert "--allow-prune" in str(caught.value.hint)
    assert all([await shop.get("ConfigMap", name) for name in names])
    assert await shop.state() == before


async def test_deletes_that_somebody_allowed_are_carried_out(shop, make):
    names = "abcde"
    shop.write(*(make.config(name) for name in names))
    await shop.rollout()
    shop.drop(*(f"configmap-{name}" for name in names[1:]))

    report = await shop.rollout(allow_prune=True)

    assert report.outcome is Outcome.SUCCEEDED
    assert [bool(await shop.get("ConfigMap", name)) for name in names] == [True] + [False] * 4


async def test_an_empty_render_over_an_inventory_is_refused(shop, make):
    shop.write(make.config("a"))
    await shop.rollout()
    shop.drop("configmap-a")
    shop.write(note="# nothing here any more\n")

    with pytest.raises(GuardRefused, match="PR-05") as caught:
        await shop.rollout(allow_prune=True)

    assert caught.value.exit_code == 4
    assert await shop.get("ConfigMap", "a") is not None


DRIFTS = {
    "scaled": (["scale", "deployment/web", "--replicas=3"], ["spec.replicas"]),
    "edited": (
        ["patch", "configmap", "settings", "--field-manager=kubectl-edit", "-p",
         '{"data":{"color":"red"}}'],
        ["data.color"],
    ),
    "label removed": (
        ["label", "configmap", "settings", "rollwright.dev/rollout-"],
        ["metadata.labels['rollwright.dev/rollout']"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("drift", DRIFTS, ids=lambda one: one.replace(" ", "-"))
async def test_the_plan_shows_exactly_what_somebody_changed(shop, make, kubectl, drift):
    command, paths = DRIFTS[drift]
    shop.write(make.config("settings", color="blue"), make.deployment("web"), make.service("web"))
    await shop.rollout()
    kubectl("-n", shop.name, *command)

    (change,) = [one for one in (await shop.plan()).changes if one.writes]
    await shop.rollout()

    assert [str(field.path) for field in change.fields] == paths
    assert (await shop.plan()).is_done


async def test_what_somebody_deleted_is_created_again(shop, make, kubectl, written):
    shop.write(make.config("settings"), make.deployment("web"))
    await shop.rollout()
    kubectl("-n", shop.name, "delete", "configmap", "settings")

    plan = await shop.plan()
    await shop.rollout()

    assert written(plan) == {"settings": "create"}
    assert (await shop.plan()).is_done


async def test_an_immutable_field_is_refused_by_its_name(shop, make):
    shop.write(make.job("migrate", image="shop/migrate:1"))
    await shop.rollout()
    shop.write(make.job("migrate", image="shop/migrate:2"))

    with pytest.raises(Refused) as caught:
        await shop.rollout()

    assert caught.value.exit_code == 4
    assert "spec.template" in caught.value.message


async def test_a_kind_that_may_be_recreated_is_replaced(shop, make, written):
    shop.declare(apply={"recreateImmutable": ["Job", "Service"]})
    shop.write(make.job("migrate"), make.service("web"))
    await shop.rollout()
    former = {kind: (await shop.get(kind, name)).uid for kind, name in REPLACED}
    shop.write(make.job("migrate", image="shop/migrate:2"), make.service("web", clusterIP="None"))

    report = await shop.rollout()

    assert report.outcome is Outcome.SUCCEEDED
    assert written(report.plan) == {"migrate": "replace", "web": "replace"}
    for kind, name in REPLACED:
        assert (await shop.get(kind, name)).uid != former[kind]


REPLACED = (("Job", "migrate"), ("Service", "web"))


async def test_a_conflict_names_the_field_and_its_manager(shop, make, kubectl):
    shop.write(make.config("settings", color="blue"))
    theirs = make.config("settings", shop.name, color="red")
    kubectl(
        "-n", shop.name, "apply", "--server-side", "--field-manager=painter", "-f", "-",
        stdin=json.dumps(theirs),
    )  # fmt: skip

    (change,) = (await shop.plan()).changes

    assert [(one.path, one.manager) for one in change.conflicts] == [("data.color", "painter")]


async def test_without_force_a_conflict_is_refused_and_nothing_changes(shop, make, kubectl):
    shop.declare(apply={"force": False})
    shop.write(make.config("settings", color="blue"), make.config("other"))
    theirs = make.config("settings", shop.name, color="red")
    kubectl(
        "-n", shop.name, "apply", "--server-side", "--field-manager=painter", "-f", "-",
        stdin=json.dumps(theirs),
    )  # fmt: skip

    with pytest.raises(Refused) as caught:
        await shop.rollout()

    assert "painter" in caught.value.message
    assert await shop.get("ConfigMap", "other") is None


@pytest.mark.parametrize("store", ["cluster", "file", "memory"])
async def test_a_rollout_passes_with_each_store(shop, make, tmp_path, store):
    options = {"namespace": shop.name} if store == "cluster" else {}
    options |= {"path": str(tmp_path / "states")} if store == "file" else {}
    shop.settle(store={"use": store, **options})
    shop.write(make.config("a"))

    report = await shop.rollout()

    assert report.outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("locks", ["lease", "file", "memory"])
async def test_a_rollout_passes_with_each_lock(shop, make, tmp_path, locks):
    options = {"namespace": shop.name} if locks == "lease" else {}
    options |= {"path": str(tmp_path / "locks")} if locks == "file" else {}
    shop.settle(locks={"use": locks, **options})
    shop.write(make.config("a"))

    report = await shop.rollout()

    assert report.outcome is Outcome.SUCCEEDED


TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}


async def test_objects_of_several_namespaces_and_versions_stand_side_by_side(shop, make, written):
    other = f"{shop.name}-b"
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}}
    shop.declare(prune={"protect": []})
    metadata = {"name": "old", "annotations": {"rollwright.dev/health": "ignore"}}
    old = {
        "apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler",
        "metadata": metadata,
        "spec": {"maxReplicas": 2, "scaleTargetRef": TARGET},
    }  # fmt: skip
    new = {**old, "apiVersion": "autoscaling/v2", "metadata": {**metadata, "name": "new"}}
    shop.write(namespace, make.config("a"), make.config("a-b", other), old, new)

    first = await shop.rollout()
    plan = await shop.plan()
    await shop.remove()

    assert first.outcome is Outcome.SUCCEEDED
    assert written(plan) == {}
