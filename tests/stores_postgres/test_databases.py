"""Databases of site.toml, asked and told, on a real server."""

from __future__ import annotations

import asyncio

import pytest

from rollwright.engine.inputs.databases import execute, query
from rollwright.engine.site import Site
from rollwright.engine.site_file import LoadedSite
from rollwright.engine.site_file.model import SiteFile
from rollwright.errors import (
    InvalidDocument,
    InvalidSpec,
    NotFound,
    RolloutError,
    Unauthorized,
    Unreachable,
)


@pytest.fixture
async def make_site(options, tmp_path):
    made = []

    def make(use="postgres", **changed):
        given = {"use": use, "with": {**options, **changed}}
        file = SiteFile.model_validate({"databases": {"main": given}})
        site = Site(LoadedSite(file=file, path=None, root=tmp_path))
        made.append(site)
        return site

    yield make
    for one in made:
        await one.close()


@pytest.fixture
async def site(make_site, sql, options):
    await sql(f'CREATE SCHEMA "{options["schema"]}"')
    await sql("CREATE TABLE customers (name text PRIMARY KEY, replicas int)")
    await sql("INSERT INTO customers VALUES ('acme', 3), ('zeta', 1)")
    return make_site()


async def test_rows_are_mappings_in_the_order_of_the_statement(site):
    rows = await query(site, "main", "SELECT * FROM customers ORDER BY name")

    assert rows == ({"name": "acme", "replicas": 3}, {"name": "zeta", "replicas": 1})


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("NULL", None),
        ("true", True),
        ("12345678901234567890.10::numeric", "12345678901234567890.10"),
        ("9007199254740993::bigint", 9007199254740993),
        ("1.5::float8", 1.5),
        ("'NaN'::float8", "nan"),
        (r"'\xdeadbeef'::bytea", "deadbeef"),
        ("'2026-01-02'::date", "2026-01-02"),
        ("'2026-01-02 03:04:05+00'::timestamptz", "2026-01-02T03:04:05+00:00"),
        ("'03:04:05'::time", "03:04:05"),
        ("interval '90 seconds'", 90.0),
        ("'7f9c24e8-3b12-4fef-91e0-6b2f3d1f5a10'::uuid", "7f9c24e8-3b12-4fef-91e0-6b2f3d1f5a10"),
        ("'10.0.0.1'::inet", "10.0.0.1"),
        ("ARRAY[1,2]", [1, 2]),
        ("""'{"a": [1, null]}'::jsonb""", {"a": [1, None]}),
        ("""'"text"'::json""", "text"),
        ("""ARRAY['{"a":1}'::jsonb]""", [{"a": 1}]),
        ("ROW(1, 'x')::customers_like", {"a": 1, "b": "x"}),
        ("B'101'", "101"),
        ("int4range(1, 3)", "[1,3)"),
        ("numrange(NULL, 1.50)", "(,1.50)"),
        ("""'{"n": 123456789012345678901}'::jsonb""", {"n": "123456789012345678901"}),
        ("""'{"n": 1e400}'::json""", {"n": "1e400"}),
    ],
)
async def test_every_type_becomes_what_json_has(site, sql, expression, value):
    await sql("CREATE TYPE customers_like AS (a int, b text)")

    assert await query(site, "main", f"SELECT {expression} AS v") == ({"v": value},)


async def test_parameters_are_bound_not_written_into_the_statement(site):
    statement = "SELECT replicas FROM customers WHERE name = $1"

    assert await query(site, "main", statement, "acme' OR '1'='1") == ()


async def test_a_query_writes_nothing(site, sql):
    with pytest.raises(InvalidDocument, match="read-only transaction"):
        await query(site, "main", "DELETE FROM customers RETURNING name")

    assert len(await sql("SELECT * FROM customers")) == 2


@pytest.mark.parametrize(
    "statement",
    ["NOTIFY news", "LOCK TABLE customers", "COPY customers TO PROGRAM 'true'", "BEGIN"],
)
async def test_what_asks_for_nothing_is_not_executed(site, statement):
    with pytest.raises(InvalidDocument, match="gives no columns"):
        await query(site, "main", statement)


@pytest.mark.parametrize("value", ["'2026-01-01 BC'::date", "'24:00'::time"])
async def test_a_value_that_nothing_here_can_hold_is_told(site, value):
    with pytest.raises(InvalidDocument, match="a value that cannot be read") as told:
        await query(site, "main", f"SELECT {value} AS v")

    assert "::text" in (told.value.hint or "")


LOSES_ONCE = """
CREATE FUNCTION loses_once() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
  IF pg_advisory_unlock(4711) THEN RETURN 1; END IF;
  PERFORM pg_advisory_lock(4711);  -- outlives the transaction, as nothing else does
  RAISE EXCEPTION 'restart transaction' USING ERRCODE = '40001';
END $$
"""


async def test_a_transaction_that_lost_is_made_again(site, sql, options):
    await sql(LOSES_ONCE)
    statement = f'SELECT "{options["schema"]}".loses_once() AS n'

    assert await query(site, "main", statement) == ({"n": 1},)


