"""How people say where the server is: a DSN or its parts, and never a password."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rollwright.errors import InvalidDocument, InvalidSpec
from rollwright.plugins.registry import Registry
from rollwright.stores.postgres.access import read_access
from rollwright.stores.postgres.store import PostgresStore


def access(**options):
    return read_access(PostgresStore.model_validate(options))


def test_without_options_it_is_the_server_of_this_machine():
    found = access()

    assert (found.host, found.port, found.database, found.user, found.schema) == (
        "localhost", 5432, "rollwright", "rollwright", "rollwright",
    )  # fmt: skip


def test_a_dsn_says_it_all():
    found = access(dsn="postgresql://me%40here@db.example:6432/state?sslmode=require")

    assert (found.host, found.port, found.database, found.user) == (
        "db.example", 6432, "state", "me@here",
    )  # fmt: skip
    assert found.tls.mode == "require"


def test_a_dsn_that_is_a_secret_may_hold_the_password(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgres://me:s3cr%2Ft@db/state")
    found = access(dsn={"env": "DATABASE_URL"})

    assert (found.password, "s3cr" in repr(found)) == ("s3cr/t", False)


def test_a_password_of_its_own_comes_before_that_of_the_dsn(monkeypatch, tmp_path):
    monkeypatch.setenv("DATABASE_URL", "postgres://me:old@db/state")
    (tmp_path / "password").write_text("new\n")
    password = {"file": str(tmp_path / "password")}

    assert access(dsn={"env": "DATABASE_URL"}, password=password).password == "new"


@pytest.mark.parametrize(
    "options",
    [
        {"dsn": "postgresql://me:hunter2@db/state"},
        {"dsn": "mysql://me@hunter2/state"},
        {"dsn": "postgresql://me@db:hunter2/state"},
        {"dsn": "postgresql://me@db/state?password=hunter2"},
        {"dsn": {"env": "A", "file": "hunter2"}},
        {"password": "hunter2"},
        {"password": {"env": ""}},
    ],
)
def test_a_secret_in_the_document_is_refused_and_not_quoted(options):
    with pytest.raises(InvalidSpec) as caught:
        Registry().build("stores", "postgres", options)

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"dsn": "postgresql://db", "host": "db"}, "leave host out"),
        ({"dsn": "postgresql://db?sslmode=verify"}, "unknown sslmode"),
        ({"dsn": "postgresql://db?target_session_attrs=any"}, "unknown parameter"),
        ({"dsn": "postgresql://db?sslcert=a"}, "belong together"),
        ({"tls": {"cert": "a"}}, "belong together"),
        ({"tls": {"mode": "maybe"}}, "verify-full"),
        ({"schema": "Robert'); DROP"}, "schema"),
        ({"schema": "pg_catalog"}, "pg_"),
        ({"port": 0}, "port"),
        ({"poolSize": 0}, "poolSize"),
        ({"timeout": "0s"}, "at least"),
        ({"timeout": 5}, "duration"),
        ({"passwd": {"env": "A"}}, "unknown option"),
    ],
)
def test_what_makes_no_sense_is_told(options, told):
    with pytest.raises(InvalidSpec, match=told):
        Registry().build("stores", "postgres", options)


def test_a_secret_dsn_that_is_none_is_told_and_not_quoted(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "mysql://me:hunter2@db")
    with pytest.raises(InvalidDocument, match="expected postgresql://") as caught:
        access(dsn={"env": "DATABASE_URL"})

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("mode", "is_name_checked", "verify"),
    [("require", False, 0), ("verify-ca", False, 2), ("verify-full", True, 2)],
)
def test_tls_asks_what_its_mode_says(mode, is_name_checked, verify):
    context = access(tls={"mode": mode}).arguments()["ssl"]

    assert (context.check_hostname, int(context.verify_mode)) == (is_name_checked, verify)


@pytest.mark.parametrize(("tls", "told"), [(None, "prefer"), ({"mode": "disable"}, False)])
def test_without_tls_nothing_is_verified(tls, told):
    assert access(**({"tls": tls} if tls else {})).arguments()["ssl"] == told


def test_listing_plugins_needs_no_database_library():
    code = (
        "import sys; from rollwright.plugins.registry import Registry;"
        "Registry().find('stores', 'postgres').model_json_schema();"
        "print([one for one in ('sqlalchemy', 'asyncpg', 'alembic') if one in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )  # fmt: skip

    assert done.stdout == "[]\n"
