"""A rollout on disk, over a cluster in memory that fails as a test wants it."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from rollwright import library
from rollwright.engine.site import open_site
from rollwright.locks.memory import MemoryLocks
from rollwright.rollouts.manifest import ObjectRef
from rollwright.stores.memory import MemoryStore
from rollwright.testing.fake import FakeCluster

NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}


class World:
    """One rollout, its cluster, its store and its locks."""

    def __init__(self, folder):
        self.folder = folder
        self.heard = []
        self.cluster = FakeCluster([NAMESPACE])
        self.store = MemoryStore().bind(self.cluster)
        self.locks = MemoryLocks().bind(self.cluster)
        (folder / "manifests").mkdir(parents=True)
        self.declare()

    def declare(self, **spec):
        health = {"timeout": "5s", **spec.pop("health", {})}
        document = {
            "apiVersion": "rollwright.dev/v1alpha1", "kind": "Rollout", "metadata": {"name": "shop"},
            "spec": {
                "source": {"path": "manifests"}, "target": {"namespace": "shop"},
                "validate": [], "health": health, **spec,
            },
        }  # fmt: skip
        (self.folder / "rollout.yaml").write_text(json.dumps(document))

    def write(self, *bodies):
        text = "\n---\n".join(json.dumps(body) for body in bodies)
        (self.folder / "manifests" / "all.yaml").write_text(text)

    def site(self):
        site = open_site(library.load(self.folder))
        site.use_cluster(self.cluster)
        site.use_store(self.store)
        site.use_locks(self.locks)
        site.lock_wait = timedelta()
        site.tell = self.heard.append
        return site

    async def plan(self):
        async with self.site() as site:
            return await library.plan(self.folder, site=site)

    async def rollout(self, **options):
        async with self.site() as site:
            return await library.rollout(self.folder, site=site, **options)

    async def state(self):
        return await self.store.load("shop")


def config(name, **data):
    return {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data or {"k": "v"},
    }  # fmt: skip


def deployment(name, **annotations):
    return {
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {
            "replicas": 1, "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": "x"}]},
            },
        },
    }  # fmt: skip


def ref(kind, name, group=""):
    return ObjectRef(group, kind, "shop", name)


def ready(body):
    """Return the status of a Deployment all of whose replicas are there."""
    count = {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1}
    conditions = [
        {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
        {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"},
    ]
    seen = body["metadata"].get("generation", 1)
    return {**count, "conditions": conditions, "observedGeneration": seen}


class Wrapped:
    """Something with one of its methods changed; the others are its own."""

    def __init__(self, inner, **methods):
        self._inner = inner
        self.__dict__.update(methods)

    def __getattr__(self, name):
        return getattr(self._inner, name)


class Make:
    """What tests write down."""

    config = staticmethod(config)
    deployment = staticmethod(deployment)
    ref = staticmethod(ref)
    ready = staticmethod(ready)
    wrapped = Wrapped
    web = ref("Deployment", "web", "apps")


@pytest.fixture
def make():
    return Make


@pytest.fixture
def world(tmp_path):
    return World(tmp_path / "shop")
