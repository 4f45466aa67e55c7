"""Fields that cannot change in place, kind by kind, on a real API server (AP-55..AP-57)."""

from __future__ import annotations

import asyncio
import json
from copy import deepcopy

import pytest

from rollwright.engine import operations
from rollwright.engine.progress import ChangeEnded
from rollwright.errors import GuardRefused, InvalidManifests
from rollwright.plugins.contracts import DeleteRequest, GetRequest, Propagation
from rollwright.rollouts.change import Operation
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.report import Outcome

pytestmark = pytest.mark.cluster

RBAC = "rbac.authorization.k8s.io"
UNSEEN = {"rollwright.dev/health": "ignore"}
POD = {"containers": [{"name": "main", "image": "shop/web:1"}]}


def a_body(api_version, kind, name, **content):
    return {
        "apiVersion": api_version, "kind": kind,
        "metadata": {"name": name, "annotations": dict(UNSEEN)}, **content,
    }  # fmt: skip


def workload(kind, name):
    template = {"metadata": {"labels": {"app": name}}, "spec": deepcopy(POD)}
    spec = {"selector": {"matchLabels": {"app": name}}, "template": template}
    return a_body("apps/v1", kind, name, spec=spec)


def job(name):
    pod = {**deepcopy(POD), "restartPolicy": "Never"}
    return a_body("batch/v1", "Job", name, spec={"template": {"spec": pod}})


def stateful(name):
    body = workload("StatefulSet", name)
    claim = {
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
        },
    }  # fmt: skip
    body["spec"] |= {"serviceName": "one", "volumeClaimTemplates": [claim]}
    return body


def claim(name):
    spec = {
        "storageClassName": "slow", "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "2Gi"}},
    }  # fmt: skip
    return a_body("v1", "PersistentVolumeClaim", name, spec=spec)


def volume(name):
    spec = {
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"},
    }  # fmt: skip
    return a_body("v1", "PersistentVolume", name, spec=spec)


def binding(name):
    role = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "view"}
    return a_body(f"{RBAC}/v1", "RoleBinding", name, roleRef=role, subjects=[])


def service(name):
    spec = {"ports": [{"port": 80}], "selector": {"app": name}}
    return a_body("v1", "Service", name, spec=spec)


def select_other(body):
    body["spec"]["selector"]["matchLabels"] = {"app": "other"}
    body["spec"]["template"]["metadata"]["labels"] = {"app": "other"}


def at(*path, to):
    def change(body):
        inner = body
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = to

    return change


CASES = {
    "Job template": (
        job, at("spec", "template", "spec", "containers", 0, "image", to="shop/web:2"), "template"),
    "StatefulSet serviceName": (stateful, at("spec", "serviceName", to="two"), "spec"),
    "StatefulSet volumeClaimTemplates": (
        stateful,
        at("spec", "volumeClaimTemplates", 0, "spec", "resources", "requests", "storage", to="2Gi"),
        "spec"),
    "Deployment selector": (lambda n: workload("Deployment", n), select_other, "spec.selector"),
    "DaemonSet selector": (lambda n: workload("DaemonSet", n), select_other, "spec.selector"),
    "Service clusterIP": (service, at("spec", "clusterIP", to="None"), "clusterIP"),
    "ConfigMap": (
        lambda n: a_body("v1", "ConfigMap", n, immutable=True, data={"a": "1"}),
        at("data", "a", to="2"), "data"),
    "ConfigMap no longer immutable": (
        lambda n: a_body("v1", "ConfigMap", n, immutable=True, data={"a": "1"}),
        at("immutable", to=False), "immutable"),
    "Secret": (
        lambda n: a_body("v1", "Secret", n, immutable=True, stringData={"a": "b-secret"}),
        at("stringData", "a", to="c-secret"), "data"),
    "Secret type": (
        lambda n: a_body("v1", "Secret", n, type="shop/one"), at("type", to="shop/two"), "type"),
    "RoleBinding roleRef": (binding, at("roleRef", "name", to="edit"), "roleRef"),
}  # fmt: skip
CLUSTER_WIDE = {
    "StorageClass provisioner": (
        lambda n: a_body("storage.k8s.io/v1", "StorageClass", n, provisioner="shop/one"),
        at("provisioner", to="shop/two"), "provisioner"),
    "IngressClass controller": (
        lambda n: a_body("networking.k8s.io/v1", "IngressClass", n, spec={"controller": "shop/a"}),
        at("spec", "controller", to="shop/b"), "spec.controller"),
    "PriorityClass value": (
        lambda n: a_body("scheduling.k8s.io/v1", "PriorityClass", n, value=5),
        at("value", to=6), "value"),
    "CSIDriver": (
        lambda n: a_body("storage.k8s.io/v1", "CSIDriver", n, spec={"attachRequired": True}),
        at("spec", "attachRequired", to=False), "attach"),
}  # fmt: skip
PROTECTED = {
    "PersistentVolumeClaim storageClassName": (
        claim, at("spec", "storageClassName", to="fast"), "spec is immutable after creation"),
    "PersistentVolumeClaim shrink": (
        claim, at("spec", "resources", "requests", "storage", to="1Gi"), "spec is immutable"),
    "PersistentVolume source": (
        volume, at("spec", "hostPath", "path", to="/y"), "is immutable after creation"),
}  # fmt: skip


