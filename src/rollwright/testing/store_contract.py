"""What every store must do; see ``contracts`` for how to use it."""

# ruff: noqa: D102
# A test's name says what it asks; a docstring would say it again.

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from random import Random

import pytest

from rollwright.errors import NotFound, RolloutError, StateConflict
from rollwright.plugins.contracts import StateStore
from rollwright.rollouts.manifest import ObjectRef, digest_of
from rollwright.rollouts.state import Hold, InventoryEntry, Journal, Revision, RolloutState

AN_INSTANT = datetime(2031, 5, 4, 3, 2, 1, 987654, tzinfo=UTC)


def an_entry(number: int) -> InventoryEntry:
    """Return an entry with digests that do not compress, as real ones do not."""
    return InventoryEntry(
        ref=ObjectRef("apps", "Deployment", "shop", f"web-{number}"),
        api_version="apps/v1",
        uid=f"3d0f2b1c-0000-4000-8000-{number:012d}",
        wanted_digest=digest_of(("wanted", number)),
        owned_digest=digest_of(("owned", number)),
        resource_version=str(900_000 + number),
        wave=number % 3,
    )


def a_revision(number: int, *, snapshot: str = "") -> Revision:
    """Return one revision of a history."""
    return Revision(
        number=number,
        source=f"main@sha1:{number:040x}",
        digest=digest_of(number),
        outcome="succeeded",
        actor="ann",
        started_at=AN_INSTANT + timedelta(minutes=number),
        ended_at=AN_INSTANT + timedelta(minutes=number, seconds=30),
        snapshot=snapshot,
    )


def a_full_state(rollout: str = "shop") -> RolloutState:
    """Return a state in which every field says something."""
    survivor = replace(an_entry(2), why_kept="a guard refused its delete: «Böse» 🚢")
    return RolloutState(
        rollout=rollout,
        cluster_id="c6a1d3a0-1111-4222-8333-444455556666",
        inventory=(an_entry(1), survivor),
        revisions=(a_revision(1), a_revision(2, snapshot="sha256:" + "0" * 64)),
        journal=Journal(
            run_id="run-7",
            plan_id=digest_of("plan"),
            owner="ann@host",
            token=41,
            started_at=AN_INSTANT,
            planned=(an_entry(1).ref, ObjectRef("", "Namespace", "", "shop")),
        ),
        hold=Hold(reason="incident", actor="bob", since_at=AN_INSTANT, source="main@sha1:00"),
        token=41,
        extra={"zebra": "1", "ant": "2"},
    )


