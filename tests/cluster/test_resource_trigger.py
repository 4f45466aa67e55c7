"""Custom resources set rollouts off, as an operator does it: on a real API server."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest

from rollwright.engine.listening.service import make_service
from rollwright.engine.site import open_site
from rollwright.kube import connect
from rollwright.plugins.contracts import (
    DeleteRequest,
    GetRequest,
    ListRequest,
    PatchForm,
    PatchRequest,
)
from rollwright.rollouts.instances import instance_name
from rollwright.rollouts.manifest import ObjectRef
from rollwright.sandbox.versions import BEHAVIOR_LABEL

FINALIZER = "rollwright.dev/rollout"
FREE = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
TEXT = {"type": "string"}
ONLY_GROUPS = {
    "type": "object", "properties": {
        "conditions": {"type": "array", "items": {"type": "object", "properties": {
            "lastTransitionTime": TEXT, "name": TEXT, "currentStatus": TEXT}}}},
}  # fmt: skip
ONLY_STANDARD = {
    "type": "object", "properties": {
        "observedGeneration": {"type": "integer"},
        "conditions": {
            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"],
            "items": {"type": "object", "required": ["type", "status"], "properties": {
                "lastTransitionTime": TEXT, "type": TEXT, "status": TEXT, "reason": TEXT,
                "message": TEXT, "observedGeneration": {"type": "integer"}}}}},
}  # fmt: skip

MAIN = """
local given = import 'generic-operator/config';
local listed = import 'locutus-runtime/deployments/list';
local name = 'grafana-' + given.metadata.name;
{
  objects: {
    deployment: {
      apiVersion: 'apps/v1', kind: 'Deployment',
      metadata: {
        name: name, namespace: given.metadata.namespace,
        annotations: { seen: std.toString(std.length(listed)) },
        ownerReferences: [{
          apiVersion: given.apiVersion, kind: given.kind, name: given.metadata.name,
          uid: given.metadata.uid, controller: true, blockOwnerDeletion: true,
        }],
      },
      spec: {
        replicas: given.spec.replicas,
        selector: { matchLabels: { app: name } },
        template: {
          metadata: { labels: { app: name, [if std.objectHas(given.spec, 'behavior') then 'LABEL']: given.spec.behavior } },
          spec: { containers: [{ name: 'grafana', image: 'grafana/grafana:' + given.spec.version }] },
        },
      },
    },
  },
  rollout: import 'rollout.jsonnet',
}
"""

ROLLOUT = """
local same(name, left, right) = { name: name, path: left, value: { path: right } };
{
  apiVersion: 'workflow.kubernetes.io/v1alpha1', kind: 'Rollout', metadata: { name: 'grafana' },
  spec: { groups: [{
    name: 'Rollout Grafana',
    steps: [{
      name: 'deployment', object: 'deployment', action: 'CreateOrUpdate',
      success: [{ fieldComparisons: {
        timeout: '%(timeout)s', pollInterval: '100ms',
        expectedValues: [
          same('observed', '{.metadata.generation}', '{.status.observedGeneration}'),
          same('updated', '{.status.updatedReplicas}', '{.spec.replicas}') + { default: 0 },
          { name: 'available', path: '{.status.unavailableReplicas}', default: 0, value: { static: 0 } },
        ],
      } }],
    }],
  }] },
}
"""


class Operator:
    """A kind of its own, a rollout for each of its objects, and whoever listens to them."""

    def __init__(self, folder, namespace, kubeconfig):
        self.folder, self.namespace, self.kubeconfig = folder, namespace, kubeconfig
        self.group = f"monitoring-{uuid4().hex[:8]}.example.com"
        self.api = f"{self.group}/v1"
        self.ended, self.notes = [], []
        self.cluster: Any = None
        self.crd: dict[str, Any] = {}

    async def begin(self, status=FREE, *, subresource=True):
        self.cluster = await connect(kubeconfig=self.kubeconfig)
        schema = {"type": "object", "properties": {"spec": FREE, "status": status}}
        version = {
            "name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema},
            **({"subresources": {"status": {}}} if subresource else {}),
        }  # fmt: skip
        names = {"kind": "Grafana", "plural": "grafanas", "singular": "grafana"}
        self.crd = {
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": f"grafanas.{self.group}"},
            "spec": {"group": self.group, "scope": "Namespaced", "names": names, "versions": [version]},
        }  # fmt: skip
        await self.cluster.create(self.crd)
        await self.cluster.establish(self.crd)
        self.write()

    async def end(self):
        for one in await self.all():
            if one.metadata.get("finalizers"):
                await self.patch(one.ref.name, {"metadata": {"finalizers": None}})
        group = "apiextensions.k8s.io"
        ref = ObjectRef(group, "CustomResourceDefinition", "", self.crd["metadata"]["name"])
        await self.cluster.delete(DeleteRequest(ref=ref, api_version=f"{group}/v1"))
        await self.cluster.close()

    def write(self, timeout="3s", **options):
        """Write the files of the operator."""
        (self.folder / "jsonnet").mkdir(parents=True, exist_ok=True)
        (self.folder / "jsonnet" / "main.jsonnet").write_text(MAIN.replace("LABEL", BEHAVIOR_LABEL))
        (self.folder / "jsonnet" / "rollout.jsonnet").write_text(ROLLOUT % {"timeout": timeout})
        pattern = "([a-z0-9]([-a-z0-9]*[a-z0-9])?)/grafana-(.*)"
        watched = {
            "mainResource": "grafanas",
            "resources": [
                {"name": "grafanas", "kind": "Grafana", "apiVersion": self.api},
                {"name": "deployments", "kind": "Deployment", "apiVersion": "apps/v1",
                 "namespace": self.namespace,
                 "keyTransformations": [
                     {"action": "keep", "regex": pattern},
                     {"action": "replace", "regex": pattern, "replacement": "$1/$3"}]},
            ],
        }  # fmt: skip
        (self.folder / "config.yaml").write_text(json.dumps(watched))
        trigger = {
            "name": "grafanas", "use": "resource", "retryInterval": "1h",
            "with": {"cluster": "here", "file": "config.yaml", "debounce": "50ms", **options},
        }  # fmt: skip
        self.declare(trigger)

    def declare(self, trigger):
        document = {
            "apiVersion": "rollwright.dev/v1alpha1", "kind": "Rollout", "metadata": {"name": "grafana"},
            "spec": {
                "source": {"path": "jsonnet"}, "render": [{"use": "jsonnet"}],
                "target": {"cluster": "here", "namespace": self.namespace},
                "config": [{"trigger": True}], "triggers": [trigger],
            },
        }  # fmt: skip
        (self.folder / "rollout.yaml").write_text(json.dumps(document))
        (self.folder / "site.toml").write_text(
            f"""
