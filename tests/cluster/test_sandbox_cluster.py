"""What makes the sandbox an ordinary cluster: nodes, tokens, RBAC, controllers, etcd."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from datetime import timedelta

import pytest

from rollwright.sandbox.processes import wait_until

pytest_plugins = ["rollwright.testing.sandbox"]
pytestmark = pytest.mark.cluster

PATIENCE = timedelta(seconds=60)


def read(kubectl, *arguments):
    return json.loads(kubectl(*arguments, "-o", "json"))


def get(sandbox, path, *, token=None, certificate=None):
    """Ask the API server as somebody; return the HTTP status."""
    context = ssl.create_default_context(cafile=str(sandbox.folder / "pki" / "ca.crt"))
    if certificate:
        context.load_cert_chain(*certificate)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = sandbox.server + path
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  (ours, and https)
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    try:
        with opener.open(request, timeout=30) as response:
            return response.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_all_nodes_are_ready(kubectl):
    nodes = read(kubectl, "get", "nodes")["items"]

    ready = {
        node["metadata"]["name"]
        for node in nodes
        for entry in node["status"]["conditions"]
        if entry["type"] == "Ready" and entry["status"] == "True"
    }
    assert {"sandbox-0", "sandbox-1", "sandbox-2"} <= ready


def test_no_node_repels_pods(kubectl):
    nodes = read(kubectl, "get", "nodes")["items"]

    assert [node["spec"].get("taints") for node in nodes] == [None] * len(nodes)


def test_a_node_that_somebody_adds_is_played_too(kubectl, namespace):
    name = f"extra-{namespace[-8:]}"
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
    kubectl("create", "-f", "-", stdin=json.dumps(body))

    kubectl("wait", "--for=condition=Ready", f"node/{name}", "--timeout=60s")
    kubectl("delete", "node", name)


def test_the_version_is_the_pinned_one(sandbox, kubectl):
    server = json.loads(kubectl("version", "-o", "json"))["serverVersion"]

    assert server["gitVersion"] == f"v{sandbox.version}"
    assert (server["major"], server["minor"]) == tuple(sandbox.version.split(".")[:2])


def test_a_service_account_token_is_accepted(sandbox, kubectl, namespace):
    token = kubectl("-n", namespace, "create", "token", "default").strip()

    assert get(sandbox, f"/api/v1/namespaces/{namespace}/pods", token=token) == 403


def test_rbac_decides_what_a_service_account_may_do(sandbox, kubectl, namespace):
    kubectl("-n", namespace, "create", "serviceaccount", "reader")
    kubectl("-n", namespace, "create", "role", "reader", "--verb=list", "--resource=pods")
    account = f"--serviceaccount={namespace}:reader"
    kubectl("-n", namespace, "create", "rolebinding", "reader", "--role=reader", account)
    token = kubectl("-n", namespace, "create", "token", "reader").strip()
    pods, secrets = (f"/api/v1/namespaces/{namespace}/{kind}" for kind in ("pods", "secrets"))

    assert wait_until(lambda: get(sandbox, pods, token=token) == 200, PATIENCE)
    assert get(sandbox, secrets, token=token) == 403


def test_nobody_gets_in_without_credentials(sandbox):
    assert get(sandbox, "/api/v1/namespaces") in {401, 403}


def test_a_wrong_token_is_refused(sandbox):
    assert get(sandbox, "/api/v1/namespaces", token="wrong") == 401


def test_pods_get_a_token_volume_and_the_authority(kubectl, namespace):
    kubectl("-n", namespace, "run", "p", "--image=x")

    pod = read(kubectl, "-n", namespace, "get", "pod", "p")
    sources = [volume.get("projected") for volume in pod["spec"]["volumes"]]
    assert any(sources)
    kubectl("-n", namespace, "wait", "--for=create", "configmap/kube-root-ca.crt", "--timeout=60s")


def test_owned_objects_are_garbage_collected(kubectl, namespace):
    kubectl("-n", namespace, "create", "deployment", "web", "--image=x")
    kubectl("-n", namespace, "wait", "--for=condition=Available", "deploy/web", "--timeout=60s")

    kubectl("-n", namespace, "delete", "deployment", "web", "--cascade=foreground")

    assert read(kubectl, "-n", namespace, "get", "replicasets,pods")["items"] == []


def test_a_namespace_goes_with_all_that_is_in_it(kubectl, namespace):
    name = f"gone-{namespace[-8:]}"
    kubectl("create", "namespace", name)
    kubectl("-n", name, "create", "configmap", "a")

    kubectl("delete", "namespace", name, "--timeout=60s")


def test_an_api_service_can_name_a_server_on_this_machine(kubectl, namespace):
    group = f"{namespace[-8:]}.example.com"
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "extension", "namespace": namespace},
        "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": 9}]},
    }
    registration = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": f"v1.{group}"},
        "spec": {
            "group": group,
            "version": "v1",
            "groupPriorityMinimum": 1000,
            "versionPriority": 10,
            "insecureSkipTLSVerify": True,
            "service": {"name": "extension", "namespace": namespace, "port": 9},
        },
    }
    kubectl("create", "-f", "-", stdin=json.dumps(service))
    kubectl("create", "-f", "-", stdin=json.dumps(registration))

    def reason():
        status = read(kubectl, "get", "apiservice", f"v1.{group}").get("status", {})
        return {entry["reason"] for entry in status.get("conditions", [])}

    was_tried = wait_until(lambda: "FailedDiscoveryCheck" in reason(), PATIENCE)
    kubectl("delete", "apiservice", f"v1.{group}")
    assert was_tried


def test_many_services_get_addresses(kubectl, namespace):
    names = [f"s{number}" for number in range(40)]
    bodies = [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"ports": [{"port": 80}]},
        }
        for name in names
    ]
    items = {"apiVersion": "v1", "kind": "List", "items": bodies}

    kubectl("create", "-f", "-", stdin=json.dumps(items))

    services = read(kubectl, "-n", namespace, "get", "services")["items"]
    assert len({service["spec"]["clusterIP"] for service in services}) == 40


def test_etcd_answers_its_client_only(sandbox):
    def version(certificate):
        context = ssl.create_default_context(cafile=str(sandbox.etcd.ca))
        if certificate:
            context.load_cert_chain(*certificate)
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        with opener.open(sandbox.etcd.endpoint + "/version", timeout=30) as response:
            return json.loads(response.read())["etcdserver"]

    assert version((sandbox.etcd.certificate, sandbox.etcd.key)).startswith("3.")
    with pytest.raises((urllib.error.URLError, OSError)):
        version(None)
