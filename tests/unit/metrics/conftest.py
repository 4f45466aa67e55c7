"""A site that listens over a cluster in memory, and its metrics."""

from __future__ import annotations

import asyncio
import json

import pytest

from rollwright.engine.listening.gauges import measured
from rollwright.engine.listening.service import make_service
from rollwright.engine.site import open_site
from rollwright.engine.telling.metrics import Metrics
from rollwright.locks.memory import MemoryLocks
from rollwright.stores.memory import MemoryStore
from rollwright.testing.fake import FakeCluster

NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
SYSTEM = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}}


class Estate:
    """Rollouts on disk, their cluster, store and locks, and who counts."""

    def __init__(self, folder):
        self.folder = folder
        self.cluster = FakeCluster([NAMESPACE, SYSTEM])
        self.store = MemoryStore().bind(self.cluster)
        self.locks = MemoryLocks().bind(self.cluster)
        self.metrics = Metrics()
        self.ended = []
        (folder / "site.toml").write_text("")

    def declare(self, name, use="oneoff", options=None, **spec):
        folder = self.folder / "rollouts" / name
        (folder / "manifests").mkdir(parents=True, exist_ok=True)
        own = {"name": f"{name}-go", "use": use, "with": options or {}}
        document = {
            "apiVersion": "rollwright.dev/v1alpha1", "kind": "Rollout", "metadata": {"name": name},
            "spec": {
                "source": {"path": "manifests"}, "target": {"namespace": "shop"},
                "validate": [], "triggers": [own], **spec,
            },
        }  # fmt: skip
        (folder / "rollout.yaml").write_text(json.dumps(document))
        self.write(name)

    def write(self, name, **data):
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
        path = self.folder / "rollouts" / name / "manifests" / "all.yaml"
        path.write_text(json.dumps({**body, "data": {"k": "v", **data}}))

    def service(self, **more):
        site = open_site(start=self.folder)
        site.use_cluster(self.cluster)
        site.use_store(self.store)
        site.use_locks(self.locks)
        told = lambda pending, how, _seconds: self.ended.append((pending.instance, how))  # noqa: E731
        service = make_service(site, ended=told, **more)
        self.meter = measured(service, self.metrics)
        return service

    async def listen(self, service=None):
        """Listen until nothing is left to do."""
        service = service or self.service()
        async with asyncio.timeout(20):
            await service.serve(asyncio.Event())
        return service

    def value(self, name, **labels):
        """Return the present value of a sample; ``None`` if there is none."""
        return self.metrics.registry.get_sample_value(name, labels)


@pytest.fixture
async def estate(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return Estate(tmp_path)
