"""Faults against the real control plane: runs that are killed, answers that get lost.

``ROLLWRIGHT_FAULTS=all`` (``make faults``) tries all kill points; without it a sample.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from runpy import run_path

import pytest

from rollwright.testing.proxy import FaultProxy
from rollwright.testing.sandbox import namespace_name

HERE = Path(__file__).parent
Shop = run_path(str(HERE.parent / "cluster" / "conftest.py"))["Shop"]
Make = run_path(str(HERE.parent / "cluster" / "conftest.py"))["Make"]


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in Path(item.path).parents:
            item.add_marker(pytest.mark.cluster)


class Ended:
    """How a run in a process of its own ended."""

    def __init__(self, status, answer):
        self.was_killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        self.answer = answer

    @property
    def outcome(self):
        return self.answer.get("report", {}).get("outcome") or self.answer.get("error", "killed")

    @property
    def notes(self):
        return self.answer.get("notes", [])


class Runner:
    """Starts runs in processes that can be killed."""

    def __init__(self, process, folder):
        self._process, self._folder = process, folder
        self.pid = 0
        self._count = 0

    async def run(self, operation, folder, **more):
        """Carry a run out; ``pid`` is its process meanwhile."""
        self._count += 1
        answer = self._folder / f"answer-{self._count}.json"
        command = {"operation": operation, "folder": str(folder), "answer": str(answer), **more}
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        await self._process.stdin.drain()
        self.pid = int(await self._process.stdout.readline())
        status = int(await self._process.stdout.readline())
        self.pid = 0
        return Ended(status, json.loads(answer.read_text()) if answer.exists() else {})

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)


@asynccontextmanager
async def runner_in(folder):
    """Start the process that starts runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(HERE / "runner.py"),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield Runner(process, folder)
    finally:
        await asyncio.wait_for(process.communicate(b""), 60)


@pytest.fixture
async def runner(tmp_path):
    async with runner_in(tmp_path) as started:
        yield started


@pytest.fixture
async def second_runner(tmp_path):
    """Another process that starts runs."""
    folder = tmp_path / "second"
    folder.mkdir()
    async with runner_in(folder) as started:
        yield started


@pytest.fixture
async def proxy(sandbox):
    async with FaultProxy(sandbox.kubeconfig) as running:
        yield running


class Scene:
    """An application with two versions: what is kept, changed, added, dropped, created again."""

    def __init__(self, folder, namespace, kubeconfig, locks=None):
        self.shop = Shop(folder, namespace, kubeconfig)
        self.namespace = namespace
        self.shop.settle(locks=locks or {"use": "file", "path": str(folder / "locks")})
        self.declare()

    def declare(self, **spec):
        self.shop.declare(
            **{"apply": {"recreateImmutable": ["ConfigMap"]}, "health": {"timeout": "60s"}, **spec}
        )

    def first(self):
        self.shop.drop("")
        configs = [Make.config(name) for name in ("kept", "changed", "dropped-1", "dropped-2")]
        self.shop.write(*configs, self._fixed("1"), self._secret("one"))
        self.shop.write(Make.service("web"), Make.deployment("web"), self._account("web"))
        return self

    def second(self):
        self.shop.drop("")
        configs = [Make.config(name) for name in ("kept", "added-1", "added-2")]
        self.shop.write(*configs, Make.config("changed", key="other"), self._fixed("2"))
        self.shop.write(Make.service("web"), self._account("web"), self._secret("two"))
        container = {"name": "main", "image": "shop/web:2"}
        template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
        self.shop.write(Make.deployment("web", template=template))
        return self

    @staticmethod
    def _fixed(value):
        return {**Make.config("fixed", key=value), "immutable": True}

    @staticmethod
    def _secret(value):
        return {
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"},
            "stringData": {"password": value},
        }  # fmt: skip

    @staticmethod
    def _account(name):
        return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}


KINDS = "configmaps,secrets,services,serviceaccounts,deployments"


class Seen:
    """What is in a namespace: the objects as declared, the inventory, and what should not be."""

    def __init__(self, kubectl, scene, state):
        words = ("get", KINDS, "-n", scene.namespace, "-o", "json", "--show-managed-fields")
        everything = json.loads(kubectl(*words))["items"]
        marked = [one for one in everything if label_of(one, "rollwright.dev/rollout")]
        self.objects = {name_of(one): bare(one, scene.namespace) for one in marked}
        self.uids = {name_of(one): one["metadata"]["uid"] for one in marked}
        self.inventory = {} if state is None else {
            f"{entry.ref.kind}/{entry.ref.name}": entry.uid
            for entry in state.inventory
            if entry.ref.kind != "Namespace"
        }  # fmt: skip
        self.journal = state.journal if state else None
        self.others = sorted(
            part_of(one).replace(scene.namespace, "NAMESPACE")
            for one in everything
            if not label_of(one, "rollwright.dev/rollout")
        )


def label_of(body, name):
    return (body["metadata"].get("labels") or {}).get(name)


def name_of(body):
    return f"{body['kind']}/{body['metadata']['name']}"


def part_of(body):
    """Name an object of the store by its part: its own name may hold a digest."""
    part = label_of(body, "rollwright.dev/state-part")
    return f"{body['kind']}:{part}" if part else name_of(body)


def bare(body, namespace):
    """Return what was declared, and which of it is ours, comparable between namespaces."""
    managed = [
        entry["fieldsV1"]
        for entry in body["metadata"].get("managedFields", ())
        if entry["manager"] == "rollwright" and entry["operation"] == "Apply"
    ]
    kept = {key: body["metadata"].get(key) for key in ("labels", "annotations", "finalizers")}
    content = {key: value for key, value in body.items() if key not in {"metadata", "status"}}
    if content["kind"] == "Service":
        for key in ("clusterIP", "clusterIPs"):
            content["spec"].pop(key, None)
    text = json.dumps({"content": content, "metadata": kept, "ours": managed}, sort_keys=True)
    return re.sub(r"applyset-[\w-]{43}-v1", "SET", text.replace(namespace, "NAMESPACE"))


@pytest.fixture
def new_scene(tmp_path, proxy, kubectl):
    """Make the application in a namespace of its own, reached through the proxy."""
    made: list[str] = []

    def make(locks=None):
        folder = tmp_path / f"scene-{len(made)}"
        folder.mkdir()
        namespace = namespace_name("faults")
        kubectl("create", "namespace", namespace)
        made.append(namespace)
        through = proxy.write_kubeconfig(folder / "kubeconfig")
        place = {"namespace": namespace} if (locks or {}).get("use") == "lease" else {}
        return Scene(folder / "shop", namespace, through, locks and {**locks, **place})

    yield make
    if made:
        kubectl("delete", "namespace", *made, "--wait=false")


@pytest.fixture
def look(kubectl):
    async def look(scene):
        return Seen(kubectl, scene, await scene.shop.state())

    return look
