"""Objects that come together with their kind or namespace, on a real API server (AP-67..70)."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import Any

import pytest

from rollwright.errors import GuardRefused, InvalidManifests, InvalidSpec, Refused
from rollwright.rollouts.change import Prediction
from rollwright.rollouts.report import Outcome

pytestmark = pytest.mark.cluster

SPEC: dict[str, Any] = {
    "type": "object",
    "required": ["size"],
    "properties": {
        "size": {"type": "integer", "maximum": 10},
        "color": {"type": "string", "enum": ["red", "blue"], "default": "red"},
        "owner": {"type": "string", "pattern": "^[a-z]+$"},
    },
}
WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "type": ({"size": "many"}, "spec.size", "expected a whole number"),
    "required": ({}, "spec.size", "missing"),
    "enum": ({"size": 1, "color": "green"}, "spec.color", "one of red, blue"),
    "pattern": ({"size": 1, "owner": "A1"}, "spec.owner", "match"),
    "limit": ({"size": 11}, "spec.size", "maximum"),
    "unknown": ({"size": 1, "sise": 2}, "spec.sise", "unknown field"),
}


def group(shop):
    return f"{shop.name}.example.com"


def crd(shop, make, spec=None, **more):
    """A CRD of this test alone, with a schema."""
    body = make.crd(group(shop))
    schema = {"type": "object", "properties": {"spec": spec or SPEC}}
    body["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = schema
    body["spec"] |= more
    return body


def basket(shop, name="a", **spec):
    return {
        "apiVersion": f"{group(shop)}/v1", "kind": "Basket", "metadata": {"name": name}, "spec": spec,
    }  # fmt: skip


@pytest.fixture
async def shop(shop, kubectl):
    shop.declare(prune={"protect": []}, validate=[])
    yield shop
    kubectl("delete", "crd", f"baskets.{group(shop)}", "--ignore-not-found")


def changes_by_name(plan):
    return {change.ref.name: change for change in plan.changes}


@pytest.mark.parametrize("case", WRONG)
async def test_an_object_that_does_not_fit_its_new_crd_is_refused_before_any_write(
    shop, make, case
):
    spec, path, words = WRONG[case]
    shop.write(crd(shop, make), basket(shop, **spec))

    with pytest.raises(InvalidManifests) as caught:
        await shop.rollout()

    (problem,) = caught.value.problems
    assert problem.path == path
    assert words in problem.message
    assert await shop.get("CustomResourceDefinition", f"baskets.{group(shop)}") is None


async def test_an_object_of_a_new_crd_is_shown_as_created_with_what_is_left_open(shop, make):
    rule = {"rule": "self.size > 0"}
    shop.write(crd(shop, make, {**SPEC, "x-kubernetes-validations": [rule]}), basket(shop, size=1))

    change = changes_by_name(await shop.plan())["a"]

    assert change.operation == "create"
    assert change.prediction is Prediction.SIMULATED
    told = " ".join(change.notes)
    assert "admission" in told
    assert "1 CEL rule" in told
    assert "spec.color: 'red'" in told


async def test_a_crd_and_its_object_are_applied_in_one_run_with_one_more_dry_run(shop, make):
    shop.write(crd(shop, make), basket(shop, size=1))

    report = await shop.rollout()

    assert report.outcome is Outcome.SUCCEEDED, report.message
    assert report.calls["dry-run"] == 1 + 1  # the CRD when planned, its object before its apply
    assert (await shop.plan()).is_done


async def test_a_rule_that_only_the_server_knows_fails_the_object_before_its_apply(shop, make):
    rule = {"rule": "self.size > 5", "message": "too small"}
    shop.write(crd(shop, make, {**SPEC, "x-kubernetes-validations": [rule]}), basket(shop, size=1))

    report = await shop.rollout()

    assert report.outcome is Outcome.FAILED
    (failure,) = report.failures
    assert failure.ref.name == "a"
    assert "could only simulate" in failure.message
    assert "too small" in failure.message


async def test_an_object_is_checked_against_the_changed_schema_of_its_crd(shop, make):
    shop.write(crd(shop, make), basket(shop, size=1), basket(shop, "b", size=1))
    await shop.rollout()
    wider = {**SPEC, "properties": {**SPEC["properties"], "weight": {"type": "integer"}}}
    shop.write(crd(shop, make, wider), basket(shop, size=1, weight=2))

    plan = await shop.plan()
    report = await shop.rollout()

    assert report.outcome is Outcome.SUCCEEDED, report.message
    found = changes_by_name(plan)
    assert found["a"].prediction is Prediction.SIMULATED
    assert found["b"].operation == "keep"


async def test_a_mistake_against_the_changed_schema_is_found(shop, make):
    shop.write(crd(shop, make), basket(shop, size=1))
    await shop.rollout()
    wider = {**SPEC, "properties": {**SPEC["properties"], "weight": {"type": "integer"}}}
    shop.write(crd(shop, make, wider), basket(shop, size=1, weight="heavy"))

    with pytest.raises(InvalidManifests) as caught:
        await shop.rollout()

    assert [problem.path for problem in caught.value.problems] == ["spec.weight"]


async def test_an_object_of_a_built_in_kind_in_a_new_namespace_is_checked(shop, make):
    namespace = f"{shop.name}-new"
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    wrong = make.config("settings", namespace)
    wrong["dota"] = {}
    shop.write(space, wrong)

    with pytest.raises(InvalidManifests) as caught:
        await shop.rollout()

    assert "dota" in caught.value.problems[0].path


async def test_a_namespace_and_its_objects_are_applied_in_one_run(shop, make):
    namespace = f"{shop.name}-new"
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    secret = {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": namespace},
        "stringData": {"password": "correct horse"},
    }  # fmt: skip
    web_server = make.deployment("web")
    web_server["metadata"]["namespace"] = namespace
    limits = {"cpu": "1000m", "memory": "1024Mi"}
    web_server["spec"]["template"]["spec"]["containers"][0]["resources"] = {"limits": limits}
    shop.write(space, make.config("settings", namespace), secret, web_server)

    plan = await shop.plan()
    report = await shop.rollout()
    await shop.remove()

    assert report.outcome is Outcome.SUCCEEDED, report.message
    notes = changes_by_name(plan)["settings"].notes
    assert "quotas" in " ".join(notes)
    assert report.calls["dry-run"] == 1 + 3


async def test_a_live_custom_kind_in_a_new_namespace_is_checked_against_its_live_schema(
    shop, make, kubectl
):
    kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(crd(shop, make)))
    kubectl("wait", "--for=condition=Established", f"crd/baskets.{group(shop)}")
    namespace = f"{shop.name}-new"
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    wrong = basket(shop, size=99)
    wrong["metadata"]["namespace"] = namespace
    shop.write(space, wrong)

    with pytest.raises(InvalidManifests) as caught:
        await shop.rollout()

    assert [problem.path for problem in caught.value.problems] == ["spec.size"]


async def test_a_kind_of_an_api_service_of_the_plan_is_created_unchecked(shop, make):
    name = f"shelf-{shop.name}"
    service = {
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": f"v1.{name}.example.com"},
        "spec": {
            "group": f"{name}.example.com", "version": "v1",
            "groupPriorityMinimum": 100, "versionPriority": 100,
        },
    }  # fmt: skip
    shelf = {
        "apiVersion": f"{name}.example.com/v1", "kind": "Shelf",
        "metadata": {"name": "top", "namespace": shop.name}, "spec": {"any": "thing"},
    }  # fmt: skip
    shop.write(service, shelf)

    change = changes_by_name(await shop.plan())["top"]

    assert change.operation == "create"
    assert any("nothing could be checked" in note for note in change.notes)


# ---------------------------------------------------------------- definitions


async def approved(shop):
    """Roll out as somebody who looked at the plan and said yes to it."""
    plan = await shop.plan()
    return await shop.rollout(approved=plan.id)


async def test_a_stored_version_and_the_scope_can_never_be_taken_back(shop, make):
    shop.write(crd(shop, make))
    await shop.rollout()
    body = crd(shop, make, scope="Cluster")
    body["spec"]["versions"][0]["name"] = "v2"
    shop.write(body)

    plan = await shop.plan()
    with pytest.raises(GuardRefused) as caught:
        await approved(shop)

    assert caught.value.exit_code == 4
    (guard,) = [one for one in plan.breached if one.id == "AP-70" and not one.is_waivable]
    assert "version v1 is removed" in guard.message
    assert "scope changes" in guard.message


async def test_a_stricter_schema_needs_an_approval_and_passes_with_it(shop, make):
    shop.write(crd(shop, make))
    await shop.rollout()
    fields = {**SPEC["properties"], "size": {"type": "integer", "maximum": 5}}
    shop.write(crd(shop, make, {**SPEC, "properties": fields}))

    with pytest.raises(Refused, match="maximum changes from 10 to 5"):
        await shop.rollout()
    report = await approved(shop)

    assert report.outcome is Outcome.SUCCEEDED


def command_line(shop, *options):
    """Roll out as a script does: nobody can be asked."""
    command = [sys.executable, "-m", "rollwright", "rollout", str(shop.folder), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    return done.returncode, done.stdout + done.stderr


async def test_the_command_line_lets_it_pass_with_yes(shop, make):
    shop.write(crd(shop, make))
    await shop.rollout()
    fields = {**SPEC["properties"], "size": {"type": "integer", "maximum": 5}}
    shop.write(crd(shop, make, {**SPEC, "properties": fields}))

    refused, told = await asyncio.to_thread(command_line, shop)
    passed, shown = await asyncio.to_thread(command_line, shop, "--yes")

    assert (refused, passed) == (4, 0), told + shown
    assert "needs an approval" in told
    assert "maximum changes from 10 to 5" in shown


async def test_a_version_that_somebody_uses_needs_an_approval_to_go(shop, make, kubectl):
    body = crd(shop, make)
    old = {**body["spec"]["versions"][0], "name": "v1beta1", "storage": False}
    body["spec"]["versions"].append(old)
    shop.write(body)
    await shop.rollout()
    used = {**basket(shop, size=1), "apiVersion": f"{group(shop)}/v1beta1"}
    kubectl("-n", shop.name, "apply", "--server-side", "-f", "-", stdin=json.dumps(used))
    shop.write(crd(shop, make))

    with pytest.raises(Refused, match="v1beta1 is not served any more, and is in use"):
        await shop.rollout()


# ---------------------------------------------------------------- spellings and rehearsals


def odd_objects(namespace):
    """Objects in spellings that the server changes, and that mean the same."""

    def of(api_version, kind, name, **content):
        metadata = {"name": name, "namespace": namespace}
        return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}

    template = {
        "metadata": {"labels": {"app": "x"}, "creationTimestamp": None},
        "spec": {
            "restartPolicy": "Never",
            "hostNetwork": False,
            "containers": [{
                "name": "main", "image": "shop/x:1", "args": [], "env": [{"name": "A", "value": ""}],
                "resources": {"requests": {"cpu": 0.5, "memory": "1024Mi"}, "limits": {"cpu": 1}},
                "ports": [{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}],
            }],
        },
    }  # fmt: skip
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "resourceNames": []}]
    amount = {"type": "Container", "default": {"cpu": "1000m", "memory": 1073741824}}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"}
    path = {"path": "/", "pathType": "Prefix",
            "backend": {"service": {"name": "x", "port": {"number": 80}}}}  # fmt: skip
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Mi"}}}
    return (
        of("v1", "Service", "x", spec={
            "ports": [{"port": 80, "nodePort": 0}], "clusterIP": "", "selector": {"app": "x"}}),
        of("batch/v1", "CronJob", "x", spec={
            "schedule": "0 0 1 1 *", "suspend": True,
            "jobTemplate": {"spec": {"template": template}}}),
        of("rbac.authorization.k8s.io/v1", "Role", "r", rules=rules),
        of("rbac.authorization.k8s.io/v1", "RoleBinding", "r", roleRef=role, subjects=[
            {"kind": "ServiceAccount", "name": "default", "apiGroup": ""}]),
        of("v1", "LimitRange", "x", spec={"limits": [amount]}),
        of("v1", "ResourceQuota", "x", spec={"hard": {"requests.cpu": 4, "limits.cpu": "8000m"}}),
        of("v1", "ServiceAccount", "x", automountServiceAccountToken=False, secrets=[]),
        of("autoscaling/v2", "HorizontalPodAutoscaler", "x", spec={
            "maxReplicas": 2, "scaleTargetRef": target, "metrics": []}),
        of("networking.k8s.io/v1", "NetworkPolicy", "x", spec={
            "podSelector": {}, "ingress": [], "policyTypes": ["Ingress"]}),
        of("networking.k8s.io/v1", "Ingress", "x", spec={
            "rules": [{"host": "", "http": {"paths": [path]}}], "tls": []}),
        of("policy/v1", "PodDisruptionBudget", "x", spec={
            "minAvailable": "50%", "selector": {"matchLabels": {"app": "x"}}}),
        of("v1", "PersistentVolumeClaim", "x", spec=claim),
        of("v1", "ConfigMap", "x", data={}, binaryData={"a": "YWJj\n"}),
        of("v1", "Secret", "x", data={"a": "YWJj\n"}, stringData={"b": "c"}),
        of("coordination.k8s.io/v1", "Lease", "x", spec={
            "holderIdentity": "x", "renewTime": "2025-01-01T00:00:00.000000Z"}),
        of("discovery.k8s.io/v1", "EndpointSlice", "x", addressType="IPv4", endpoints=[
            {"addresses": ["10.0.0.1"], "conditions": {"ready": True}}], ports=[{"port": 80}]),
        {"apiVersion": "v1", "kind": "PodTemplate",
         "metadata": {"name": "x", "namespace": namespace}, "template": template},
    )  # fmt: skip


async def test_spellings_that_the_server_changes_contradict_nothing(shop, kubectl):
    namespace = f"{shop.name}-new"
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    odd = odd_objects(namespace)
    for body in odd:
        body["metadata"]["annotations"] = {"rollwright.dev/health": "ignore"}
    shop.declare(prune={"protect": []})
    shop.write(space, *odd)

    report = await shop.rollout()
    await shop.remove()

    assert [failure.message for failure in report.failures] == []
    assert report.outcome is Outcome.SUCCEEDED


async def test_a_rehearsal_in_another_namespace_finds_what_a_schema_cannot(shop, make):
    namespace = f"{shop.name}-new"
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    shop.declare(prune={"protect": []}, apply={"simulateIn": shop.name})
    service = make.service("web", clusterIP="1.2.3")
    service["metadata"]["namespace"] = namespace
    shop.write(space, service)

    with pytest.raises(InvalidManifests) as caught:
        await shop.plan()

    assert "spec.clusterIP" in caught.value.message


async def test_a_rehearsal_passes_beside_an_object_of_the_same_name(shop, make, kubectl):
    namespace = f"{shop.name}-new"
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    kubectl("-n", shop.name, "create", "configmap", "settings", "--from-literal=key=theirs")
    shop.declare(prune={"protect": []}, apply={"simulateIn": shop.name})
    shop.write(space, make.config("settings", namespace))

    change = changes_by_name(await shop.plan())["settings"]

    assert change.operation == "create"
    assert "simulateIn" in change.notes[0]


async def test_a_namespace_for_rehearsals_must_exist(shop, make):
    namespace = f"{shop.name}-new"
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    shop.declare(apply={"simulateIn": "nowhere-at-all"})
    shop.write(space, make.config("settings", namespace))

    with pytest.raises(InvalidSpec, match="nowhere-at-all"):
        await shop.plan()
