"""Which other objects an object names."""

from __future__ import annotations

from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import pytest

from rollwright.rollouts.pruning.mentions import bound_by, selects, sends_to, used_by_pods

w = SimpleNamespace(**run_path(str(Path(__file__).parents[2] / "world.py")))


def a_workload(kind="Deployment", version="apps/v1", **spec):
    return w.a_body(kind, "web", "shop", version, spec={"template": {"spec": spec}})


def names(refs):
    return sorted(f"{ref.kind}/{ref.namespace}/{ref.name}" for ref in refs)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"volumes": [{"configMap": {"name": "a"}}]}, "ConfigMap"),
        ({"volumes": [{"secret": {"secretName": "a"}}]}, "Secret"),
        ({"volumes": [{"persistentVolumeClaim": {"claimName": "a"}}]}, "PersistentVolumeClaim"),
        ({"volumes": [{"projected": {"sources": [{"configMap": {"name": "a"}}]}}]}, "ConfigMap"),
        ({"volumes": [{"projected": {"sources": [{"secret": {"name": "a"}}]}}]}, "Secret"),
        ({"containers": [{"envFrom": [{"secretRef": {"name": "a"}}]}]}, "Secret"),
        ({"containers": [{"envFrom": [{"configMapRef": {"name": "a"}}]}]}, "ConfigMap"),
        (
            {"initContainers": [{"env": [{"valueFrom": {"configMapKeyRef": {"name": "a"}}}]}]},
            "ConfigMap",
        ),
        ({"serviceAccountName": "a"}, "ServiceAccount"),
        ({"imagePullSecrets": [{"name": "a"}]}, "Secret"),
    ],
)
def test_what_pods_use_is_found(spec, expected):
    assert names(used_by_pods(a_workload(**spec))) == [f"{expected}/shop/a"]


@pytest.mark.parametrize(
    "spec",
    [
        {"volumes": [{"configMap": {"name": "a", "optional": True}}]},
        {"containers": [{"envFrom": [{"secretRef": {"name": "a", "optional": True}}]}]},
        {"imagePullSecrets": [{"name": "a"}]},
    ],
)
def test_what_pods_can_start_without_is_told_apart(spec):
    assert used_by_pods(a_workload(**spec), with_optional=False) == frozenset()


def test_the_pods_of_a_cron_job_are_found():
    inner = {"spec": {"template": {"spec": {"serviceAccountName": "a"}}}}
    body = w.a_body("CronJob", "web", "shop", "batch/v1", spec={"jobTemplate": inner})

    assert names(used_by_pods(body)) == ["ServiceAccount/shop/a"]


@pytest.mark.parametrize(
    "body", [w.a_config(), a_workload(volumes="odd"), a_workload(containers=[1])]
)
def test_other_shapes_use_nothing(body):
    assert used_by_pods(body) == frozenset()


def test_a_route_may_point_into_another_namespace():
    rules = [{"backendRefs": [{"name": "a", "namespace": "other"}, {"name": "b"}]}]
    body = w.a_body("HTTPRoute", "r", "shop", "gateway.networking.k8s.io/v1", spec={"rules": rules})

    assert names(sends_to(body)) == ["Service/other/a", "Service/shop/b"]


def test_a_webhook_points_to_its_service():
    hook = {"clientConfig": {"service": {"namespace": "shop", "name": "a"}}}
    body = w.a_body(
        "ValidatingWebhookConfiguration",
        "v",
        "",
        "admissionregistration.k8s.io/v1",
        webhooks=[hook],
    )

    assert names(sends_to(body)) == ["Service/shop/a"]


def test_a_binding_ties_role_and_accounts():
    body = w.a_body(
        "RoleBinding", "b", "shop", "rbac.authorization.k8s.io/v1",
        roleRef={"kind": "ClusterRole", "name": "r"},
        subjects=[{"kind": "ServiceAccount", "name": "a"}, {"kind": "User", "name": "u"}],
    )  # fmt: skip

    assert names(bound_by(body)) == ["ClusterRole//r", "ServiceAccount/shop/a"]


@pytest.mark.parametrize(
    ("selector", "expected"), [({"app": "web"}, True), ({"app": "other"}, False), ({}, False)]
)
def test_a_service_selects_by_labels(selector, expected):
    template = {"metadata": {"labels": {"app": "web", "x": "y"}}}
    workload = w.a_body("Deployment", "web", "shop", "apps/v1", spec={"template": template})
    service = w.a_body("Service", "web", "shop", spec={"selector": selector})

    assert selects(service, workload) is expected
