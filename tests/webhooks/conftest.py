"""A site that listens for deliveries, at a port of this machine, with a cluster that is made up."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections import Counter
from contextlib import asynccontextmanager

import aiohttp
import pytest

from rollwright.engine.listening.running import Ended
from rollwright.engine.listening.service import make_service
from rollwright.engine.site import open_site
from rollwright.engine.site_file import WebhooksSection
from rollwright.locks.memory import MemoryLocks
from rollwright.stores.memory import MemoryStore
from rollwright.testing.fake import FakeCluster
from rollwright.triggers.webhook.tokens import forget_tokens
from rollwright.webhooks.server import receiving

NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
SECRET = "hook-secret"


class Counting:
    """A runner whose runs do nothing but count."""

    def __init__(self):
        self.runs: Counter[str] = Counter()
        self.ids = []

    async def run(self, pending, *, at, idle, tell=None):
        self.runs[pending.instance] += 1
        self.ids.append(pending.firing.id)
        return Ended(outcome="succeeded", message="done", is_good=True, exit_code=0)


class Estate:
    """A site, and what came of what it was told."""

    def __init__(self, folder):
        self.folder = folder
        self.cluster = FakeCluster([NAMESPACE])
        self.store = MemoryStore().bind(self.cluster)
        self.locks = MemoryLocks().bind(self.cluster)
        self.runner = Counting()
        self.entries = []
        self.ended = []
        (folder / "site.toml").write_text("")

    def declare(self, name, source=None, **spec):
        folder = self.folder / "rollouts" / name
        (folder / "manifests").mkdir(parents=True, exist_ok=True)
        document = {
            "apiVersion": "rollwright.dev/v1alpha1", "kind": "Rollout", "metadata": {"name": name},
            "spec": {
                "source": source or {"path": "manifests"}, "target": {"namespace": "shop"},
                "validate": [], **spec,
            },
        }  # fmt: skip
        (folder / "rollout.yaml").write_text(json.dumps(document))
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
        (folder / "manifests" / "all.yaml").write_text(json.dumps(body))

    def trigger(self, name, rollouts, use="webhook", **options):
        given = {"type": "github", "secret": {"env": "HOOK"}} if use == "webhook" else {}
        document = {
            "apiVersion": "rollwright.dev/v1alpha1", "kind": "Trigger", "metadata": {"name": name},
            "spec": {"when": {"use": use, "with": {**given, **options}}, "rollouts": rollouts},
        }  # fmt: skip
        (self.folder / "rollouts" / f"{name}.trigger.yaml").write_text(json.dumps(document))

    def service(self, runner=None):
        site = open_site(start=self.folder)
        site.use_cluster(self.cluster)
        site.use_store(self.store)
        site.use_locks(self.locks)
        told = lambda pending, how, _seconds: self.ended.append((pending.instance, how))  # noqa: E731
        return make_service(site, runner=runner or self.runner, ended=told)

    @asynccontextmanager
    async def open(self, *, service=None, serves=True, trusted=True, **settings):
        """Receive, and run unless told otherwise; gives what a sender needs."""
        service, stop = service or self.service(), asyncio.Event()
        given = WebhooksSection.model_validate({"port": 0, **settings})
        async with receiving(service, given, stop=stop, tell=self.entries.append) as receiver:
            serving = asyncio.create_task(service.serve(stop)) if serves else None
            connector = aiohttp.TCPConnector(ssl=trusted)
            async with aiohttp.ClientSession(connector=connector) as session:
                yield Sender(session, receiver, service)
            stop.set()
            if serving:
                await serving

    @property
    def outcomes(self):
        return Counter(one.outcome for one in self.entries)


class Sender:
    """Sends deliveries to an open receiver."""

    def __init__(self, session, receiver, service):
        self.session, self.receiver, self.service = session, receiver, service
        self.hooks = dict(receiver.hooks)

    async def send(self, name="hook", body=b"{}", headers=None, *, secret=SECRET, url=None):
        """Send a delivery as GitHub does; return status, headers and text of the answer."""
        signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        given = {
            "content-type": "application/json", "x-github-event": "push",
            "x-hub-signature-256": f"sha256={signature}", **(headers or {}),
        }  # fmt: skip
        given = {key: value for key, value in given.items() if value is not None}
        async with self.session.post(url or self.hooks[name], data=body, headers=given) as answer:
            return answer.status, answer.headers, await answer.read()

    async def idle(self):
        """Wait until nothing runs and nothing waits."""
        async with asyncio.timeout(30):
            while not self.service.dispatcher.is_idle:
                await asyncio.sleep(0.005)


def push(repository="shop/web", ref="refs/heads/main", new="b" * 40, url=None, **more):
    """Return the body of a push."""
    return json.dumps({
        "ref": ref, "before": "a" * 40, "after": new,
        "repository": {
            "full_name": repository, "default_branch": "main",
            "clone_url": url or f"https://github.com/{repository}.git",
        },
        **more,
    }).encode()  # fmt: skip


@pytest.fixture
def a_push():
    return push


@pytest.fixture
async def estate(tmp_path, monkeypatch):
    monkeypatch.setenv("HOOK", SECRET)
    forget_tokens()
    estate = Estate(tmp_path)
    estate.declare("shop")
    estate.trigger("hook", ["shop"])
    yield estate
    forget_tokens()
