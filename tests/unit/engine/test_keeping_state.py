"""States that are moved, checked and forgotten; files as stores, a cluster in memory."""

from __future__ import annotations

import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rollwright.engine.custody import keeping_state
from rollwright.engine.custody.keeping_state import Move
from rollwright.engine.operations import named_spec
from rollwright.engine.site import open_site
from rollwright.errors import LockHeld, NotFound, Refused
from rollwright.plugins.contracts import LockOwner
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.state import AuditEntry, InventoryEntry, RolloutState
from rollwright.testing.fake import IDENTITY, FakeCluster
from rollwright.testing.store_contract import a_full_state, a_revision

SITE = """
[stores.default]
use = "file"
with = {{ path = "{folder}/old" }}
[stores.new]
use = "file"
with = {{ path = "{folder}/new" }}
[stores.alias]
use = "file"
with = {{ path = "{folder}/new/../old" }}
[locks.default]
use = "memory"
"""
SPEC = named_spec("shop")


@pytest.fixture
async def site(tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "site.toml").write_text(SITE.format(folder=tmp_path))
    site = open_site(start=tmp_path)
    site.use_cluster(FakeCluster([]))
    site.lock_wait = timedelta()
    yield site
    await site.close()


@pytest.fixture
async def old(site):
    return await site.store_named("default", SPEC)


@pytest.fixture
async def new(site):
    return await site.store_named("new", SPEC)


async def a_rollout(store, name="shop"):
    snapshot = await store.put_snapshot(name, f"set of {name}".encode())
    revisions = (a_revision(1), a_revision(2, snapshot=snapshot))
    return await store.save(replace(a_full_state(name), revisions=revisions), after="")


async def move(site, *names, target="new", remove=False):
    moving = Move(site=site, source="default", target=target, actor="ann", is_removed=remove)
    return await moving.run(names)


async def test_a_move_brings_state_snapshots_and_key(site, old, new):
    state = await a_rollout(old)
    await old.put_key(b"key")
    [moved] = await move(site)
    found = await new.load("shop")

    assert (moved.rollout, moved.is_new, moved.snapshot_count, moved.is_removed) == (
        "shop", True, 1, False,
    )  # fmt: skip
    assert replace(found, version="", audit=()) == replace(state, version="", audit=())
    assert await new.get_snapshot("shop", state.revisions[-1].snapshot) == b"set of shop"
    assert await new.key() == b"key"


async def test_a_move_is_on_record_where_it_went(site, old, new):
    await a_rollout(old)
    await move(site)
    [entry] = (await new.load("shop")).audit

    assert (entry.kind, entry.actor, entry.message) == (
        "move", "ann", "moved from store 'default' to 'new'",
    )  # fmt: skip


async def test_the_source_stays_as_it_was(site, old):
    state = await a_rollout(old)
    await move(site)

    assert await old.load("shop") == state


async def test_a_second_move_writes_nothing(site, old, new):
    await a_rollout(old)
    [first] = await move(site)
    [second] = await move(site)

    assert (second.is_new, second.version) == (False, first.version)


async def test_what_was_moved_can_be_removed(site, old, new):
    await a_rollout(old)
    [moved] = await move(site, remove=True)

    assert (moved.is_removed, await old.list(), await new.list()) == (True, (), ("shop",))


async def test_what_was_moved_before_can_be_removed(site, old, new):
    await a_rollout(old)
    await move(site)
    [moved] = await move(site, remove=True)

    assert (moved.is_new, await old.list(), await new.list()) == (False, (), ("shop",))


async def test_a_move_goes_there_and_back(site, old, new):
    state = await a_rollout(old)
    await move(site, remove=True)
    back = Move(site=site, source="new", target="default", actor="ann", is_removed=True)
    await back.run()
    found = await old.load("shop")

    assert found.inventory == state.inventory
    assert [one.kind for one in found.audit] == ["move", "move"]


async def test_only_the_named_rollout_moves(site, old, new):
    for name in ("shop", "shop-1", "shop-10"):
        await a_rollout(old, name)
    await move(site, "shop-1", remove=True)

    assert (await old.list(), await new.list()) == (("shop", "shop-10"), ("shop-1",))


async def test_a_target_that_knows_something_else_is_left_alone(site, old, new):
    await a_rollout(old)
    there = await new.save(RolloutState(rollout="shop"), after="")
    with pytest.raises(Refused, match=r"revision 0, 0 objects.*revision 2, 2 objects") as caught:
        await move(site, remove=True)

    assert "state forget shop --store new --confirm shop" in str(caught.value.hint)
    assert (await new.load("shop"), await old.list()) == (there, ("shop",))


async def test_a_state_that_changed_since_the_move_is_not_its_copy(site, old):
    await a_rollout(old)
    await move(site)
    state = await old.load("shop")
    entry = AuditEntry(at=datetime.now(UTC), kind="hold", actor="bob", message="freeze")
    await old.save(state.audited(entry), after=state.version)

    with pytest.raises(Refused, match="something else"):
        await move(site, remove=True)


async def test_a_target_with_another_key_is_refused(site, old, new):
    await a_rollout(old)
    await old.put_key(b"old")
    await new.put_key(b"new")
    with pytest.raises(Refused, match="another installation key"):
        await move(site)

    assert await new.list() == ()


async def test_two_names_of_one_place_lose_nothing(site, old):
    await a_rollout(old)
    with pytest.raises(Refused, match="one place; nothing was removed"):
        await move(site, target="alias", remove=True)

    assert await old.list() == ("shop",)


