"""Bringing the tables in PostgreSQL up to date, once, whoever comes first.

Before: the first call of a process finds a schema that is absent or old.
After: ``states`` reads and writes the tables.

One transaction does it all, under an advisory lock: of many processes that start at once one
works, the others wait and find it done; a crash leaves what was there before. Alembic keeps what
it works on in its modules, so it runs in a thread of its own, one at a time.
"""

from __future__ import annotations

import asyncio
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from rollwright.errors import InvalidDocument
from rollwright.stores.postgres.access import Access

if TYPE_CHECKING:
    from sqlalchemy import Connection

HEAD = "0003"
"""The newest version; ``migrations/versions`` leads to it."""

VERSION_TABLE = "schema_version"

MIGRATIONS = Path(__file__).with_name("migrations")

_ONE_AT_A_TIME = Lock()


def check_version(found: str, access: Access) -> bool:
    """Tell whether the schema is up to date.

    Raises:
        InvalidDocument: A newer program has changed it.
    """
    if found and (not found.isdecimal() or int(found) > int(HEAD)):
        raise InvalidDocument(
            f"{access.where} schema {access.schema!r}: version {found!r} is newer than this"
            f" program knows ({HEAD})",
            hint="upgrade Rollwright: a newer one has used this store",
        )
    return found == HEAD


async def migrate(access: Access, to: str = HEAD) -> None:
    """Bring the schema to a version, if it is not there yet."""
    await asyncio.to_thread(_migrate_in_thread, access, to)


def _migrate_in_thread(access: Access, to: str) -> None:
    with _ONE_AT_A_TIME:
        asyncio.run(_migrate(access, to))


async def _migrate(access: Access, to: str) -> None:
    import asyncpg  # noqa: PLC0415  (0.1 s; only whoever uses this store needs it)
    from sqlalchemy import text  # noqa: PLC0415  (see above)
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415  (see above)
    from sqlalchemy.pool import NullPool  # noqa: PLC0415  (see above)

    arguments = access.arguments()
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: asyncpg.connect(**arguments),
        poolclass=NullPool,
        hide_parameters=True,
    )
    try:
        async with engine.begin() as connection:
            lock = text("SELECT pg_advisory_xact_lock(:key)")
            await connection.execute(lock, {"key": _lock_key(access.schema)})
            found = await connection.run_sync(_version, access.schema)
            if found != to and not (to == HEAD and check_version(found, access)):
                await connection.run_sync(_upgrade, access.schema, to)
    finally:
        await engine.dispose()


def _lock_key(schema: str) -> int:
    """Return the number that programs of ours exclude one another by; others hardly use it."""
    digest = sha256(f"rollwright:{schema}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)


def _version(connection: Connection, schema: str) -> str:
    from sqlalchemy import inspect, text  # noqa: PLC0415  (see _migrate)

    if not inspect(connection).has_table(VERSION_TABLE, schema=schema):
        return ""
    return str(connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}")) or "")  # noqa: S608  (a constant)


def _upgrade(connection: Connection, schema: str, to: str) -> None:
    from alembic import command  # noqa: PLC0415  (0.2 s, and only the first time)
    from alembic.config import Config  # noqa: PLC0415  (see above)
    from sqlalchemy import inspect  # noqa: PLC0415  (see above)
    from sqlalchemy.schema import CreateSchema  # noqa: PLC0415  (see above)

    # NB: IF NOT EXISTS asks for the right to create schemas also where it exists.
    if not inspect(connection).has_schema(schema):
        connection.execute(CreateSchema(schema))
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    settings: dict[str, Any] = config.attributes
    settings.update(connection=connection, schema=schema, version_table=VERSION_TABLE)
    command.upgrade(config, to)