async def test_a_query_that_nobody_waits_for_any_more_is_ended_at_the_server(site, sql):
    asking = asyncio.create_task(query(site, "main", "SELECT pg_sleep(60) AS abandoned"))
    at_work = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(60) AS aband%'"
    async with asyncio.timeout(20):
        while not await sql(at_work):
            await asyncio.sleep(0.02)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        while await sql(at_work):
            await asyncio.sleep(0.02)

    assert asking.cancelled()


async def test_a_query_may_write_where_the_caller_says_so(site, sql):
    statement = "DELETE FROM customers WHERE name = $1 RETURNING name"

    assert await query(site, "main", statement, "acme", is_read_only=False) == ({"name": "acme"},)
    assert len(await sql("SELECT * FROM customers")) == 1


async def test_execute_changes_rows(site, sql):
    await execute(site, "main", "UPDATE customers SET replicas = $2 WHERE name = $1", "acme", 9)

    assert await sql("SELECT replicas FROM customers WHERE name = 'acme'") == [(9,)]


async def test_execute_is_one_transaction(site, sql):
    with pytest.raises(RolloutError):
        await execute(site, "main", "DELETE FROM customers; INSERT INTO customers SELECT 1/0")

    assert len(await sql("SELECT * FROM customers")) == 2


async def test_two_columns_of_one_name_are_refused(site):
    with pytest.raises(InvalidDocument, match="two columns are called 'name'"):
        await query(site, "main", "SELECT name, name FROM customers")


async def test_too_many_rows_are_refused_before_they_fill_the_memory(site):
    with pytest.raises(InvalidDocument, match="more than 100,000 rows"):
        await query(site, "main", "SELECT generate_series(1, 100000000) AS n")


async def test_too_much_text_is_refused(site):
    with pytest.raises(InvalidDocument, match="bytes"):
        await query(site, "main", "SELECT repeat('x', 1000000) AS t FROM generate_series(1, 1000)")


async def test_a_mistake_tells_database_and_statement(site):
    statement = "SELECT nothing FROM nowhere WHERE " + "x = 1 AND " * 50 + "true"
    with pytest.raises(InvalidDocument) as told:
        await query(site, "main", statement)

    assert "database 'main': SELECT nothing FROM nowhere" in str(told.value)
    assert 'relation "nowhere" does not exist (SQLSTATE 42P01)' in str(told.value)
    assert len(str(told.value)) < 250


async def test_a_parameter_that_does_not_fit_is_not_quoted(site):
    with pytest.raises(InvalidDocument) as told:
        await query(site, "main", "SELECT $1::int AS n", "hunter2")

    assert "hunter2" not in str(told.value)


async def test_an_unknown_database_tells_the_known_ones(site):
    with pytest.raises(NotFound, match=r"no database 'mian' in site\.toml; known: main"):
        await query(site, "mian", "SELECT 1 AS n")


async def test_an_unknown_kind_of_database_tells_the_known_ones(make_site):
    with pytest.raises(NotFound, match="no kind of database 'mysql'; known: postgres, cockroach"):
        await query(make_site(use="mysql"), "main", "SELECT 1 AS n")


async def test_cockroachdb_is_asked_in_the_same_way(make_site):
    site = make_site(use="cockroachdb")

    assert await query(site, "main", "SELECT 1 AS n") == ({"n": 1},)


async def test_a_wrong_password_is_told_without_it(make_site, monkeypatch):
    monkeypatch.setenv("TEST_POSTGRES_PASSWORD", "wrong-horse")
    with pytest.raises(Unauthorized) as told:
        await query(make_site(), "main", "SELECT 1 AS n")

    assert "wrong-horse" not in str(told.value)


async def test_nobody_at_the_port_is_unreachable(make_site):
    with pytest.raises(Unreachable, match="database 'main'"):
        await query(make_site(port=1), "main", "SELECT 1 AS n")


async def test_a_statement_that_takes_too_long_is_ended(make_site):
    with pytest.raises(Unreachable, match="statement timeout"):
        await query(make_site(timeout="200ms"), "main", "SELECT pg_sleep(30)")


async def test_no_connection_is_left(site, sql):
    await query(site, "main", "SELECT 1 AS n")
    with pytest.raises(InvalidDocument):
        await query(site, "main", "SELEC")
    statement = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'rollwright'"

    assert await sql(statement) == [(0,)]


async def test_wrong_options_are_told_with_their_place(make_site):
    with pytest.raises(InvalidSpec, match=r"databases\.main\.poolSize"):
        await query(make_site(poolSize=0), "main", "SELECT 1 AS n")


def test_options_may_stand_beside_the_kind():
    entry = {"use": "postgres", "host": "db", "with": {"port": 1}}
    file = SiteFile.model_validate({"databases": {"main": entry}})

    assert file.databases["main"].options == {"host": "db", "port": 1}


def test_a_query_of_an_undeclared_database_is_a_mistake_of_the_site():
    from rollwright.engine.site_file.reading import parse_site

    text = '[queries.tenants]\ndatabase = "main"\nstatement = "SELECT 1"\n'
    with pytest.raises(InvalidSpec) as told:
        parse_site(text)

    assert "queries.tenants.database: no database 'main'; known: none" in str(told.value)
