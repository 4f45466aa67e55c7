"""Transformers against the program they imitate: ``kubectl kustomize`` and ``kubectl patch``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rollwright.documents import dump_all, load_all
from rollwright.plugins.contracts import TransformRequest
from rollwright.plugins.kube_schemas import shape_of
from rollwright.plugins.registry import Registry
from rollwright.rollouts.manifest import Manifest, ManifestSet, Origin, ref_of
from rollwright.rollouts.strategic import strategic_merge

KUBECTL = shutil.which("kubectl")
pytestmark = pytest.mark.skipif(KUBECTL is None, reason="no kubectl on PATH")

POD = """
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
          - {topologyKey: host, labelSelector: {matchLabels: {app: web}}}
          preferredDuringSchedulingIgnoredDuringExecution:
          - {weight: 1, podAffinityTerm: {topologyKey: host, labelSelector: {matchLabels: {app: web}}}}
      topologySpreadConstraints:
      - {topologyKey: zone, maxSkew: 1, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: web}}}
      serviceAccountName: web
      priorityClassName: high
      imagePullSecrets: [{name: creds}, {name: elsewhere}]
      initContainers:
      - {name: init, image: 'nginx:1.0'}
      containers:
      - name: web
        image: registry:5000/nginx:1.0
        env:
        - {name: A, valueFrom: {configMapKeyRef: {name: conf, key: a}}}
        - {name: B, valueFrom: {secretKeyRef: {name: creds, key: b}}}
        - {name: C, value: conf}
        envFrom:
        - {configMapRef: {name: conf}}
        - {secretRef: {name: creds}}
        - {configMapRef: {name: unknown}}
      - {name: side, image: nginx}
      volumes:
      - {name: c, configMap: {name: conf}}
      - {name: s, secret: {secretName: creds}}
      - {name: p, persistentVolumeClaim: {claimName: data}}
      - name: x
        projected: {sources: [{configMap: {name: conf}}, {secret: {name: creds}}]}
"""

SET = f"""
apiVersion: v1
kind: Namespace
metadata: {{name: old}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: conf}}
---
apiVersion: v1
kind: Secret
metadata: {{name: creds}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {{name: web}}
imagePullSecrets: [{{name: creds}}]
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: data}}
spec: {{storageClassName: fast, accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {{name: fast}}
provisioner: none
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {{name: high}}
value: 1
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{selector: {{app: web}}, ports: [{{port: 80, protocol: TCP}}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, labels: {{app: web}}}}
spec:
  replicas: 1
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:{POD}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: db}}
spec:
  serviceName: web
  selector: {{matchLabels: {{app: db}}}}
  template:
    metadata: {{labels: {{app: db}}}}
    spec:{POD}
  volumeClaimTemplates:
  - metadata: {{name: disk}}
    spec: {{storageClassName: fast, accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {{name: nightly}}
spec:
  schedule: '0 0 * * *'
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers:
          - {{name: run, image: 'nginx@sha256:{"a" * 64}', envFrom: [{{configMapRef: {{name: conf}}}}]}}
---
apiVersion: batch/v1
kind: Job
metadata: {{name: once}}
spec: {{template: {{spec: {{restartPolicy: Never, containers: [{{name: run, image: 'nginx:1.0'}}]}}}}}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: web}}
spec: {{minAvailable: 1, selector: {{matchLabels: {{app: web}}}}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: web}}
spec:
  podSelector: {{matchLabels: {{app: web}}}}
  ingress: [{{from: [{{podSelector: {{matchLabels: {{app: web}}}}}}]}}]
  egress: [{{to: [{{podSelector: {{matchLabels: {{app: web}}}}}}, {{namespaceSelector: {{}}}}]}}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: web, annotations: {{nginx.ingress.kubernetes.io/auth-secret: creds}}}}
spec:
  tls: [{{secretName: creds}}]
  defaultBackend: {{service: {{name: web, port: {{number: 80}}}}}}
  rules: [{{http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: web, port: {{number: 80}}}}}}}}]}}}}]
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {{name: web}}
spec: {{maxReplicas: 3, scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: web}}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: reader}}
rules: [{{apiGroups: [''], resources: [configmaps], resourceNames: [conf, other], verbs: [get]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: reader}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}}
subjects:
- {{kind: ServiceAccount, name: web}}
- {{kind: ServiceAccount, name: default, namespace: older}}
- {{kind: ServiceAccount, name: stranger, namespace: elsewhere}}
- {{kind: User, name: somebody, apiGroup: rbac.authorization.k8s.io}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: all}}
rules: []
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: all}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: all}}
subjects:
- {{kind: ServiceAccount, name: web, namespace: default}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {{name: hook}}
webhooks:
- {{name: a.b.c, admissionReviewVersions: [v1], sideEffects: None, clientConfig: {{service: {{name: web, namespace: default}}}}}}
- {{name: d.b.c, admissionReviewVersions: [v1], sideEffects: None, clientConfig: {{service: {{name: stranger, namespace: elsewhere}}}}}}
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {{name: v1.b.c}}
spec: {{group: b.c, version: v1, groupPriorityMinimum: 1, versionPriority: 1, service: {{name: web, namespace: default}}}}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: things.b.c}}
spec:
  group: b.c
  scope: Namespaced
  names: {{kind: Thing, plural: things}}
  conversion: {{strategy: Webhook, webhook: {{conversionReviewVersions: [v1], clientConfig: {{service: {{name: outside, namespace: default}}}}}}}}
  versions: [{{name: v1, served: true, storage: true, schema: {{openAPIV3Schema: {{type: object}}}}}}]
