"""What PostgreSQL adds to the contract: clusters apart, old tokens refused, a history to ask."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from rollwright.errors import InvalidDocument, NotFound, StateConflict
from rollwright.rollouts.state import RolloutState
from rollwright.testing.store_contract import AN_INSTANT, a_full_state, a_revision, an_entry


async def test_states_of_different_clusters_never_mix(bind):
    here, there = bind("uid-1"), bind("uid-2")
    saved = await here.save(a_full_state(), after="")
    other = await there.save(RolloutState(rollout="shop"), after="")
    await there.put_key(b"there")
    await there.delete("shop", after=other.version)

    assert await here.load("shop") == saved
    assert (await here.key(), await there.list()) == (None, ())


async def test_a_cluster_keeps_its_states_under_another_name(bind):
    saved = await bind("uid-1", "prod").save(a_full_state(), after="")

    assert await bind("uid-1", "kind-of-mine").load("shop") == saved


async def test_two_schemas_of_a_database_are_two_stores(bind):
    await bind().save(a_full_state(), after="")

    assert await bind(schema="another_one").list() == ()


async def test_a_write_with_an_older_token_is_refused(store):
    first = await store.save(RolloutState(rollout="shop", token=7), after="")
    with pytest.raises(StateConflict, match=r"later lock \(7\).*ours is 6"):
        await store.save(replace(first, token=6), after=first.version)

    assert await store.load("shop") == first


async def test_eight_writers_lose_no_update(bind):
    writers = [bind() for _ in range(8)]
    await writers[0].save(RolloutState(rollout="shop", extra={"count": "0"}), after="")

    async def add(store) -> None:
        done = 0
        while done < 5:
            state = await store.load("shop")
            extra = {"count": str(int(state.extra["count"]) + 1)}
            try:
                await store.save(replace(state, extra=extra), after=state.version)
            except StateConflict:
                continue
            done += 1

    await asyncio.gather(*map(add, writers))

    assert (await writers[0].load("shop")).extra["count"] == "40"


async def test_five_thousand_entries_come_back(store):
    inventory = tuple(an_entry(number) for number in range(5000))
    saved = await store.save(RolloutState(rollout="shop", inventory=inventory), after="")

    assert await store.load("shop") == saved


async def test_the_history_outlives_the_state_of_a_rollout(store):
    state = RolloutState(rollout="shop", revisions=tuple(map(a_revision, range(1, 201))))
    saved = await store.save(state, after="")
    await store.save(replace(saved, revisions=saved.revisions[-10:]), after=saved.version)
    found = await store.history("shop", limit=1000)

    assert [one.number for _, one in found] == list(range(200, 0, -1))


async def test_the_history_can_be_asked(store):
    for name in ("shop", "shop-1"):
        revisions = (a_revision(1), replace(a_revision(2), outcome="failed"), a_revision(3))
        await store.save(RolloutState(rollout=name, revisions=revisions), after="")
    since = AN_INSTANT + timedelta(minutes=2)
    failed = await store.history(outcome="failed", since=since)

    assert failed == (
        ("shop", replace(a_revision(2), outcome="failed")),
        ("shop-1", replace(a_revision(2), outcome="failed")),
    )
    assert len(await store.history(limit=4)) == 4


@pytest.mark.parametrize(
    "question",
    [
        "EXPLAIN SELECT * FROM revisions WHERE cluster_id = 'c' AND ended_at > now() ORDER BY ended_at",
        "EXPLAIN SELECT * FROM revisions WHERE cluster_id = 'c' AND outcome = 'failed'",
        "EXPLAIN SELECT * FROM revisions WHERE cluster_id = 'c' ORDER BY ended_at DESC LIMIT 9",
    ],
)
async def test_history_queries_use_an_index(store, sql, question):
    await store.list()
    await sql("SET enable_seqscan = off")
    rows = await sql(question)

    assert "revisions_by_" in "".join(row[0] for row in rows)


async def test_a_revision_that_changed_is_told_as_it_is_now(store):
    first = await store.save(RolloutState(rollout="shop", revisions=(a_revision(1),)), after="")
    told = replace(a_revision(1), message="went\x00wrong")
    await store.save(replace(first, revisions=(told,)), after=first.version)
    [(_, found)] = await store.history("shop")

    assert found.message == "went\ufffdwrong"


async def test_a_snapshot_goes_with_its_last_revision(store):
    snapshot = await store.put_snapshot("shop", b"data")
    revisions = (a_revision(1, snapshot=snapshot), a_revision(2))
    first = await store.save(RolloutState(rollout="shop", revisions=revisions), after="")
    await store.save(replace(first, revisions=revisions[1:]), after=first.version)

    with pytest.raises(NotFound):
        await store.get_snapshot("shop", snapshot)


async def test_a_conflict_drops_no_snapshot(bind):
    store, other = bind(), bind()
    snapshot = await store.put_snapshot("shop", b"data")
    revisions = (a_revision(1, snapshot=snapshot),)
    first = await store.save(RolloutState(rollout="shop", revisions=revisions), after="")
    await other.save(replace(first, token=2), after=first.version)
    with pytest.raises(StateConflict):
        await store.save(replace(first, revisions=()), after=first.version)

    assert await store.get_snapshot("shop", snapshot) == b"data"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE states SET content = '\\x00' WHERE rollout = 'other'",
        "UPDATE states SET content = substr(content, 1, 40) WHERE rollout = 'other'",
        "UPDATE states SET digest = 'sha256:00' WHERE rollout = 'other'",
        "UPDATE states a SET content = b.content, digest = b.digest FROM states b WHERE a.rollout > b.rollout",
    ],
)
async def test_a_damaged_state_is_told(store, sql, change):
    await store.save(a_full_state("other"), after="")
    await store.save(a_full_state("bank"), after="")
    await sql(change)
    with pytest.raises(InvalidDocument, match=r"schema 'test_\d+': state of 'other'") as caught:
        await store.load("other")

    assert caught.value.hint
    assert await store.load("bank")


async def test_a_damaged_snapshot_is_told_and_mended(store, sql):
    snapshot = await store.put_snapshot("shop", b"data")
    await sql("UPDATE snapshots SET content = 'nonsense'")
    with pytest.raises(InvalidDocument, match="damaged"):
        await store.get_snapshot("shop", snapshot)
    await store.put_snapshot("shop", b"data")

    assert await store.get_snapshot("shop", snapshot) == b"data"


async def test_an_empty_key_there_is_damage(store, sql):
    await store.put_key(b"key")
    await sql("UPDATE installation_keys SET content = ''")

    with pytest.raises(InvalidDocument, match="empty"):
        await store.key()


async def test_the_cluster_is_asked_once_and_first(store):
    await store.list()
    await store.save(a_full_state(), after="")

    assert store._cluster.asked == 1


async def test_people_see_with_psql_what_is_there(store, sql):
    await store.save(a_full_state(), after="")
    [row] = await sql("SELECT * FROM states")

    assert (row["cluster_name"], row["object_count"], row["revision"], row["is_running"]) == (
        "prod", 2, 2, True,
    )  # fmt: skip