def name_of(shop, case):
    is_alone = case in CLUSTER_WIDE or "PersistentVolume s" in case
    return f"{shop.name}-x" if is_alone else "one"


async def changed(shop, case, cases):
    """Roll an object out, then declare it with another value in a fixed field."""
    make_body, change, _ = cases[case]
    body = make_body(name_of(shop, case))
    shop.write(body)
    report = await shop.rollout()
    assert report.outcome is Outcome.SUCCEEDED, report.message
    change(body)
    shop.write(body)
    return body


async def uid_of(shop, body):
    group = body["apiVersion"].rpartition("/")[0]
    is_cluster_wide = body["metadata"]["name"] != "one"
    ref = ObjectRef(
        group, body["kind"], "" if is_cluster_wide else shop.name, body["metadata"]["name"]
    )
    async with shop.cluster() as cluster:
        live = await cluster.get(GetRequest(ref=ref, api_version=body["apiVersion"]))
    return live.uid if live else ""


@pytest.fixture
async def shop(shop):
    yield shop
    shop.declare(prune={"protect": []})
    await shop.remove()


@pytest.mark.parametrize("case", CASES | CLUSTER_WIDE)
async def test_a_fixed_field_is_refused_by_name_without_a_permission(shop, case):
    cases = CASES | CLUSTER_WIDE
    await changed(shop, case, cases)

    plan = await shop.plan()

    (change,) = [one for one in plan.changes if one.writes]
    (guard,) = plan.breached
    assert change.operation is Operation.REPLACE
    assert guard.id == "AP-57"
    assert cases[case][2] in guard.message
    assert "-secret" not in guard.message


@pytest.mark.parametrize("case", CASES | CLUSTER_WIDE)
async def test_a_fixed_field_is_changed_by_recreating_where_it_is_allowed(shop, case):
    cases = CASES | CLUSTER_WIDE
    body = cases[case][0]("one")
    shop.declare(apply={"recreateImmutable": [body["kind"]]})
    body = await changed(shop, case, cases)
    former = await uid_of(shop, body)

    report = await shop.rollout()

    assert report.outcome is Outcome.SUCCEEDED, report.message
    assert await uid_of(shop, body) not in {"", former}
    assert (await shop.plan()).is_done


@pytest.mark.parametrize("case", PROTECTED)
async def test_what_holds_data_is_never_recreated_by_the_kind_list(shop, case):
    body = PROTECTED[case][0]("one")
    shop.declare(apply={"recreateImmutable": [body["kind"]]})
    body = await changed(shop, case, PROTECTED)
    former = await uid_of(shop, body)

    with pytest.raises(GuardRefused, match=PROTECTED[case][2]):
        await shop.rollout()

    assert await uid_of(shop, body) == former