class StoreContract:
    """What a ``StateStore`` must do. Override the fixture ``store``: an empty one per test."""

    @pytest.fixture
    def store(self) -> StateStore:
        """Return an empty store."""
        raise NotImplementedError

    async def test_what_was_never_saved_is_none(self, store: StateStore) -> None:
        assert await store.load("shop") is None

    async def test_a_state_comes_back_as_it_was_saved(self, store: StateStore) -> None:
        saved = await store.save(a_full_state(), after="")

        assert await store.load("shop") == saved == replace(a_full_state(), version=saved.version)

    async def test_a_saved_state_has_a_version(self, store: StateStore) -> None:
        assert (await store.save(a_full_state(), after="")).version

    async def test_every_save_has_its_own_version(self, store: StateStore) -> None:
        first = await store.save(a_full_state(), after="")
        second = await store.save(first, after=first.version)

        assert second.version != first.version

    async def test_instants_come_back_in_utc(self, store: StateStore) -> None:
        there = timezone(timedelta(hours=5, minutes=30))
        hold = Hold(reason="night", actor="bob", since_at=AN_INSTANT.astimezone(there))
        await store.save(RolloutState(rollout="shop", hold=hold), after="")
        loaded = await store.load("shop")

        assert loaded
        assert loaded.hold
        assert loaded.hold.since_at.isoformat() == AN_INSTANT.isoformat()

    async def test_a_first_save_refuses_to_replace(self, store: StateStore) -> None:
        saved = await store.save(a_full_state(), after="")
        with pytest.raises(StateConflict):
            await store.save(RolloutState(rollout="shop"), after="")

        assert await store.load("shop") == saved

    async def test_a_stale_save_is_refused_and_changes_nothing(self, store: StateStore) -> None:
        first = await store.save(a_full_state(), after="")
        second = await store.save(replace(first, token=42), after=first.version)
        with pytest.raises(StateConflict):
            await store.save(replace(first, token=43), after=first.version)

        assert await store.load("shop") == second

    async def test_a_save_after_what_is_gone_is_refused(self, store: StateStore) -> None:
        first = await store.save(a_full_state(), after="")
        await store.delete("shop", after=first.version)

        with pytest.raises(StateConflict):
            await store.save(first, after=first.version)

    @pytest.mark.parametrize("after", ["", "a version"])
    async def test_of_two_saves_at_once_one_conflicts(self, store: StateStore, after: str) -> None:
        state = RolloutState(rollout="shop")
        if after:
            state = await store.save(state, after="")
        saves = (store.save(replace(state, token=number), after=state.version) for number in (1, 2))
        results = await asyncio.gather(*saves, return_exceptions=True)

        assert sorted(type(result).__name__ for result in results) == [
            "RolloutState",
            "StateConflict",
        ]

    async def test_saves_at_once_lose_no_update(self, store: StateStore) -> None:
        await store.save(RolloutState(rollout="shop", extra={"count": "0"}), after="")

        async def add(count: int) -> None:
            while count:
                state = await store.load("shop")
                assert state
                extra = {"count": str(int(state.extra["count"]) + 1)}
                try:
                    await store.save(replace(state, extra=extra), after=state.version)
                except StateConflict:
                    continue
                count -= 1

        await asyncio.gather(*(add(5) for _ in range(4)))
        loaded = await store.load("shop")

        assert loaded
        assert loaded.extra["count"] == "20"

    async def test_ten_thousand_objects_come_back(self, store: StateStore) -> None:
        inventory = tuple(an_entry(number) for number in range(10_000))
        saved = await store.save(RolloutState(rollout="shop", inventory=inventory), after="")
        again = await store.save(replace(saved, token=2), after=saved.version)

        assert await store.load("shop") == again

    async def test_a_large_state_can_become_small_again(self, store: StateStore) -> None:
        inventory = tuple(an_entry(number) for number in range(10_000))
        large = await store.save(RolloutState(rollout="shop", inventory=inventory), after="")
        small = await store.save(replace(large, inventory=inventory[:3]), after=large.version)

        assert await store.load("shop") == small

    async def test_two_hundred_revisions_come_back(self, store: StateStore) -> None:
        revisions = tuple(a_revision(number) for number in range(1, 201))
        saved = await store.save(RolloutState(rollout="shop", revisions=revisions), after="")

        assert await store.load("shop") == saved

    async def test_a_deleted_state_is_gone(self, store: StateStore) -> None:
        saved = await store.save(a_full_state(), after="")
        await store.delete("shop", after=saved.version)

        assert await store.load("shop") is None

    async def test_a_deleted_state_can_be_made_anew(self, store: StateStore) -> None:
        old = await store.save(a_full_state(), after="")
        await store.delete("shop", after=old.version)
        new = await store.save(a_full_state(), after="")

        assert new.version != old.version

    async def test_a_stale_delete_is_refused(self, store: StateStore) -> None:
        first = await store.save(a_full_state(), after="")
        second = await store.save(replace(first, token=42), after=first.version)
        for stale in (first.version, ""):
            with pytest.raises(StateConflict):
                await store.delete("shop", after=stale)

        assert await store.load("shop") == second

    async def test_a_delete_of_what_is_gone_is_refused(self, store: StateStore) -> None:
        saved = await store.save(a_full_state(), after="")
        await store.delete("shop", after=saved.version)

        with pytest.raises(StateConflict):
            await store.delete("shop", after=saved.version)

    async def test_rollouts_with_similar_names_are_apart(self, store: StateStore) -> None:
        names = ("shop", "shop-2", "shop-2-b", "sho", "p")
        saved = {name: await store.save(a_full_state(name), after="") for name in names}
        kept = await store.put_snapshot("shop-2", b"kept")
        await store.put_snapshot("shop", b"kept")
        await store.delete("shop", after=saved["shop"].version)

        assert [await store.load(name) for name in names] == [None, *map(saved.get, names[1:])]
        assert await store.get_snapshot("shop-2", kept) == b"kept"

    async def test_list_names_the_rollouts_in_order(self, store: StateStore) -> None:
        for name in ("shop-2", "bank", "shop"):
            await store.save(a_full_state(name), after="")
        await store.put_snapshot("only-a-snapshot", b"data")

        assert await store.list() == ("bank", "shop", "shop-2")

    async def test_list_of_an_empty_store_is_empty(self, store: StateStore) -> None:
        assert await store.list() == ()

    @pytest.mark.parametrize(
        "name", ["", ".", "..", "../shop", "a/b", "a.b", "Shop", "-a", "a" * 64]
    )
    async def test_a_name_that_is_no_label_is_refused(self, store: StateStore, name: str) -> None:
        with pytest.raises(RolloutError):
            await store.load(name)
        with pytest.raises(RolloutError):
            await store.save(RolloutState(rollout=name), after="")

    @pytest.mark.parametrize("size", [0, 1, 1000, 3_000_000])
    async def test_a_snapshot_comes_back(self, store: StateStore, size: int) -> None:
        data = Random(size).randbytes(size)  # noqa: S311  (bytes that do not compress)
        snapshot = await store.put_snapshot("shop", data)

        assert await store.get_snapshot("shop", snapshot) == data

    async def test_equal_snapshots_are_one(self, store: StateStore) -> None:
        first = await store.put_snapshot("shop", b"data")
        second = await store.put_snapshot("shop", b"data")

        assert first == second != await store.put_snapshot("shop", b"other")

    async def test_a_snapshot_that_is_named_outlives_saves(self, store: StateStore) -> None:
        snapshot = await store.put_snapshot("shop", b"data")
        revisions = (a_revision(1, snapshot=snapshot),)
        first = await store.save(RolloutState(rollout="shop", revisions=revisions), after="")
        await store.save(replace(first, token=2), after=first.version)

        assert await store.get_snapshot("shop", snapshot) == b"data"

    @pytest.mark.parametrize("snapshot", ["sha256:" + "0" * 64, "", "../shop", "sha256:"])
    async def test_an_unknown_snapshot_is_not_found(self, store: StateStore, snapshot: str) -> None:
        with pytest.raises(NotFound):
            await store.get_snapshot("shop", snapshot)

    async def test_snapshots_are_deleted_with_their_rollout(self, store: StateStore) -> None:
        snapshot = await store.put_snapshot("shop", b"data")
        saved = await store.save(a_full_state(), after="")
        await store.delete("shop", after=saved.version)

        with pytest.raises(NotFound):
            await store.get_snapshot("shop", snapshot)

    async def test_before_the_first_run_there_is_no_key(self, store: StateStore) -> None:
        assert await store.key() is None

    async def test_a_key_comes_back(self, store: StateStore) -> None:
        key = bytes(range(256))

        assert await store.put_key(key) == key == await store.key()

    async def test_the_first_key_stays(self, store: StateStore) -> None:
        first = await store.put_key(b"first")
        second = await store.put_key(b"second")

        assert first == second == await store.key() == b"first"

    async def test_keys_that_are_kept_at_the_same_time_are_one(self, store: StateStore) -> None:
        keys = await asyncio.gather(*(store.put_key(b"key %d" % number) for number in range(8)))

        assert set(keys) == {await store.key()}

    async def test_an_empty_key_is_refused(self, store: StateStore) -> None:
        with pytest.raises(ValueError, match="empty"):
            await store.put_key(b"")

        assert await store.key() is None

    async def test_a_key_is_no_rollout(self, store: StateStore) -> None:
        await store.put_key(b"key")

        assert await store.list() == ()

    @pytest.mark.parametrize("name", ["installation-key", "installation", "key"])
    async def test_a_rollout_of_that_name_leaves_the_key_alone(
        self, store: StateStore, name: str
    ) -> None:
        await store.put_key(b"key")
        saved = await store.save(a_full_state(name), after="")
        await store.put_snapshot(name, b"data")
        await store.delete(name, after=saved.version)

        assert await store.key() == b"key"
        assert await store.list() == ()
