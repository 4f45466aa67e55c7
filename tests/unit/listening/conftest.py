"""A site that listens, over a cluster, a store and locks in memory."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import pytest

from rollwright.engine.listening.running import Ended
from rollwright.engine.listening.service import make_service
from rollwright.engine.site import open_site
from rollwright.locks.memory import MemoryLocks
from rollwright.stores.memory import MemoryStore
from rollwright.testing.fake import FakeCluster

NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}}
ONE_OFF = ({"name": "go", "use": "oneoff"},)


class Estate:
    """A site with rollouts, their cluster, store and locks."""

    def __init__(self, folder):
        self.folder = folder
        self.cluster = FakeCluster([NAMESPACE])
        self.store = MemoryStore().bind(self.cluster)
        self.locks = MemoryLocks().bind(self.cluster)
        self.ended = []
        (folder / "site.toml").write_text("")

    def declare(self, name, *bodies, triggers=ONE_OFF, **spec):
        folder = self.folder / "rollouts" / name
        (folder / "manifests").mkdir(parents=True, exist_ok=True)
        document = {
            "apiVersion": "rollwright.dev/v1alpha1", "kind": "Rollout", "metadata": {"name": name},
            "spec": {
                "source": {"path": "manifests"}, "target": {"namespace": "shop"},
                "validate": [], "triggers": list(triggers), **spec,
            },
        }  # fmt: skip
        (folder / "rollout.yaml").write_text(json.dumps(document))
        named = bodies or ({**CONFIG, "metadata": {"name": name}},)
        text = "\n---\n".join(json.dumps(body) for body in named)
        (folder / "manifests" / "all.yaml").write_text(text)

    def trigger(self, name, rollouts, use="oneoff", **spec):
        document = {
            "apiVersion": "rollwright.dev/v1alpha1", "kind": "Trigger", "metadata": {"name": name},
            "spec": {"when": use, "rollouts": rollouts, **spec},
        }  # fmt: skip
        (self.folder / "rollouts" / f"{name}.trigger.yaml").write_text(json.dumps(document))

    def service(self, **more):
        site = open_site(start=self.folder)
        site.use_cluster(self.cluster)
        site.use_store(self.store)
        site.use_locks(self.locks)
        told = lambda pending, how, _seconds: self.ended.append((pending.instance, how))  # noqa: E731
        return make_service(site, ended=told, **more)

    async def listen(self, service=None):
        """Listen until nothing is left to do."""
        service = service or self.service()
        async with asyncio.timeout(20):
            await service.serve(asyncio.Event())
        return self.outcomes

    @property
    def outcomes(self):
        return Counter((name, how.outcome) for name, how in self.ended)


class Slow:
    """A runner whose runs end when a test says so."""

    def __init__(self):
        self.began, self.gates = [], {}

    async def run(self, pending, *, at, idle, tell=None):
        self.began.append((pending.instance, pending.firing.id))
        gate = self.gates.setdefault(pending.instance, asyncio.Event())
        await gate.wait()
        return Ended(outcome="succeeded", message="done", is_good=True, exit_code=0)


@pytest.fixture
def slow():
    return Slow()


@pytest.fixture
async def estate(tmp_path):
    return Estate(tmp_path)
