"""A rollout of a test's own namespace, used as a person uses it: files, then the library."""

from __future__ import annotations

import asyncio
import gc
import json
from contextlib import asynccontextmanager

import pytest

from rollwright import library
from rollwright.engine import operations
from rollwright.engine.progress import Applied
from rollwright.engine.site import open_site
from rollwright.kube import connect
from rollwright.plugins.contracts import GetRequest
from rollwright.rollouts.manifest import ObjectRef
from rollwright.sandbox.versions import BEHAVIOR_LABEL

KINDS = {
    "Deployment": ("apps", "apps/v1"),
    "Job": ("batch", "batch/v1"),
    "CustomResourceDefinition": ("apiextensions.k8s.io", "apiextensions.k8s.io/v1"),
}


class Make:
    """Objects that tests declare, as short as they can be."""

    @staticmethod
    def config(name, namespace="", **data):
        metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
        return {
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata,
            "data": data or {"key": "value"},
        }  # fmt: skip

    @staticmethod
    def deployment(name, behavior="", *, annotations=None, pod=None, **spec):
        labels = {"app": name, **({BEHAVIOR_LABEL: behavior} if behavior else {})}
        containers = [{"name": "main", "image": f"shop/{name}:1"}]
        template = {
            "metadata": {"labels": labels},
            "spec": {"containers": containers, **(pod or {})},
        }
        return {
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "annotations": annotations or {}},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template, **spec},
        }  # fmt: skip

    @staticmethod
    def job(name, behavior="", image="shop/job:1", **spec):
        labels = {BEHAVIOR_LABEL: behavior} if behavior else {}
        containers = [{"name": "main", "image": image}]
        pod = {"restartPolicy": "Never", "containers": containers}
        return {
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
            "spec": {"backoffLimit": 0, "template": {"metadata": {"labels": labels}, "spec": pod}, **spec},
        }  # fmt: skip

    @staticmethod
    def service(name, **spec):
        body = {"selector": {"app": name}, "ports": [{"name": "http", "port": 80}], **spec}
        return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": body}

    @staticmethod
    def crd(group, kind="Basket"):
        plural = f"{kind.lower()}s"
        schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        version = {
            "name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema},
        }  # fmt: skip
        return {
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{group}"},
            "spec": {
                "group": group, "scope": "Namespaced", "versions": [version],
                "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            },
        }  # fmt: skip


class Shop:
    """One rollout on disk: its manifests, its document, its site."""

    def __init__(self, folder, namespace, kubeconfig):
        self.folder, self.name, self.kubeconfig = folder, namespace, kubeconfig
        self.manifests = folder / "manifests"
        self.manifests.mkdir(parents=True)
        self.declare()
        self.settle()

    def declare(self, **spec):
        """Write the document; ``spec`` over what every test has."""
        target = {"cluster": "here", "namespace": self.name, **spec.pop("target", {})}
        document = {
            "apiVersion": "rollwright.dev/v1alpha1", "kind": "Rollout",
            "metadata": {"name": self.name},
            "spec": {"source": {"path": "manifests"}, "target": target, **spec},
        }  # fmt: skip
        (self.folder / "rollout.yaml").write_text(json.dumps(document))

    def settle(self, *, store=None, locks=None, kubeconfig=None):
        """Write the site; state and locks live in the test's namespace by default."""
        store = store or {"use": "cluster", "namespace": self.name}
        locks = locks or {"use": "lease", "namespace": self.name}
        lines = [
            "[clusters.here]",
            f"kubeconfig = {json.dumps(str(kubeconfig or self.kubeconfig))}",
        ]
        for name, options in (("stores", store), ("locks", locks)):
            use, rest = options["use"], {k: v for k, v in options.items() if k != "use"}
            lines += [f"[{name}.default]", f"use = {json.dumps(use)}"]
            lines += [f"with.{key} = {json.dumps(value)}" for key, value in rest.items()]
        (self.folder / "site.toml").write_text("\n".join(lines))

    def write(self, *bodies, **files):
        """Write each object into a file of its own, and texts into files by their names."""
        for body in bodies:
            name = f"{body['kind'].lower()}-{body['metadata']['name']}.yaml"
            (self.manifests / name).write_text(json.dumps(body))
        for name, text in files.items():
            (self.manifests / f"{name}.yaml").write_text(text)

    def drop(self, *names):
        """Take files away whose name holds one of the words."""
        for file in [one for one in self.manifests.iterdir() if any(n in one.name for n in names)]:
            file.unlink()

    def load(self):
        return library.load(self.folder)

    def open(self):
        return open_site(self.load())

    async def plan(self):
        return await library.plan(self.folder)

    async def rollout(self, **options):
        return await library.rollout(self.folder, **options)

    async def remove(self):
        """Remove the rollout with everything it made."""
        async with self.open() as site:
            if self.name in await operations.names(site, cluster="here"):
                removal = await operations.prepare_delete(site, self.name, cluster="here")
                await operations.delete(site, removal, cluster="here")

    async def get(self, kind, name):
        group, version = KINDS.get(kind, ("", "v1"))
        namespace = "" if kind == "CustomResourceDefinition" else self.name
        async with self.cluster() as cluster:
            return await cluster.get(
                GetRequest(ref=ObjectRef(group, kind, namespace, name), api_version=version)
            )

    async def state(self):
        """What is remembered of the rollout."""
        async with self.open() as site:
            spec = self.load().spec
            return await (await site.store(spec)).load(self.name)

    @asynccontextmanager
    async def cluster(self):
        cluster = await connect(kubeconfig=self.kubeconfig)
        try:
            yield cluster
        finally:
            await cluster.close()


@pytest.fixture
def make():
    return Make


@pytest.fixture
def shop(sandbox, namespace, tmp_path):
    return Shop(tmp_path / "shop", namespace, sandbox.kubeconfig)


@pytest.fixture
def written():
    """The names of what a plan would write, by their operation."""

    def written(plan):
        return {one.ref.name: one.operation.value for one in plan.changes if one.writes}

    return written


class Listener:
    """Hears of a run, and tells when something has happened."""

    def __init__(self):
        self.heard = []
        self.events = []

    def __call__(self, progress):
        self.heard.append(progress)
        for is_it, event in self.events:
            if is_it(progress):
                event.set()

    async def until(self, is_it, seconds=30):
        """Wait for progress of which the predicate holds."""
        event = asyncio.Event()
        self.events.append((is_it, event))
        if any(is_it(one) for one in self.heard):
            return
        await asyncio.wait_for(event.wait(), seconds)

    async def until_applied(self, name):
        await self.until(lambda one: isinstance(one, Applied) and one.change.ref.name == name)

    @property
    def notes(self):
        return [one.text for one in self.heard if hasattr(one, "text")]


@pytest.fixture
def listener():
    return Listener()


@pytest.fixture
def new_shop():
    """Make a rollout in any folder, namespace and cluster."""
    return Shop


@pytest.fixture(autouse=True)
def litter():
    """Collect what a test left open while its own filters still hold, so that it is the one to fail."""
    yield
    gc.collect()
