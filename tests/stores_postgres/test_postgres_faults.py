"""A server that goes away, and one that does not let us in."""

from __future__ import annotations

import asyncio
import os
import signal
import traceback
from dataclasses import replace

import pytest

from rollwright.errors import NotFound, RolloutError, StateConflict, Unauthorized, Unreachable
from rollwright.stores.postgres.database import Broken, Database
from rollwright.stores.postgres.failures import Failure
from rollwright.stores.postgres.states import PostgresStates
from rollwright.stores.postgres.store import PostgresStore
from rollwright.testing.fake import FakeCluster
from rollwright.testing.store_contract import a_full_state


async def test_a_server_that_was_restarted_is_found_again(postgres, store):
    saved = await store.save(a_full_state(), after="")
    postgres.stop()
    postgres.start()

    assert await store.load("shop") == saved


async def test_a_server_that_was_killed_keeps_what_was_saved(postgres, store):
    saved = await store.save(a_full_state(), after="")
    postgres.kill()
    with pytest.raises(Unreachable) as caught:
        await store.save(replace(saved, token=99), after=saved.version)
    postgres.start()

    assert (caught.value.retryable, "is it running" in str(caught.value.hint)) == (True, True)
    assert await store.load("shop") == saved
    assert (await store.save(replace(saved, token=99), after=saved.version)).token == 99


async def test_a_connection_that_is_cut_is_made_anew(store, sql, options):
    saved = await store.save(a_full_state(), after="")
    await sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'rollwright'"
    )

    assert await store.save(replace(saved, token=50), after=saved.version)


async def test_a_connection_that_is_cut_amid_a_save_costs_nothing(store, sql):
    saved = await store.save(a_full_state(), after="")
    await sql("BEGIN")
    await sql("SELECT * FROM states FOR UPDATE")  # the save has to wait
    task = asyncio.create_task(store.save(replace(saved, token=50), after=saved.version))
    cut: list[object] = []
    while not cut:
        cut = await sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        )
    await sql("COMMIT")
    again = await task

    assert await store.load("shop") == again


class Forgetful(Database):
    """A database whose first answer to a piece of work is lost on its way."""

    is_losing = False

    async def write(self, work):
        await self._make_ready()
        self.is_losing = True
        return await super().write(work)

    async def _told(self, once):
        found = await super()._told(once)
        if self.is_losing:
            self.is_losing = False
            raise Broken(Failure(is_broken=True))
        return found


@pytest.fixture
async def forgetful(options, store):
    database = Forgetful(PostgresStore.model_validate(options))
    yield PostgresStates(store._cluster, database)
    await database.close()


async def test_a_save_whose_answer_was_lost_was_done(store, forgetful):
    first = await store.save(a_full_state(), after="")
    second = await forgetful.save(replace(first, token=50), after=first.version)

    assert await store.load("shop") == second


async def test_a_first_save_whose_answer_was_lost_was_done(store, forgetful):
    saved = await forgetful.save(a_full_state(), after="")

    assert await store.load("shop") == saved


async def test_a_delete_whose_answer_was_lost_was_done(store, forgetful):
    saved = await store.save(a_full_state(), after="")
    await forgetful.delete("shop", after=saved.version)

    assert await store.list() == ()


async def test_a_row_that_somebody_locks_is_waited_for_only_so_long(bind, sql):
    store = bind(timeout="300ms")
    saved = await store.save(a_full_state(), after="")
    await sql("BEGIN")
    await sql("SELECT * FROM states FOR UPDATE")
    with pytest.raises(Unreachable, match="timeout") as caught:
        await store.save(replace(saved, token=50), after=saved.version)
    await sql("COMMIT")

    assert "pg_stat_activity" in str(caught.value.hint)


async def test_a_frozen_server_is_given_up_and_found_again(bind, sql, postgres):
    store = bind(timeout="300ms")
    saved = await store.save(a_full_state(), after="")
    [row] = await sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'rollwright'")
    os.kill(row["pid"], signal.SIGSTOP)
    try:
        with pytest.raises(Unreachable, match="no answer in time"):
            await store.save(replace(saved, token=50), after=saved.version)
    finally:
        os.kill(row["pid"], signal.SIGCONT)

    assert await store.load("shop") == saved


async def test_a_wrong_password_is_told_and_not_shown(bind, monkeypatch):
    monkeypatch.setenv("WRONG", "hunter2-hunter2")
    store = bind(password={"env": "WRONG"})
    with pytest.raises(Unauthorized, match="password authentication failed") as caught:
        await store.load("shop")

    shown = "".join(traceback.format_exception(caught.value)) + repr(store) + str(caught.value.hint)
    assert ("hunter2" in shown, "check user and password" in shown) == (False, True)


@pytest.mark.parametrize(
    ("changed", "error", "told"),
    [
        ({"port": 1}, Unreachable, "127.0.0.1:1/postgres"),
        ({"host": "no-such-host.invalid"}, Unreachable, "no-such-host"),
        ({"database": "nowhere"}, NotFound, 'database "nowhere" does not exist'),
        ({"user": "nobody"}, Unauthorized, "nobody"),
        ({"tls": {}}, Unreachable, "SSL"),
        ({"tls": {"ca": "/no/such/file"}}, NotFound, "/no/such/file"),
        ({"password": {"env": "NOT_SET_HERE"}}, NotFound, "variable NOT_SET_HERE"),
        ({"password": {"file": "/no/such/file"}}, NotFound, "/no/such/file"),
    ],
)
async def test_what_is_wrong_is_told_with_what_to_do(bind, changed, error, told):
    with pytest.raises(error, match=told) as caught:
        await bind(**changed).list()

    assert caught.value.hint


async def test_a_checkup_tells_the_version(store):
    assert "schema version" in await store.checkup()


async def test_more_writers_than_connections_take_turns(bind):
    store = bind(poolSize=2)
    await asyncio.gather(*(store.save(a_full_state(f"shop-{n}"), after="") for n in range(20)))

    assert len(await store.list()) == 20


async def test_an_error_of_the_server_is_told_with_its_code(store, sql):
    await store.list()
    await sql("ALTER TABLE states ADD CONSTRAINT never CHECK (token < 0)")

    with pytest.raises(RolloutError, match="SQLSTATE 23514"):
        await store.save(a_full_state(), after="")


async def test_a_stale_save_after_a_restart_still_conflicts(postgres, store):
    first = await store.save(a_full_state(), after="")
    second = await store.save(replace(first, token=50), after=first.version)
    postgres.kill()
    postgres.start()
    with pytest.raises(StateConflict):
        await store.save(replace(first, token=51), after=first.version)

    assert await store.load("shop") == second


def test_a_store_serves_one_loop_after_another(options):
    store = PostgresStore.model_validate(options).bind(FakeCluster())

    async def save() -> tuple[str, ...]:
        await store.put_key(b"key")
        names = await store.list()
        await store.close()
        return names

    assert (asyncio.run(save()), asyncio.run(save())) == ((), ())
