"""What is put into a fresh cluster, and how one knows that it is ready.

Nodes are created with a complete, Ready status, as a kubelet registers itself, so pods can be
scheduled at once. A MutatingAdmissionPolicy gives pods of behavior ``unschedulable`` a node
selector that no node matches.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from rollwright.sandbox.components import HOST
from rollwright.sandbox.places import Layout
from rollwright.sandbox.versions import BEHAVIOR_LABEL

Json = dict[str, Any]

NODE_CAPACITY = {"cpu": "32", "memory": "256Gi", "pods": "1000", "ephemeral-storage": "1Ti"}
UNSCHEDULABLE = "unschedulable"
UNSCHEDULABLE_SELECTOR = "sandbox.rollwright.dev/unschedulable"
POLICY_NAME = "sandbox-unschedulable"

_CONDITIONS = (
    ("Ready", "True", "KubeletReady", "kwok plays this node"),
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", ""),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", ""),
    ("PIDPressure", "False", "KubeletHasSufficientPID", ""),
)
_TIMEOUT = timedelta(seconds=5)


class Api:
    """The least client that can set a cluster up: one connection, JSON, no retries."""

    def __init__(self, layout: Layout, port: int) -> None:
        context = ssl.create_default_context(cafile=str(layout.pki("ca.crt")))
        context.load_cert_chain(layout.pki("admin.crt"), layout.pki("admin.key"))
        self._connection = http.client.HTTPSConnection(
            HOST, port, timeout=_TIMEOUT.total_seconds(), context=context
        )

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Json | None:
        """Return the answer, ``{}`` for a text, ``None`` when there is none or it is an error."""
        payload = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json", "User-Agent": "rollwright-sandbox/1"}
        try:
            self._connection.request(method, path, payload, headers)
            response = self._connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException):
            self.close()
            return None
        if response.status >= http.client.BAD_REQUEST:
            return None
        is_json = response.getheader("Content-Type", "").startswith("application/json")
        answer: Json = json.loads(text) if is_json else {}
        return answer

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        self._connection.close()


def is_answering(api: Api) -> bool:
    """Whether the API server serves requests, though not yet everything."""
    return api.call("GET", "/livez/ping") is not None


def is_healthy(api: Api) -> bool:
    """Whether the API server has finished its own start."""
    return api.call("GET", "/healthz") is not None


def create(api: Api, path: str, body: Json) -> bool:
    """Create one object; say whether it is there now."""
    created = api.call("POST", path, body) is not None
    return created or api.call("GET", f"{path}/{body['metadata']['name']}") is not None


def objects(nodes: int, version: str, kubelet_port: int) -> list[tuple[str, Json]]:
    """Return what a fresh cluster gets, with the path of each one's collection."""
    policies = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies"
    bindings = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings"
    now = datetime.now(UTC)
    names = (f"sandbox-{index}" for index in range(nodes))
    return [
        (policies, unschedulable_policy()),
        (bindings, unschedulable_binding()),
        *(("/api/v1/nodes", node(name, version, kubelet_port, now)) for name in names),
    ]


def is_ready(api: Api) -> bool:
    """Whether a pod created now would be admitted, scheduled and run.

    The probe is a dry run: it passes when the default ServiceAccount exists (so the controller
    manager works), and shows whether the policy is in force.
    """
    if api.call("GET", "/readyz") is None:
        return False
    path = "/api/v1/namespaces/default/pods?dryRun=All"
    admitted = api.call("POST", path, _probe_pod())
    return bool(admitted and UNSCHEDULABLE_SELECTOR in admitted["spec"].get("nodeSelector", {}))


def node(name: str, version: str, kubelet_port: int, now: datetime) -> Json:
    """Return a node as a kubelet would register it."""
    since = now.isoformat(timespec="seconds").replace("+00:00", "Z")
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": name,
                "type": "kwok",
            },
            "annotations": {"kwok.x-k8s.io/node": "fake"},
        },
        "status": {
            "capacity": NODE_CAPACITY,
            "allocatable": NODE_CAPACITY,
            "addresses": [
                {"type": "InternalIP", "address": HOST},
                {"type": "Hostname", "address": name},
            ],
            "conditions": [
                {
                    "type": kind,
                    "status": value,
                    "reason": reason,
                    "message": message,
                    "lastHeartbeatTime": since,
                    "lastTransitionTime": since,
                }
                for kind, value, reason, message in _CONDITIONS
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet_port}},
            "nodeInfo": _node_info(version),
        },
    }


def unschedulable_policy() -> Json:
    """Return the policy that keeps pods of behavior ``unschedulable`` off every node."""
    # NB: nodeSelector is an atomic map, which an ApplyConfiguration may not touch.
    key = f'"{UNSCHEDULABLE_SELECTOR}"'
    expression = (
        "has(object.spec.nodeSelector)"
        f' ? [JSONPatch{{op: "add", path: "/spec/nodeSelector/" + jsonpatch.escapeKey({key}),'
        ' value: "true"}]'
        f' : [JSONPatch{{op: "add", path: "/spec/nodeSelector", value: {{{key}: "true"}}}}]'
    )
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": POLICY_NAME},
        "spec": {
            "failurePolicy": "Ignore",
            "reinvocationPolicy": "Never",
            "matchConstraints": {
                "objectSelector": {"matchLabels": {BEHAVIOR_LABEL: UNSCHEDULABLE}},
                "resourceRules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE"],
                        "resources": ["pods"],
                    }
                ],
            },
            "mutations": [
                {"patchType": "JSONPatch", "jsonPatch": {"expression": expression}},
            ],
        },
    }


def unschedulable_binding() -> Json:
    """Return what puts the policy in force."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": POLICY_NAME},
        "spec": {"policyName": POLICY_NAME},
    }


def _node_info(version: str) -> Json:
    return {
        "architecture": "amd64",
        "bootID": "",
        "containerRuntimeVersion": "kwok://none",
        "kernelVersion": "none",
        "kubeProxyVersion": "",
        "kubeletVersion": f"v{version}",
        "machineID": "",
        "operatingSystem": "linux",
        "osImage": "rollwright sandbox",
        "systemUUID": "",
    }


def _probe_pod() -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "sandbox-probe", "labels": {BEHAVIOR_LABEL: UNSCHEDULABLE}},
        "spec": {"containers": [{"name": "probe", "image": "probe"}]},
    }