async def test_a_bad_value_is_no_fixed_field_even_if_it_speaks_of_immutable_things(shop, make):
    shop.write(make.service("web"))
    await shop.rollout()
    shop.write(make.service("web", sessionAffinity="immutable"))
    shop.declare(validate=[], apply={"recreateImmutable": ["Service"]})

    with pytest.raises(InvalidManifests, match="sessionAffinity") as caught:
        await shop.rollout()

    assert caught.value.exit_code == 2


async def test_an_annotation_allows_it_for_one_object(shop, make):
    body = make.config("one")
    body["immutable"] = True
    body["metadata"]["annotations"] = {"rollwright.dev/recreate": "true"}
    shop.write(body)
    await shop.rollout()
    shop.write({**body, "data": {"key": "other"}})

    report = await shop.rollout()

    assert report.outcome is Outcome.SUCCEEDED, report.message


NOTES = {
    "Deployment": "nothing of it runs meanwhile",
    "DaemonSet": "nothing of it runs meanwhile",
    "Service": "new address",
    "StatefulSet": "adopts them",
    "Job": "its end is waited for",
}


@pytest.mark.parametrize("kind", NOTES)
async def test_the_plan_warns_of_what_recreating_means(shop, kind):
    case = next(one for one in CASES if one.startswith(kind))
    shop.declare(apply={"recreateImmutable": [kind]})
    await changed(shop, case, CASES)

    (change,) = [one for one in (await shop.plan()).changes if one.writes]

    assert any(NOTES[kind] in note for note in change.notes)


async def test_the_pods_of_a_stateful_set_live_on(shop, make, kubectl):
    shop.declare(apply={"recreateImmutable": ["StatefulSet"]})
    body = workload("StatefulSet", "one")
    body["metadata"].pop("annotations")
    body["spec"]["serviceName"] = "one"
    shop.write(body)
    await shop.rollout()
    former = kubectl("-n", shop.name, "get", "pod", "one-0", "-o", "jsonpath={.metadata.uid}")
    body["spec"]["serviceName"] = "two"
    body["spec"]["updateStrategy"] = {"type": "OnDelete"}
    shop.write(body)

    report = await shop.rollout()

    assert report.outcome is Outcome.SUCCEEDED, report.message
    now = kubectl("-n", shop.name, "get", "pod", "one-0", "-o", "jsonpath={.metadata.uid}")
    assert now == former


async def test_a_running_job_is_waited_for_before_it_goes(shop, make, kubectl, listener):
    shop.declare(apply={"recreateImmutable": ["Job"]})
    shop.write(job("one"))
    await shop.rollout()
    kubectl("-n", shop.name, "delete", "job", "one")
    running = job("one")
    running["metadata"]["annotations"] = {}
    running["metadata"]["labels"] = {"rollwright.dev/rollout": shop.name}
    running["spec"]["suspend"] = False
    running["spec"]["template"]["spec"]["schedulingGates"] = [{"name": "example.com/hold"}]
    kubectl("-n", shop.name, "apply", "--server-side", "--field-manager=rollwright", "-f", "-",
            stdin=json.dumps(running))  # fmt: skip
    former = (await shop.get("Job", "one")).uid

    task = asyncio.create_task(shop.rollout())
    await until_watched(shop, former)
    still = (await shop.get("Job", "one")).uid
    pod = kubectl("-n", shop.name, "get", "pods", "-o", "jsonpath={.items[0].metadata.name}")
    kubectl("-n", shop.name, "patch", "pod", pod, "--type=json", "-p",
            '[{"op": "remove", "path": "/spec/schedulingGates"}]')  # fmt: skip
    report = await asyncio.wait_for(task, 60)

    assert still == former
    assert report.outcome is Outcome.SUCCEEDED, report.message
    assert (await shop.get("Job", "one")).uid != former