---
apiVersion: b.c/v1
kind: Thing
metadata: {{name: one}}
spec: {{image: 'nginx:1.0', replicas: 1}}
"""


def manifests() -> ManifestSet:
    bodies = [one.value for one in load_all(SET.encode(), name="all.yaml")]
    return ManifestSet(
        tuple(
            Manifest(
                body=one, ref=ref_of(one), key=str(ref_of(one)), origin=Origin(file="all.yaml")
            )
            for one in bodies
        )
    )


def transformed(name: str, **options: Any) -> dict[str, Any]:
    plugin = Registry().build("transformers", name, options)
    request = TransformRequest(manifests=manifests(), namespace="default")
    return by_name([one.body for one in plugin.transform(request)])


def built(folder: Path, kustomization: dict[str, Any]) -> dict[str, Any]:
    bodies = [one.body for one in manifests()]
    (folder / "all.yaml").write_text(dump_all(bodies))
    (folder / "kustomization.yaml").write_text(
        dump_all([{"resources": ["all.yaml"], **kustomization}])
    )
    command = [str(KUBECTL), "kustomize", str(folder)]
    output = subprocess.run(command, capture_output=True, check=True).stdout
    return by_name([one.value for one in load_all(output, name="out")])


def by_name(bodies: list[Any]) -> dict[str, Any]:
    return {
        f"{one['kind']}/{one['metadata']['name']}": json.loads(json.dumps(one)) for one in bodies
    }


CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("namespace", {"namespace": "shop"}, {"namespace": "shop"}),
    ("names", {"prefix": "a-"}, {"namePrefix": "a-"}),
    ("names", {"suffix": "-b"}, {"nameSuffix": "-b"}),
    ("labels", {"labels": {"x": "y"}}, {"labels": [{"pairs": {"x": "y"}}]}),
    (
        "labels",
        {"labels": {"x": "y"}, "includeTemplates": True},
        {"labels": [{"pairs": {"x": "y"}, "includeTemplates": True}]},
    ),
    (
        "labels",
        {"labels": {"x": "y"}, "includeSelectors": True},
        {"labels": [{"pairs": {"x": "y"}, "includeSelectors": True}]},
    ),
    (
        "annotations",
        {"annotations": {"x": "y"}, "includeTemplates": True},
        {"commonAnnotations": {"x": "y"}},
    ),
    *(
        ("images", {"images": [{"name": "nginx", **one}]}, {"images": [{"name": "nginx", **one}]})
        for one in (
            {"newTag": "2"},
            {"newName": "mine/nginx"},
            {"digest": f"sha256:{'b' * 64}"},
            {"newName": "mine", "newTag": "v3"},
            {"newTag": "v3", "digest": f"sha256:{'c' * 64}"},
        )
    ),
    (
        "images",
        {"images": [{"name": "registry:5000/nginx", "newTag": "2"}]},
        {"images": [{"name": "registry:5000/nginx", "newTag": "2"}]},
    ),
    (
        "replicas",
        {"count": 4, "target": {"name": "web", "kind": "Deployment"}},
        {"replicas": [{"name": "web", "count": 4}]},
    ),
    (
        "replicas",
        {"count": 4, "target": {"name": "db"}},
        {"replicas": [{"name": "db", "count": 4}]},
    ),
    *(
        (
            "patch",
            {"patch": patch, "target": target, "type": "strategic"},
            {"patches": [{"patch": json.dumps({**KEPT, **patch}), "target": target}]},
        )
        for KEPT in ({"apiVersion": "v1", "kind": "X", "metadata": {"name": "x"}},)
        for target, patch in (
            (
                {"kind": "Deployment", "name": "web"},
                {
                    "spec": {
                        "template": {
                            "spec": {
                                "containers": [
                                    {
                                        "name": "web",
                                        "ports": [{"containerPort": 80, "protocol": "TCP"}],
                                    },
                                    {"name": "side", "$patch": "delete"},
                                ]
                            }
                        }
                    }
                },
            ),
            ({"kind": "ConfigMap"}, {"$patch": "delete"}),
        )
    ),
]


@pytest.mark.parametrize(("name", "options", "kustomization"), CASES)
def test_the_objects_are_those_of_kustomize(tmp_path, name, options, kustomization) -> None:
    ours, theirs = transformed(name, **options), built(tmp_path, kustomization)

    assert ours == theirs


DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "labels": {"a": "1", "b": "2"}, "finalizers": ["a/a", "b/b"]},
    "spec": {
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
        "selector": {"matchLabels": {"a": "1"}},
        "template": {
            "metadata": {"labels": {"a": "1"}},
            "spec": {
                "tolerations": [{"key": "a", "operator": "Exists"}],
                "nodeSelector": {"disk": "ssd"},
                "containers": [
                    {
                        "name": "web",
                        "image": "web:1",
                        "args": ["a", "b"],
                        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                        "ports": [{"containerPort": 80, "protocol": "TCP"}],
                    },
                    {"name": "side", "image": "side:1"},
                    {"name": "last", "image": "last:1"},
                ],
                "volumes": [{"name": "v", "emptyDir": {"medium": "Memory"}}],
            },
        },
    },
}


def in_pod(**spec: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": spec}}}


def in_container(**fields: Any) -> dict[str, Any]:
    return in_pod(containers=[{"name": "web", **fields}])


PATCHES: list[dict[str, Any]] = [
    {"metadata": {"labels": {"a": None, "c": "3"}}},
    {"metadata": {"labels": {"$patch": "replace", "c": "3"}}},
    {"metadata": {"labels": {"$patch": "delete"}}},
    {"metadata": {"finalizers": ["c/c", "a/a"]}},
    {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a/a"]}},
    {"metadata": {"$setElementOrder/finalizers": ["b/b", "a/a"]}},
    {"metadata": {"$setElementOrder/finalizers": ["c/c", "b/b", "a/a"], "finalizers": ["c/c"]}},
    {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}},
    {"spec": {"replicas": None, "paused": True}},
    in_container(image="web:2"),
    in_container(args=["c"]),
    in_container(env=[{"name": "B", "value": "3"}, {"name": "C", "value": "4"}]),
    in_container(env=[{"name": "A", "$patch": "delete"}]),
    in_container(env=[{"$patch": "replace"}, {"name": "Z", "value": "1"}]),
    in_container(env=[{"name": "A", "value": None, "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]),
    in_container(ports=[{"containerPort": 80, "name": "http"}, {"containerPort": 81}]),
    in_container(
        **{
            "$setElementOrder/env": [{"name": "B"}, {"name": "A"}],
            "env": [{"name": "B", "value": "9"}],
        }
    ),
    in_pod(containers=[{"name": "new", "image": "new:1"}]),
    in_pod(containers=[{"name": "new", "image": "new:1"}, {"name": "side", "image": "side:2"}]),
    in_pod(containers=[{"name": "last", "image": "l"}, {"name": "web", "image": "w"}]),
    in_pod(
        **{
            "$setElementOrder/containers": [{"name": "last"}, {"name": "web"}, {"name": "side"}],
            "containers": [{"name": "side", "image": "s"}],
        }
    ),
    in_pod(containers=[{"name": "side", "$patch": "delete"}, {"name": "web", "image": "w"}]),
    in_pod(containers=[{"$patch": "replace"}]),
    in_pod(tolerations=[{"key": "b", "operator": "Exists"}]),
    in_pod(nodeSelector={"disk": None, "zone": "a"}),
    in_pod(
        volumes=[{"name": "v", "$retainKeys": ["name", "configMap"], "configMap": {"name": "c"}}]
    ),
    in_pod(volumes=[{"name": "w", "emptyDir": {}}]),
    in_pod(securityContext={"runAsUser": 1, "fsGroup": None}),
    in_pod(
        initContainers=[{"name": "i", "image": "i", "env": [{"name": "A", "$patch": "delete"}]}]
    ),
    in_pod(containers=None),
    {"spec": {"template": {"$patch": "replace", "metadata": {"labels": {"a": "1"}}}}},
]


@pytest.mark.parametrize("patch", PATCHES, ids=json.dumps)
def test_a_strategic_merge_is_that_of_kubectl(tmp_path, patch) -> None:
    file = tmp_path / "web.json"
    file.write_text(json.dumps(DEPLOYMENT))
    command = [
        *(str(KUBECTL), "patch", "--local", "--type=strategic", "-f", str(file)),
        *("-p", json.dumps(patch), "-o", "json"),
    ]
    done = subprocess.run(
        command, capture_output=True, check=True, env={**os.environ, "KUBECONFIG": os.devnull}
    )

    ours = strategic_merge(DEPLOYMENT, patch, shape_of("apps/v1", "Deployment"))
    assert pruned(ours) == pruned(json.loads(done.stdout))


def pruned(value: Any) -> Any:
    """Leave out what Go's types print of nothing."""
    if isinstance(value, dict):
        kept = {key: pruned(one) for key, one in value.items() if key != "status"}
        return {key: one for key, one in kept.items() if one not in (None, {}, [])}
    return [pruned(one) for one in value] if isinstance(value, list) else value