async def test_a_snapshot_that_is_gone_is_told(site, old):
    await old.save(a_full_state(), after="")  # names a snapshot that nobody kept
    [moved] = await move(site)

    assert (moved.lost, moved.snapshot_count) == (("sha256:" + "0" * 64,), 0)


async def test_a_run_at_work_keeps_its_state(site, old, new):
    await a_rollout(old)
    locks = await site.locks(SPEC)
    owner = LockOwner(id="1", actor="bob", operation="rollout", host=socket.gethostname())
    async with locks.hold("shop", owner=owner, wait=timedelta()):
        with pytest.raises(LockHeld):
            await move(site)
        with pytest.raises(LockHeld):
            await keeping_state.forget(site, "shop", actor="ann")

    assert (await new.list(), await old.list()) == ((), ("shop",))


@pytest.mark.parametrize(
    ("target", "names", "error", "told"),
    [
        ("nwe", (), NotFound, "no store 'nwe'.*known: alias, default, new"),
        ("default", (), Refused, "one store"),
        ("new", ("shop", "shpo"), NotFound, "no rollout 'shpo' in store 'default'; known: shop"),
    ],
)
async def test_what_is_not_there_is_told_before_anything_moves(
    site, old, new, target, names, error, told
):
    await a_rollout(old)
    with pytest.raises(error, match=told):
        await move(site, *names, target=target)

    assert await new.list() == ()


async def test_a_forgotten_state_is_gone_from_one_store_alone(site, old, new):
    await a_rollout(old)
    await move(site)
    forgotten = await keeping_state.forget(site, "shop", actor="ann", store="new")

    assert (len(forgotten.inventory), await new.list(), await old.list()) == (2, (), ("shop",))


class Watched:
    """A store that shows what it was told."""

    def __init__(self, store):
        self.store, self.told = store, []

    def __getattr__(self, name):
        return getattr(self.store, name)

    async def save(self, state, *, after):
        self.told.append(state)
        return await self.store.save(state, after=after)


async def test_who_forgets_is_on_record_first(site, old):
    await a_rollout(old)
    site.use_store(watched := Watched(old))
    await keeping_state.forget(site, "shop", actor="ann")
    [entry] = watched.told[0].audit

    assert (entry.kind, entry.actor, entry.message) == (
        "forget", "ann", "forgotten in store 'default'; 2 objects stay",
    )  # fmt: skip
    assert await old.list() == ()


async def test_a_state_that_is_not_there_cannot_be_forgotten(site):
    with pytest.raises(NotFound, match="no rollout 'shop' in store 'default'; known: none"):
        await keeping_state.forget(site, "shop", actor="ann")


def config(name, rollout="shop", **metadata):
    labels = {"rollwright.dev/rollout": rollout} if rollout else {}
    return {
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "shop", "labels": labels, **metadata},
    }  # fmt: skip


def secret(name, **metadata):
    return {**config(name, **metadata), "kind": "Secret"}


def entry(name, uid):
    ref = ObjectRef("", "ConfigMap", "shop", name)
    return InventoryEntry(ref=ref, api_version="v1", uid=uid)


@pytest.fixture
async def checked(site, old):
    """Put objects there, remember others, and check."""

    async def check(bodies, entries, **state):
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
        site.use_cluster(cluster := FakeCluster([namespace]))
        uids = {(live := cluster.put(body)).ref.name: live.uid for body in bodies}
        inventory = tuple(entry(name, uids.get(uid, uid)) for name, uid in entries.items())
        await old.save(RolloutState(rollout="shop", inventory=inventory, **state), after="")
        return await keeping_state.check(site, "shop")

    return check


async def test_a_state_that_tells_the_truth_has_no_findings(checked):
    found = await checked([config("a"), config("b", rollout="")], {"a": "a", "b": "b"})

    assert (found.is_true, found.findings, found.notes) == (True, (), ())


@pytest.mark.parametrize(
    ("bodies", "entries", "what", "told"),
    [
        ([], {"a": "uid-of-a"}, "missing", "is not in the cluster"),
        ([], {"a": ""}, "missing", "was intended"),
        ([config("a")], {"a": "another"}, "foreign", "the one that was applied had another"),
        ([config("a", rollout="bank")], {"a": "a"}, "claimed", "of rollout 'bank'"),
        ([config("a")], {"a": ""}, "unconfirmed", "a run that did not end"),
    ],
)
async def test_what_is_not_as_remembered_is_told(checked, bodies, entries, what, told):
    [finding] = (await checked(bodies, entries)).findings

    assert (finding.ref.name, finding.what, told in finding.text) == ("a", what, True)


async def test_what_carries_the_label_and_is_not_remembered_is_told(checked):
    owned = {"ownerReferences": [{"kind": "X", "name": "x", "uid": "1", "apiVersion": "v1"}]}
    bodies = [
        config("a"), config("stray"), config("child", **owned), secret("other-kind"),
        secret("child", **owned), secret("of-another", rollout="shop-1"),
    ]  # fmt: skip
    found = await checked(bodies, {"a": "a"})

    assert [(str(one.ref), one.what) for one in found.findings] == [
        ("ConfigMap/shop/stray", "unlisted"),
        ("Secret/shop/other-kind", "unlisted"),
    ]


async def test_the_state_of_another_cluster_is_told(checked):
    found = await checked([config("a")], {"a": "a"}, cluster_id="somewhere-else")

    assert found.notes == (f"the state is about cluster somewhere-else; this is {IDENTITY}",)
