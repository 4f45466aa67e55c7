from __future__ import annotations

from dataclasses import replace

import pytest

from rollwright.errors import InvalidDocument, Unreachable
from rollwright.kube import connect
from rollwright.plugins.contracts import DeleteRequest, ListRequest, Propagation
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.state import RolloutState
from rollwright.stores.cluster import ClusterStore
from rollwright.testing.contracts import StoreContract
from rollwright.testing.store_contract import a_full_state, an_entry

pytestmark = pytest.mark.cluster

LARGE = RolloutState(rollout="shop", inventory=tuple(an_entry(number) for number in range(10_000)))


@pytest.fixture
async def cluster(sandbox):
    cluster = await connect(kubeconfig=sandbox.kubeconfig)
    yield cluster
    await cluster.close()


@pytest.fixture
def store(cluster, namespace):
    return ClusterStore(namespace=namespace).bind(cluster)


class TestClusterStore(StoreContract):
    @pytest.fixture
    def store(self, cluster, namespace):
        return ClusterStore(namespace=namespace).bind(cluster)


async def secrets_in(cluster, namespace):
    request = ListRequest(
        api_version="v1",
        kind="Secret",
        namespace=namespace,
        label_selector="rollwright.dev/rollout-state=shop",
    )
    return await cluster.list(request)


def sent(cluster, before):
    verbs = ("list", "get", "create", "replace", "delete")
    return {verb: n for verb in verbs if (n := cluster.calls.get(verb, 0) - before.get(verb, 0))}


async def test_a_run_that_loads_and_saves_twice_is_three_requests(cluster, store):
    state = await store.save(a_full_state(), after="")
    before = dict(cluster.calls)
    state = await store.load("shop")
    state = await store.save(replace(state, token=1), after=state.version)
    await store.save(replace(state, token=2), after=state.version)

    assert sent(cluster, before) == {"get": 1, "replace": 2}


async def test_only_the_last_chunks_stay(cluster, store, namespace):
    state = await store.save(LARGE, after="")
    await store.save(replace(state, token=1), after=state.version)

    assert len(await secrets_in(cluster, namespace)) == 3


async def test_a_deleted_rollout_leaves_no_secret(cluster, store, namespace):
    saved = await store.save(LARGE, after="")
    await store.put_snapshot("shop", b"data")
    await store.delete("shop", after=saved.version)

    assert await secrets_in(cluster, namespace) == ()


async def test_a_secret_of_another_kind_is_not_read(cluster, store, namespace):
    metadata = {"name": "rollwright.state.shop", "namespace": namespace}
    await cluster.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
    with pytest.raises(InvalidDocument, match="type 'Opaque'"):
        await store.load("shop")


async def test_the_namespace_is_made_when_absent(cluster, namespace):
    new = ObjectRef("", "Namespace", "", f"{namespace[-50:]}-new".lstrip("-"))
    store = ClusterStore(namespace=new.name).bind(cluster)
    saved = await store.save(a_full_state(), after="")
    loaded = await store.load("shop")
    request = DeleteRequest(ref=new, api_version="v1", propagation=Propagation.BACKGROUND)
    await cluster.delete(request)

    assert loaded == saved


async def test_a_server_that_is_not_there_is_unreachable(tmp_path, sandbox):
    text = sandbox.kubeconfig.read_text()
    lines = [
        "    server: https://127.0.0.1:9" if "server:" in line else line
        for line in text.splitlines()
    ]
    path = tmp_path / "kubeconfig"
    path.write_text("\n".join(lines))
    cluster = await connect(kubeconfig=path)
    try:
        with pytest.raises(Unreachable):
            await ClusterStore().bind(cluster).load("shop")
    finally:
        await cluster.close()
