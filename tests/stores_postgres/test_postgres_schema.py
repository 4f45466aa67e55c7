"""The tables: made once, whoever comes first; brought up to date; never below a newer program."""

from __future__ import annotations

import asyncio
import os
import sys
import zlib
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

import rollwright
from rollwright.errors import InvalidDocument, Refused
from rollwright.rollouts.state import RolloutState
from rollwright.stores.format import encode
from rollwright.stores.names import snapshot_id
from rollwright.stores.postgres.access import read_access
from rollwright.stores.postgres.options import PostgresOptions
from rollwright.stores.postgres.schema import HEAD, MIGRATIONS, migrate
from rollwright.stores.postgres.tables import METADATA
from rollwright.testing.store_contract import a_revision

LOADING = """
import asyncio, json, sys
from rollwright.stores.postgres.store import PostgresStore
from rollwright.testing.fake import FakeCluster

async def main():
    store = PostgresStore.model_validate(json.loads(sys.argv[1])).bind(FakeCluster())
    print(await store.list())
    await store.close()

asyncio.run(main())
"""


def test_the_newest_step_is_the_one_that_is_asked_for():
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))

    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_the_steps_ship_with_the_package():
    package = Path(rollwright.__file__).parent

    assert MIGRATIONS.is_relative_to(package)


async def test_many_processes_at_once_make_the_tables_once(options, sql):
    import json

    async def load() -> tuple[int | None, bytes]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", LOADING, json.dumps(options),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=dict(os.environ),
        )  # fmt: skip
        out, err = await process.communicate()
        return process.returncode, out + err

    done = await asyncio.gather(*(load() for _ in range(5)))
    versions = await sql("SELECT version_num FROM schema_version")

    assert done == [(0, b"()\n")] * 5
    assert [row[0] for row in versions] == [HEAD]


async def test_stores_of_one_process_make_the_tables_once(bind):
    stores = [bind() for _ in range(4)] + [bind(schema="apart") for _ in range(4)]

    assert await asyncio.gather(*(store.list() for store in stores)) == [()] * 8


async def test_an_older_schema_is_brought_up_to_date(options, store, sql):
    await migrate(read_access(PostgresOptions.model_validate(options)), to="0001")
    state = RolloutState(rollout="shop", revisions=(a_revision(1), a_revision(2)))
    data = encode(state)
    await sql(
        "INSERT INTO states (cluster_id, rollout, cluster_name, object_count, revision,"
        " is_running, version, token, digest, content) VALUES ('uid-1', 'shop', 'prod', 0, 2, false, '7-abc', 3, $1, $2),"
        " ('uid-1', 'damaged', 'prod', 0, 2, false, '1-abc', 3, '', 'nonsense')",
        snapshot_id(data), zlib.compress(data),
    )  # fmt: skip
    loaded = await store.load("shop")

    assert loaded is not None
    assert (loaded.version, loaded.revisions) == ("7-abc", state.revisions)
    assert await store.history() == (("shop", a_revision(2)), ("shop", a_revision(1)))


async def test_the_steps_lead_to_the_tables_that_statements_use(store, sql):
    await store.list()
    rows = await sql(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = current_schema() AND table_name <> 'schema_version'"
    )
    declared = {(table.name, one.name) for table in METADATA.tables.values() for one in table.c}

    assert {tuple(row) for row in rows} == declared


@pytest.mark.parametrize("version", ["0099", "f3a9b2"])
async def test_the_schema_of_a_newer_program_is_left_alone(bind, sql, version):
    await bind().list()
    await sql("UPDATE schema_version SET version_num = $1", version)
    with pytest.raises(InvalidDocument, match=f"version '{version}' is newer") as caught:
        await bind().list()

    assert "upgrade Rollwright" in str(caught.value.hint)


async def test_a_schema_with_tables_of_others_is_left_alone(store, options, sql):
    await sql(f"CREATE SCHEMA {options['schema']}")
    await sql("CREATE TABLE states (mine text)")
    with pytest.raises(InvalidDocument, match="already exists") as caught:
        await store.list()

    assert "choose another `schema`" in str(caught.value.hint)
    assert await sql("SELECT to_regclass('snapshots')") == [(None,)]


async def test_a_table_that_was_lost_is_told(store, sql):
    await store.list()
    await sql("DROP TABLE snapshots")

    with pytest.raises(InvalidDocument, match="does not exist"):
        await store.put_snapshot("shop", b"data")


async def test_without_the_right_to_make_a_schema_it_says_which(bind, sql, options, monkeypatch):
    role = f"reader_{options['schema']}"
    await sql(f"CREATE ROLE {role} LOGIN PASSWORD 'only reads'")
    monkeypatch.setenv("READER", "only reads")
    with pytest.raises(Refused, match="permission denied") as caught:
        await bind(user=role, password={"env": "READER"}).list()

    assert f"CREATE SCHEMA IF NOT EXISTS {options['schema']} AUTHORIZATION {role}" in (
        str(caught.value.hint)
    )


async def test_a_schema_that_is_there_needs_no_right_to_make_one(bind, sql, options, monkeypatch):
    role = f"owner_{options['schema']}"
    await sql(f"CREATE ROLE {role} LOGIN PASSWORD 'owns'")
    await sql(f"CREATE SCHEMA {options['schema']} AUTHORIZATION {role}")
    monkeypatch.setenv("OWNER", "owns")

    assert await bind(user=role, password={"env": "OWNER"}).list() == ()
