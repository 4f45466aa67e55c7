"""Objects of a cluster set runs off: the whole of it, over a cluster in memory."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from copy import deepcopy

import pytest

from rollwright.engine.listening import noting, pending
from rollwright.engine.listening.pending import all_pending, known_keys
from rollwright.engine.listening.service import make_service
from rollwright.engine.site import open_site
from rollwright.errors import ClusterError, Unreachable
from rollwright.locks.memory import MemoryLocks
from rollwright.rollouts.instances import instance_name
from rollwright.rollouts.manifest import ObjectRef
from rollwright.stores.memory import MemoryStore
from rollwright.testing.fake import FakeCluster
from rollwright.testing.fake_kinds import builtin_kinds, served_kind

API = "shop.example.com/v1"
FINALIZER = "rollwright.dev/rollout"
MAIN = """
local cart = std.extVar('values');
{
  apiVersion: 'v1', kind: 'ConfigMap',
  metadata: { name: cart.metadata.name, namespace: 'shop' },
  data: { size: std.toString(cart.spec.size), carts: std.toString(std.length(import 'rollwright-runtime/carts/list')) },
}
"""


def cart(name="a", size=1, **metadata):
    return {
        "apiVersion": API, "kind": "Cart",
        "metadata": {"name": name, "namespace": "shop", **metadata}, "spec": {"size": size},
    }  # fmt: skip


def ref(name="a", kind="Cart"):
    return ObjectRef("shop.example.com" if kind == "Cart" else "", kind, "shop", name)


class Estate:
    """A site whose one rollout has an instance for each Cart."""

    def __init__(self, folder):
        self.folder = folder
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
        kinds = (*builtin_kinds(), served_kind(API, "Cart", "carts"))
        self.cluster = FakeCluster([namespace], kinds=kinds)
        self.store = MemoryStore().bind(self.cluster)
        self.locks = MemoryLocks().bind(self.cluster)
        self.ended = []
        (folder / "site.toml").write_text('[rollouts]\npaths = ["."]\n')
        (folder / "source").mkdir()
        (folder / "source" / "main.jsonnet").write_text(MAIN)
        self.declare()

    def declare(self, **options):
        carts = {"name": "carts", "kind": "Cart", "apiVersion": API}
        trigger = {
            "name": "carts", "use": "resource", "retryInterval": "5ms",
            "with": {"mainResource": "carts", "resources": [carts], "debounce": "0s", **options},
        }  # fmt: skip
        document = {
            "apiVersion": "rollwright.dev/v1alpha1", "kind": "Rollout", "metadata": {"name": "shop"},
            "spec": {
                "source": {"path": "source"}, "render": [{"use": "jsonnet"}], "validate": [],
                "target": {"namespace": "shop"}, "config": [{"trigger": True}], "triggers": [trigger],
            },
        }  # fmt: skip
        (self.folder / "rollout.yaml").write_text(json.dumps(document))

    @asynccontextmanager
    async def listening(self):
        site = open_site(start=self.folder)
        site.use_cluster(self.cluster)
        site.use_store(self.store)
        site.use_locks(self.locks)
        ended = lambda pending, how, _seconds: self.ended.append((pending.firing.key, how.outcome))  # noqa: E731
        service, stop = make_service(site, ended=ended), asyncio.Event()
        serving = asyncio.create_task(service.serve(stop))
        try:
            async with asyncio.timeout(30):
                yield service
        finally:
            stop.set()
            await serving

    async def until(self, is_so):
        while not is_so():
            await asyncio.sleep(0.005)

    def change(self, what, change):
        body = deepcopy(self.cluster.objects[what])
        change(body)
        self.cluster.put(body)

    def condition(self, name="a", type_="Ready"):
        found = (self.cluster.objects[ref(name)].get("status") or {}).get("conditions") or []
        return next((one for one in found if one.get("type") == type_), {})

    def is_ready(self, name="a", generation=1):
        ready = self.condition(name)
        return (ready.get("status"), ready.get("observedGeneration")) == ("True", generation)

    def data(self, name="a"):
        return self.cluster.objects[ref(name, "ConfigMap")]["data"]

    def delete(self, name="a"):
        going = {"deletionTimestamp": "2025-01-01T00:00:00Z"}
        self.change(ref(name), lambda one: one["metadata"].update(going))


@pytest.fixture
async def estate(tmp_path):
    return Estate(tmp_path)


async def test_each_object_is_rolled_out_with_itself_and_all_others(estate):
    estate.cluster.put(cart("a", 3))
    estate.cluster.put(cart("b", 4))
    async with estate.listening():
        await estate.until(lambda: estate.is_ready("a") and estate.is_ready("b"))

    assert (estate.data("a"), estate.data("b")) == (
        {"size": "3", "carts": "2"}, {"size": "4", "carts": "2"},
    )  # fmt: skip


async def test_a_run_that_changes_nothing_writes_no_status(estate):
    estate.declare(resync="1s")
    estate.cluster.put(cart())
    async with estate.listening():
        await estate.until(estate.is_ready)
        before = len(estate.cluster.sent("patch"))
        await estate.until(lambda: len(estate.ended) >= 2)

    assert len(estate.cluster.sent("patch")) == before


async def test_what_was_handled_is_not_run_after_a_restart(estate):
    estate.cluster.put(cart("a"))
    estate.cluster.put(cart("b"))
    async with estate.listening():
        await estate.until(lambda: estate.is_ready("a") and estate.is_ready("b"))
        await estate.until(lambda: len(estate.ended) == 2)
    estate.ended.clear()
    estate.change(ref("b"), lambda one: one["spec"].update(size=9))
    async with estate.listening():
        await estate.until(lambda: estate.is_ready("b", 2))

    assert estate.ended == [("shop/b", "succeeded")]


async def test_a_deletion_waits_for_the_removal(estate):
    estate.cluster.put(cart())
    async with estate.listening() as service:
        await estate.until(estate.is_ready)
        estate.delete()
        await estate.until(lambda: not estate.cluster.objects[ref()]["metadata"]["finalizers"])
        await estate.until(lambda: len(estate.ended) == 2)
        notes = await known_keys(service.site, "carts", [""])

    assert ref("a", "ConfigMap") not in estate.cluster.objects
    assert notes == {}
    assert await estate.store.list() == () or all(
        "carts" in one for one in await estate.store.list()
    )


async def test_a_removal_that_fails_keeps_the_finalizer_and_says_so(estate):
    estate.cluster.put(cart())
    async with estate.listening():
        await estate.until(estate.is_ready)
        refusal = ClusterError("delete refused: not now", status=403, reason="Forbidden")
        estate.cluster.fail("delete", ref("a", "ConfigMap"), *[refusal] * 1000)
        estate.delete()
        await estate.until(lambda: estate.condition().get("reason") == "PruneFailed")
        kept = list(estate.cluster.objects[ref()]["metadata"]["finalizers"])
        message = estate.condition()["message"]

    assert kept == [FINALIZER]
    assert "not now" in message


async def test_a_finalizer_that_cannot_be_taken_off_is_tried_again(estate):
    estate.cluster.put(cart())
    async with estate.listening():
        await estate.until(estate.is_ready)
        await estate.until(lambda: len(estate.ended) == 1)
        estate.delete()
        estate.cluster.fail("patch", ref(), *[Unreachable("gone")] * 3)
        await estate.until(lambda: not estate.cluster.objects[ref()]["metadata"]["finalizers"])

    assert ref("a", "ConfigMap") not in estate.cluster.objects


async def test_a_removal_that_was_killed_is_made_by_whoever_listens_next(estate):
    estate.cluster.put(cart())
    async with estate.listening():
        await estate.until(estate.is_ready)
    estate.delete()
    async with estate.listening():
        await estate.until(lambda: not estate.cluster.objects[ref()]["metadata"]["finalizers"])

    assert ref("a", "ConfigMap") not in estate.cluster.objects


async def test_an_object_that_vanished_unseen_is_removed(estate):
    estate.declare(finalizer=False)
    estate.cluster.put(cart())
    async with estate.listening():
        await estate.until(estate.is_ready)
        await estate.until(lambda: len(estate.ended) == 1)
    estate.cluster.remove(ref())
    async with estate.listening() as service:
        await estate.until(lambda: ref("a", "ConfigMap") not in estate.cluster.objects)
        await estate.until(lambda: len(estate.ended) == 2)
        assert await all_pending(service.site, "") == ()

    assert instance_name("shop", "shop/a") not in await estate.store.list()


async def test_what_an_object_controls_is_removed_with_it(estate):
    controlled = MAIN.replace(
        "namespace: 'shop' }",
        "namespace: 'shop', ownerReferences: [{ apiVersion: cart.apiVersion, kind: cart.kind,"
        " name: cart.metadata.name, uid: cart.metadata.uid, controller: true }] }",
    )
    (estate.folder / "source" / "main.jsonnet").write_text(controlled)
    estate.cluster.put(cart())
    async with estate.listening():
        await estate.until(estate.is_ready)
        estate.delete()
        await estate.until(lambda: not estate.cluster.objects[ref()]["metadata"]["finalizers"])

    assert ref("a", "ConfigMap") not in estate.cluster.objects
    assert instance_name("shop", "shop/a") not in await estate.store.list()


async def test_a_run_without_a_plan_shows_its_group_as_failed(estate):
    """What the server refuses in a dry run, and what cannot be rendered (DOC-N4)."""
    grouped = MAIN.replace("{\n  apiVersion", "local map = {\n  apiVersion").rstrip()
    rollout = """;
    { objects: { map: map }, rollout: {
      apiVersion: 'workflow.kubernetes.io/v1alpha1', kind: 'Rollout', metadata: { name: 'x' },
      spec: { groups: [{ name: 'one', steps: [{ object: 'map', action: 'CreateOrUpdate' }] }] },
    } }"""
    (estate.folder / "source" / "main.jsonnet").write_text(grouped + rollout)
    estate.cluster.fail("apply", ref("a", "ConfigMap"), ClusterError("too large", status=422))
    estate.cluster.put(cart())

    def group():
        found = (estate.cluster.objects[ref()].get("status") or {}).get("conditions") or []
        return {c["name"]: c["currentStatus"] for c in found if "name" in c}

    async with estate.listening():
        await estate.until(lambda: group() == {"one": "Failed"})
        await estate.until(lambda: group() == {"one": "Finished"})
        estate.change(ref(), lambda one: one.update(spec={}))
        await estate.until(lambda: group() == {"one": "Failed"})

    assert estate.condition()["reason"] == "BuildFailed"


async def test_a_run_that_fails_is_told_and_tried_again(estate):
    estate.cluster.fail("apply", ref("a", "ConfigMap"), *[ClusterError("no room", status=507)] * 2)
    estate.cluster.put(cart())
    async with estate.listening():
        await estate.until(lambda: estate.condition().get("status") == "False")
        failed = dict(estate.condition())
        await estate.until(estate.is_ready)

    assert "no room" in failed["message"]
    assert failed["reason"] == "ApplyFailed"


@pytest.mark.parametrize("status", [409, 404, 422, 500])
async def test_a_status_that_cannot_be_written_fails_no_run(estate, status):
    refused = ClusterError("no", status=status)
    estate.declare(finalizer=False)
    estate.cluster.fail("patch", ref(), *[refused] * 50)
    estate.cluster.put(cart())
    async with estate.listening():
        await estate.until(lambda: bool(estate.ended))

    assert estate.ended == [("shop/a", "succeeded")]


async def test_nothing_is_told_where_nobody_wants_it(estate):
    estate.declare(writeStatus=False, finalizer=False)
    estate.cluster.put(cart())
    async with estate.listening():
        await estate.until(lambda: bool(estate.ended))

    assert estate.cluster.sent("patch") == ()


async def test_a_token_is_shown_when_its_run_has_ended(estate):
    estate.cluster.put(cart())
    async with estate.listening():
        await estate.until(estate.is_ready)
        asked = {"rollwright.dev/requested-at": "noon"}
        estate.change(ref(), lambda one: one["metadata"].update(annotations=asked))
        await estate.until(
            lambda: estate.cluster.objects[ref()]["status"].get("lastHandledTrigger") == "noon"
        )

    assert [outcome for _, outcome in estate.ended] == ["succeeded"] * len(estate.ended)


async def test_lists_are_not_kept_in_notes(estate, monkeypatch):
    seen = []

    async def keep(site, asked):
        seen.append(asked.firing)
        return await noted(site, asked)

    noted = pending.keep
    monkeypatch.setattr(noting, "keep", keep)
    estate.cluster.put(cart())
    async with estate.listening():
        await estate.until(estate.is_ready)

    assert [one.data for one in seen] == [{}]
