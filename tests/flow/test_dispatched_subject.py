"""The object that set a run off is told by the flow: how far each group is, and how it ended."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from rollwright.engine.listening.pending import Pending, keep
from rollwright.engine.site import open_site
from rollwright.flows.dispatching import TOLD_TAG
from rollwright.kube import connect
from rollwright.plugins.contracts import DeleteRequest, Firing, GetRequest, Subject
from rollwright.rollouts.manifest import ObjectRef

pytestmark = [
    pytest.mark.flow,
    pytest.mark.cluster,
    # Prefect leaves connections to its server to the garbage collector when a loop ends.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]
FREE = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
GROUPS = """\
  groups:
  - {name: first, steps: [{name: a, object: 0.yaml}]}
  - {name: second, steps: [{name: b, object: 1.yaml}]}
"""
GOOD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
BAD = "apiVersion: v1\nkind: Service\nmetadata: {name: b}\nspec: {ports: [{port: 80}], clusterIP: 1.1.1.1}\n"


@pytest.fixture
async def shop(sandbox, namespace):
    """An object of a kind of its own, as whoever reads it sees it."""
    group = f"shops-{uuid4().hex[:8]}.example.com"
    names = {"kind": "Shop", "plural": "shops", "singular": "shop"}
    version = {
        "name": "v1", "served": True, "storage": True, "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"status": FREE}}},
    }  # fmt: skip
    api_version = "apiextensions.k8s.io/v1"
    crd = {
        "apiVersion": api_version, "kind": "CustomResourceDefinition",
        "metadata": {"name": f"shops.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
    }  # fmt: skip
    cluster = await connect(kubeconfig=sandbox.kubeconfig)
    await cluster.create(crd)
    await cluster.establish(crd)
    metadata = {"name": "main", "namespace": namespace}
    live = await cluster.create({"apiVersion": f"{group}/v1", "kind": "Shop", "metadata": metadata})
    yield cluster, live
    kind = "CustomResourceDefinition"
    ref = ObjectRef("apiextensions.k8s.io", kind, "", f"shops.{group}")
    await cluster.delete(DeleteRequest(ref=ref, api_version=api_version))
    await cluster.close()


async def told(shop, declare, rollout, namespace, *objects):
    """Run what the object asks for; return the conditions of its status, and the state."""
    cluster, live = shop
    api_version = live.body["apiVersion"]
    folder = declare(namespace, namespace, *objects, more=GROUPS)
    subject = Subject(
        cluster="here", api_version=api_version, kind="Shop", namespace=namespace, name="main",
        uid=live.uid, generation=1,
    )  # fmt: skip
    pending = Pending(
        instance=namespace, rollout=namespace, cluster="here", trigger="go", kind="resource",
        at=datetime.now(UTC), firing=Firing(id="go-1", subject=subject),
    )  # fmt: skip
    async with open_site(start=folder) as site:
        await keep(site, pending)
    state = await rollout(str(folder), pending=namespace, trigger=pending.id, return_state=True)
    found = await cluster.get(GetRequest(ref=live.ref, api_version=api_version))
    conditions = found.body["status"]["conditions"]
    return {one.get("type") or one["name"]: one for one in conditions}, state


async def test_groups_stand_in_the_status(shop, site, namespace, declare, rollout, record):
    conditions, state = await told(
        shop, declare, rollout, namespace, GOOD, GOOD.replace("a}", "b}")
    )
    run = await record.flow_run(state.state_details.flow_run_id)

    assert conditions["first"]["currentStatus"] == "Finished"
    assert conditions["second"]["currentStatus"] == "Finished"
    assert conditions["Ready"]["status"] == "True"
    assert TOLD_TAG in run["tags"]


async def test_what_went_wrong_stands_in_the_status(shop, site, namespace, declare, rollout):
    conditions, _state = await told(shop, declare, rollout, namespace, GOOD, BAD)

    assert conditions["Ready"]["status"] == "False"
    assert conditions["Reconciling"]["reason"] == "ProgressingWithRetry"
