"""The older system's example of a custom resource, carried out as a person does it.

Files in a folder, ``rollwright listen`` as a process, and kubectl; nothing else.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

INPUTS = Path(__file__).parents[1] / "older" / "inputs" / "jsonnet-with-crd-as-config"
GROUP = "Deploy grafana"
FREE = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
SITE = """
[rollouts]
paths = ["."]
[stores.default]
use = "cluster"
with.namespace = "NAMESPACE"
[locks.default]
use = "lease"
with.namespace = "NAMESPACE"
"""


class Person:
    """Who has the example in a folder, and kubectl."""

    def __init__(self, folder, namespace, kubeconfig, *, scope="Namespaced"):
        self.folder, self.namespace, self.scope = folder, namespace, scope
        self.environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
        self.group = f"older-{uuid4().hex[:8]}.example.com"
        self.kind = f"grafanas.{self.group}"
        self.listener: Any = None

    def write(self, **more):
        """Copy the example, and say in a document of ours what the flags said."""
        shutil.copytree(INPUTS, self.folder / "jsonnet", dirs_exist_ok=True)
        for name in ("declared.yaml", "grafana.yaml", "crd.yaml"):
            (self.folder / "jsonnet" / name).unlink()
        config = (self.folder / "jsonnet" / "config.yaml").read_text()
        config = config.replace("monitoring.coreos.com", self.group)
        (self.folder / "jsonnet" / "config.yaml").write_text(config)
        (self.folder / "site.toml").write_text(SITE.replace("NAMESPACE", self.namespace))
        options = {"file": "jsonnet/config.yaml", "debounce": "50ms", **more}
        document = {
            "apiVersion": "rollwright.dev/v1alpha1", "kind": "Rollout", "metadata": {"name": "grafana"},
            "spec": {
                "source": {"path": "jsonnet"}, "render": {"use": "jsonnet"},
                "target": {"namespace": self.namespace},
                "triggers": [{"use": "resource", "with": options}],
            },
        }  # fmt: skip
        (self.folder / "rollout.yaml").write_text(json.dumps(document))

    async def kubectl(self, *words, text=None, is_good=True):
        process = await asyncio.create_subprocess_exec(
            "kubectl", *words, env=self.environment, stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate(text.encode() if text else None)
        assert not is_good or process.returncode == 0, err.decode()
        return out.decode()

    async def define(self):
        """Create the definition, in the version that servers still take."""
        schema = {"type": "object", "properties": {"spec": FREE, "status": FREE}}
        version = {
            "name": "v1", "served": True, "storage": True, "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": schema},
        }  # fmt: skip
        body = {
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": self.kind},
            "spec": {
                "group": self.group, "scope": self.scope, "versions": [version],
                "names": {"kind": "Grafana", "plural": "grafanas", "singular": "grafana"},
            },
        }  # fmt: skip
        await self.kubectl("apply", "-f", "-", text=json.dumps(body))
        await self.kubectl("wait", "--for=condition=Established", f"crd/{self.kind}")

    async def apply(self, name="main", *, namespace=None, **spec):
        place = {} if self.scope == "Cluster" else {"namespace": namespace or self.namespace}
        body = {
            "apiVersion": f"{self.group}/v1", "kind": "Grafana",
            "metadata": {"name": name, **place}, "spec": {"replicas": 2, **spec},
        }  # fmt: skip
        await self.kubectl("apply", "-f", "-", text=json.dumps(body))

    async def listen(self):
        self.listener = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "rollwright", "listen", cwd=self.folder, env=self.environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip

    def look_often(self):
        """Write the checks in the newer of the two older forms, which says how often to look."""
        file = self.folder / "jsonnet" / "rollout.jsonnet"
        text = file.read_text().replace(
            "fieldComparisons: [", "fieldComparisons: { pollInterval: '100ms', expectedValues: ["
        )
        file.write_text(text.replace("          ],\n        }],", "          ] },\n        }],"))

    async def heard(self, words):
        """Read what the listener says until it says something."""
        async with asyncio.timeout(120):
            while words not in (line := (await self.listener.stdout.readline()).decode()):
                assert line, "it ended"

    async def stop(self):
        """End the listener; return what it said."""
        if self.listener is None:
            return ""
        if self.listener.returncode is None:
            self.listener.send_signal(signal.SIGINT)
        said = (await self.listener.communicate())[0].decode()
        self.listener = None
        return said

    async def get(self, what, name, *, namespace=None):
        words = ("get", what, name, "-n", namespace or self.namespace, "-o", "json")
        found = await self.kubectl(*words, "--ignore-not-found", is_good=False)
        return json.loads(found) if found.strip() else None

    async def deployment(self, name="main", **more):
        return await self.get("deployment", f"grafana-{name}", **more)

    async def until(self, is_so):
        async with asyncio.timeout(120):
            while not await is_so():
                await asyncio.sleep(0.1)

    async def until_group(self, state, name="main", *, generation=None, namespace=None):
        """Wait until the group has a state; return the whole status."""
        status: dict[str, Any] = {}

        async def is_so():
            nonlocal status
            live = await self.get(self.kind, name, namespace=namespace) or {"metadata": {}}
            status = live.get("status") or {}
            seen = status.get("observedGeneration")
            expected = generation or live["metadata"].get("generation")
            groups = {
                c["name"]: c["currentStatus"] for c in status.get("conditions", ()) if "name" in c
            }
            return groups == {GROUP: state} and seen == expected

        await self.until(is_so)
        return status

    async def until_no(self, what, name):
        async def is_so():
            return await self.get(what, name) is None

        await self.until(is_so)

    async def end(self):
        print(await self.stop())  # for whoever looks why it failed
        for one in json.loads(
            await self.kubectl("get", self.kind, "-A", "-o", "json", is_good=False)
            or '{"items": []}'
        )["items"]:
            words = [] if self.scope == "Cluster" else ["-n", one["metadata"]["namespace"]]
            name, patch = one["metadata"]["name"], '{"metadata": {"finalizers": null}}'
            await self.kubectl("patch", self.kind, name, *words, "--type=merge", "-p", patch)
        await self.kubectl("delete", "crd", self.kind, "--ignore-not-found", "--wait=false")


@pytest.fixture
async def person(sandbox, namespace, tmp_path, request):
    made = Person(
        tmp_path, namespace, sandbox.kubeconfig, scope=getattr(request, "param", "Namespaced")
    )
    made.write()
    try:
        yield made
    finally:
        await made.end()


def standard(status):
    return {one["type"]: one["status"] for one in status["conditions"] if "type" in one}


async def test_the_example_runs_from_its_definition_to_its_end(person):
    await person.listen()
    await person.heard("serves no such kind")
    await person.define()
    await person.apply(replicas=5)
    status = await person.until_group("Finished")
    person.look_often()
    resource, deployment = await person.get(person.kind, "main"), await person.deployment()
    (owner,) = deployment["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("Grafana", resource["metadata"]["uid"])
    assert deployment["spec"]["replicas"] == 5
    assert standard(status) == {
        "Ready": "True", "Reconciling": "False", "Stalled": "False", "Healthy": "True",
    }  # fmt: skip

    await person.apply(replicas=1)
    await person.until_group("Finished", generation=2)
    assert (await person.deployment())["spec"]["replicas"] == 1

    await person.kubectl("delete", "deployment", "grafana-main", "-n", person.namespace)

    async def is_back():
        found = await person.deployment()
        return found is not None and found["metadata"]["uid"] != deployment["metadata"]["uid"]

    await person.until(is_back)

    await person.apply(replicas=-1)
    failed = await person.until_group("Failed", generation=3)
    assert "must be greater than or equal to 0" in json.dumps(failed["conditions"][0])
    assert standard(failed)["Ready"] == "False"
    await person.apply("other")  # one that fails keeps no other
    await person.until_group("Finished", "other")
    await person.apply(replicas=1)
    await person.until_group("Finished", generation=4)

    await person.kubectl(
        "delete", person.kind, "main", "-n", person.namespace, "--cascade=foreground"
    )
    assert await person.deployment() is None

    said = await person.stop()
    assert "serves no such kind" not in said  # told when it is news, not at every look
    assert "unexpected" not in said


async def test_a_definition_may_go_and_come_back(person):
    person.write(finalizer=False)
    person.look_often()
    await person.define()
    await person.apply()
    await person.listen()
    await person.until_group("Finished")
    await person.kubectl("delete", "crd", person.kind, "--timeout=60s")
    await person.heard("nothing is left")
    await person.until_no("deployment", "grafana-main")

    await person.define()
    await person.apply("again")
    await person.until_group("Finished", "again")


@pytest.mark.parametrize("person", ["Cluster"], indirect=True)
async def test_resources_of_the_whole_cluster_are_rolled_out(person):
    person.look_often()
    main = person.folder / "jsonnet" / "main.jsonnet"
    space = f"namespace: '{person.namespace}'"
    main.write_text(
        main.read_text()
        .replace("namespace: grafana.metadata.namespace", space)
        .replace("replicas: grafana.spec.replicas", "replicas: LISTED")
        .replace("LISTED", "std.length(import 'rollwright-runtime/grafanas/list')")
    )
    config = person.folder / "jsonnet" / "config.yaml"
    config.write_text(config.read_text().replace("$1/$3", "$3"))
    await person.define()
    await person.apply()
    await person.apply("other")
    await person.listen()
    await person.until_group("Finished")
    await person.until_group("Finished", "other")
    deployment = await person.deployment()
    assert deployment["spec"]["replicas"] == 2
    await person.kubectl("delete", "deployment", "grafana-main", "-n", person.namespace)

    async def is_back():
        found = await person.deployment()
        return found is not None and found["metadata"]["uid"] != deployment["metadata"]["uid"]

    await person.until(is_back)
    await person.kubectl("delete", person.kind, "other")
    assert await person.deployment("other") is None


async def test_one_name_in_two_namespaces_is_two_rollouts(person):
    person.look_often()
    second = f"{person.namespace[:50]}-second"
    await person.kubectl("create", "namespace", second)
    try:
        await person.define()
        await person.apply()
        await person.apply(namespace=second, replicas=1)
        await person.listen()
        await person.until_group("Finished")
        await person.until_group("Finished", namespace=second)
        await person.kubectl("delete", person.kind, "main", "-n", person.namespace)

        assert await person.deployment() is None
        assert (await person.deployment(namespace=second))["spec"]["replicas"] == 1
    finally:
        await person.kubectl("delete", "namespace", second, "--wait=false")