async def until_watched(shop, uid):
    """Give the run the time to come to the Job; it must not be deleted while it runs."""
    for _ in range(20):
        live = await shop.get("Job", "one")
        assert live is not None
        assert live.uid == uid
        await asyncio.sleep(0.1)


async def test_a_job_that_does_not_end_is_not_cut_off(shop, make, kubectl):
    shop.declare(apply={"recreateImmutable": ["Job"]}, health={"timeout": "1s"})
    body = job("one")
    body["spec"]["template"]["spec"]["schedulingGates"] = [{"name": "example.com/hold"}]
    shop.write(body)
    await shop.rollout()
    former = (await shop.get("Job", "one")).uid
    body["spec"]["template"]["spec"]["containers"][0]["image"] = "shop/web:2"
    shop.write(body)

    report = await shop.rollout()

    (failure,) = report.failures
    assert failure.outcome is Outcome.TIMED_OUT
    assert "still runs" in failure.message
    assert (await shop.get("Job", "one")).uid == former


async def test_a_finalizer_is_waited_for_before_the_new_object_is_created(
    shop, make, kubectl, listener
):
    shop.declare(apply={"recreateImmutable": ["ConfigMap"]})
    body = make.config("one")
    body["immutable"] = True
    body["metadata"]["finalizers"] = ["example.com/hold"]
    shop.write(body)
    await shop.rollout()
    former = (await shop.get("ConfigMap", "one")).uid
    body["data"]["key"] = "other"
    del body["metadata"]["finalizers"]
    shop.write(body)

    task = asyncio.create_task(shop.rollout())
    await until_deleting(shop)
    kubectl("-n", shop.name, "patch", "configmap", "one", "--type=json", "-p",
            '[{"op": "remove", "path": "/metadata/finalizers"}]')  # fmt: skip
    report = await asyncio.wait_for(task, 60)

    live = await shop.get("ConfigMap", "one")
    assert report.outcome is Outcome.SUCCEEDED, report.message
    assert live.uid != former
    assert live.body["data"] == {"key": "other"}


async def until_deleting(shop):
    for _ in range(100):
        live = await shop.get("ConfigMap", "one")
        if live is not None and live.is_being_deleted:
            return
        await asyncio.sleep(0.05)
    pytest.fail("nobody deleted the former object")


async def test_after_a_crash_between_delete_and_create_the_next_run_creates_it(shop, make, written):
    shop.declare(apply={"recreateImmutable": ["ConfigMap"]})
    body = make.config("one")
    body["immutable"] = True
    shop.write(body)
    await shop.rollout()
    shop.write({**body, "data": {"key": "other"}})
    async with shop.cluster() as cluster:
        ref = ObjectRef("", "ConfigMap", shop.name, "one")
        await cluster.delete(
            DeleteRequest(ref=ref, api_version="v1", propagation=Propagation.FOREGROUND)
        )

    report = await shop.rollout()

    assert written(report.plan) == {"one": "create"}
    assert (await shop.get("ConfigMap", "one")).body["data"] == {"key": "other"}


async def test_what_depends_on_a_recreated_object_waits_for_both_halves(shop, make, listener):
    shop.declare(apply={"recreateImmutable": ["ConfigMap"]})
    settings = make.config("settings")
    settings["immutable"] = True
    pod = {"volumes": [{"name": "settings", "configMap": {"name": "settings"}}]}
    shop.write(settings, make.deployment("web", pod=pod))
    await shop.rollout()
    shop.write({**settings, "data": {"key": "other"}}, make.deployment("web", pod=pod, replicas=2))

    async with shop.open() as site:
        site.tell = listener
        report = await operations.roll_out(site, shop.load())

    ended = [one.result.ref.name for one in listener.heard if isinstance(one, ChangeEnded)]
    assert report.outcome is Outcome.SUCCEEDED, report.message
    assert ended == ["settings", "web"]