[rollouts]
paths = ["."]
[clusters.here]
kubeconfig = {json.dumps(str(self.kubeconfig))}
[stores.default]
use = "cluster"
with.namespace = "{self.namespace}"
[locks.default]
use = "lease"
with.namespace = "{self.namespace}"
"""
        )

    @asynccontextmanager
    async def listening(self):
        """Listen in this process while inside."""
        async with open_site(start=self.folder) as site:
            site.tell = lambda one: self.notes.append(getattr(one, "text", ""))
            ended = lambda pending, how, _seconds: self.ended.append((pending.firing.key, how))  # noqa: E731
            service, stop = make_service(site, ended=ended), asyncio.Event()
            serving = asyncio.create_task(service.serve(stop))
            try:
                yield service
            finally:
                stop.set()
                async with asyncio.timeout(60):
                    await serving

    def ref(self, name, kind="Grafana"):
        return ObjectRef(self.group if kind == "Grafana" else "apps", kind, self.namespace, name)

    async def create(self, name="main", **spec):
        body = {
            "apiVersion": self.api, "kind": "Grafana",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {"replicas": 1, "version": "5.2.2", **spec},
        }  # fmt: skip
        return await self.cluster.create(body)

    async def patch(self, name, content):
        request = PatchRequest(
            ref=self.ref(name), api_version=self.api, form=PatchForm.MERGE, content=content
        )
        return await self.cluster.patch(request)

    async def delete(self, name="main"):
        await self.cluster.delete(DeleteRequest(ref=self.ref(name), api_version=self.api))

    async def get(self, name="main"):
        return await self.cluster.get(GetRequest(ref=self.ref(name), api_version=self.api))

    async def deployment(self, name="main"):
        ref = self.ref(f"grafana-{name}", "Deployment")
        return await self.cluster.get(GetRequest(ref=ref, api_version="apps/v1"))

    async def all(self):
        return await self.cluster.list(ListRequest(api_version=self.api, kind="Grafana"))

    async def status(self, name="main"):
        live = await self.get(name)
        return (live.body.get("status") or {}) if live else {}

    async def conditions(self, name="main"):
        found = (await self.status(name)).get("conditions") or []
        return {one.get("type") or one.get("name"): one for one in found}

    async def until(self, is_so, seconds=60):
        """Wait until something is so."""
        async with asyncio.timeout(seconds):
            while not await is_so():
                await asyncio.sleep(0.1)

    async def until_group(self, state, name="main"):
        async def is_so():
            found = (await self.conditions(name)).get("Rollout Grafana", {})
            return found.get("currentStatus") == state

        await self.until(is_so)

    async def until_ready(self, name="main", status="True", generation=1):
        async def is_so():
            ready = (await self.conditions(name)).get("Ready", {})
            return (ready.get("status"), ready.get("observedGeneration")) == (status, generation)

        await self.until(is_so)

    async def until_gone(self, name="main"):
        async def is_so():
            return await self.get(name) is None

        await self.until(is_so)


@pytest.fixture
async def operator(sandbox, namespace, tmp_path):
    made = Operator(tmp_path / "operator", namespace, sandbox.kubeconfig)
    (tmp_path / "operator").mkdir()
    await made.begin()
    try:
        yield made
    finally:
        await made.end()


async def test_a_resource_is_rolled_out_updated_and_removed(operator):
    async with operator.listening():
        created = await operator.create()
        await operator.until_group("Finished")
        deployment = await operator.deployment()
        status, live = await operator.status(), await operator.get()
        first = {
            name: one["status"]
            for name, one in (await operator.conditions()).items()
            if "type" in one
        }

        assert deployment.metadata["ownerReferences"][0]["uid"] == created.uid
        assert live.metadata["finalizers"] == [FINALIZER]
        assert first == {
            "Ready": "True",
            "Reconciling": "False",
            "Stalled": "False",
            "Healthy": "True",
        }
        assert (status["observedGeneration"], status["lastAppliedRevision"]) == (
            1, status["lastAttemptedRevision"],
        )  # fmt: skip

        await operator.patch("main", {"spec": {"replicas": 3}})
        await operator.until_ready(generation=2)
        updated = await operator.deployment()
        assert updated.body["spec"]["replicas"] == 3

        await operator.delete()
        await operator.until_gone()
        assert await operator.deployment() is None or (await operator.deployment()).is_being_deleted
    assert {how.outcome for _, how in operator.ended} == {"succeeded"}


async def test_what_fails_says_so_and_disturbs_no_other(operator):
    async with operator.listening():
        await operator.create("bad", behavior="image-pull-error")
        await operator.create("good")
        await operator.until_group("Finished", "good")
        await operator.until_group("Failed", "bad")
        await operator.until_ready("bad", status="False")
        bad = await operator.conditions("bad")

        assert bad["Rollout Grafana"]["message"]
        assert (bad["Ready"]["status"], bad["Ready"]["reason"]) == ("False", "HealthCheckFailed")
        assert (bad["Reconciling"]["status"], bad["Healthy"]["status"]) == ("True", "False")
        assert (await operator.conditions("good"))["Ready"]["status"] == "True"


async def test_a_newer_generation_does_not_wait_for_the_health_of_an_older_one(operator):
    operator.write(timeout="10m")
    async with operator.listening():
        await operator.create(behavior="image-pull-error")
        await operator.until_group("In Progress")
        await operator.patch("main", {"spec": {"behavior": None}})
        await operator.until_ready(generation=2)

    assert "superseded" in {how.outcome for _, how in operator.ended}


async def test_whoever_asked_for_a_run_sees_when_it_has_ended(operator):
    async with operator.listening():
        await operator.create()
        await operator.until_ready()
        asked = {"metadata": {"annotations": {"rollwright.dev/requested-at": "noon"}}}
        await operator.patch("main", asked)

        async def is_handled():
            return (await operator.status()).get("lastHandledTrigger") == "noon"

        await operator.until(is_handled)


async def test_what_somebody_deletes_of_it_comes_back(operator):
    async with operator.listening():
        await operator.create()
        await operator.until_ready()
        before = await operator.deployment()
        await operator.cluster.delete(DeleteRequest(ref=before.ref, api_version="apps/v1"))

        async def is_back():
            now = await operator.deployment()
            return now is not None and now.uid != before.uid

        await operator.until(is_back)


async def test_what_happened_while_nobody_listened_is_made_up_for(operator):
    async with operator.listening():
        for name in ("stays", "goes", "grows"):
            await operator.create(name)
        for name in ("stays", "goes", "grows"):
            await operator.until_ready(name)
    first, operator.ended[:] = len(operator.ended), []
    await operator.delete("goes")
    await operator.patch("grows", {"spec": {"replicas": 2}})
    await operator.create("new")
    async with operator.listening() as service:
        await operator.until_gone("goes")
        await operator.until_ready("grows", generation=2)
        await operator.until_ready("new")
        names = await (await service.site.store(_named(operator))).list()

    assert first >= 3
    assert f"{operator.namespace}/stays" not in {key for key, _ in operator.ended}
    assert instance_name("grafana", f"{operator.namespace}/goes") not in names


def _named(operator):
    from rollwright.engine.operations import named_spec

    del operator
    return named_spec("grafana", "here")


async def test_without_a_finalizer_what_vanished_is_found(operator):
    operator.write(finalizer=False)
    async with operator.listening():
        await operator.create()
        await operator.until_ready()
        assert not (await operator.get()).metadata.get("finalizers")
    await operator.delete()
    await operator.until_gone()
    async with operator.listening() as service:
        store = await service.site.store(_named(operator))

        async def is_forgotten():
            return instance_name("grafana", f"{operator.namespace}/main") not in await store.list()

        await operator.until(is_forgotten)


@pytest.mark.parametrize(
    ("status", "subresource", "kept", "words"),
    [
        (ONLY_GROUPS, True, {"Rollout Grafana"}, "conditions[].type"),
        (ONLY_STANDARD, True, {"Ready", "Reconciling", "Stalled", "Healthy"}, "currentStatus"),
        (FREE, False, {"Rollout Grafana", "Ready", "Reconciling", "Stalled", "Healthy"}, ""),
        ({"type": "object"}, True, set(), "takes nothing"),
    ],
    ids=["only-groups", "only-standard", "no-subresource", "nothing"],
)
async def test_a_status_is_what_the_schema_takes(operator, status, subresource, kept, words):
    await operator.end()
    operator.group = f"monitoring-{uuid4().hex[:8]}.example.com"
    operator.api = f"{operator.group}/v1"
    await operator.begin(status, subresource=subresource)
    async with operator.listening():
        await operator.create()

        async def is_done():
            return bool(operator.ended)

        await operator.until(is_done)
        conditions, whole = await operator.conditions(), await operator.status()

    assert set(conditions) == kept
    assert subresource or "observedGeneration" not in json.dumps(whole)  # it moves with each write
    assert len([text for text in operator.notes if "its schema takes" in text]) == bool(words)
    assert any(words in text for text in operator.notes) or not words
    assert len(operator.ended) <= 2


async def test_an_older_document_is_listened_to_as_it_is(operator):
    """The groups in a file of the older format, and the same trigger beside them."""
    operator.write()
    document = json.loads((operator.folder / "rollout.yaml").read_text())
    manifests = operator.folder / "jsonnet" / "main.jsonnet"
    manifests.write_text(MAIN.replace("rollout: import 'rollout.jsonnet',", ""))
    text = {
        "apiVersion": "workflow.kubernetes.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "grafana"},
        "spec": {"groups": [{"name": "Rollout Grafana", "steps": [
            {"object": "deployment", "action": "CreateOrUpdate"}]}]},
    }  # fmt: skip
    (operator.folder / "groups.yaml").write_text(json.dumps(text))
    document["spec"]["groups"] = {"file": "groups.yaml"}
    (operator.folder / "rollout.yaml").write_text(json.dumps(document))
    async with operator.listening():
        await operator.create()
        await operator.until_group("Finished")
        assert await operator.deployment() is not None


async def _listener(operator):
    environment = {**os.environ, "ROLLWRIGHT_RENDERING__CACHE": "false"}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "rollwright", "listen", cwd=operator.folder, env=environment,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip


async def test_a_listener_that_is_killed_loses_nothing(operator):
    names = [f"n{number}" for number in range(6)]
    listener = await _listener(operator)
    try:
        for name in names[:3]:
            await operator.create(name)
        await operator.until_group("Finished", names[0])
        for name in names[3:]:
            await operator.create(name)
        await operator.delete(names[1])
    finally:
        listener.kill()
        await listener.wait()
    listener = await _listener(operator)
    try:
        for name in (names[0], *names[2:]):
            await operator.until_group("Finished", name)
        await operator.until_gone(names[1])
    finally:
        listener.terminate()
        await listener.wait()

    assert await operator.deployment(names[5]) is not None


@pytest.mark.slow
async def test_three_hundred_resources_are_one_watch_each_kind(operator):
    for start in range(0, 300, 50):
        await asyncio.gather(
            *(operator.create(f"g{n}", replicas=0) for n in range(start, start + 50))
        )
    async with operator.listening() as service:
        target = await service.site.cluster_named("here")

        async def is_done():
            return len({key for key, how in operator.ended if how.is_good}) == 300

        await operator.until(is_done, seconds=280)
        watches = target.calls["watch"]

    assert len(operator.ended) < 400
    assert watches < 400  # two of the trigger; the others are waits for health
