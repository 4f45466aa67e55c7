"""The databases that ``site.toml`` names: rows for values and triggers, statements for reports.

Before: ``[databases.NAME]`` says where one is; a document names it, never an address.
After: ``configuration`` lays rows into values; checks and triggers report into tables.

``query`` reads in a read-only transaction, ``execute`` writes in one. Parameters are bound, never
put into the text of a statement. Each call opens a connection of its own and closes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from rollwright.engine.inputs.database_values import Columns, row_of
from rollwright.engine.progress import counted
from rollwright.errors import (
    InvalidDocument,
    InvalidSpec,
    NotFound,
    RolloutError,
    Unauthorized,
    Unreachable,
    excerpt,
)
from rollwright.plugins.options import problems_of
from rollwright.rollouts.spec.uses import Use
from rollwright.stores.postgres.access import Access, read_access
from rollwright.stores.postgres.failures import Failure, read_failure
from rollwright.stores.postgres.options import PostgresOptions

if TYPE_CHECKING:
    from rollwright.engine.site import Site

MAX_ROWS = 100_000
MAX_BYTES = 64 * 2**20
"""What one query may answer; counted as the text of its values."""

STATEMENT_SHOWN = 60
"""Characters of a statement that a message quotes."""

KINDS = ("postgres", "cockroachdb")
"""What ``use`` may say: both speak one protocol."""

_COCKROACH_PORT = 26257
_PAGE = 1000


async def query(
    site: Site, name: str, statement: str, *parameters: Any, is_read_only: bool = True
) -> tuple[Mapping[str, Any], ...]:
    """Return the rows that a statement gives, as values that JSON has.

    Numbers stay numbers, except that decimals become their exact text; so do UUIDs, addresses
    and ranges. Bytes are hex, instants and dates ISO 8601, intervals seconds. JSON columns are
    what they hold.

    Args:
        site: Names the database.
        name: Such as ``main`` of ``[databases.main]``.
        statement: One statement, with ``$1``, ``$2``, … for parameters. Never text from outside.
        parameters: Their values.
        is_read_only: Whether the database refuses a statement that writes.

    Raises:
        NotFound: site.toml names no such database, or a secret of it is not there.
        Unreachable: It does not answer, or not in time.
        InvalidDocument: It does not understand the statement, or gives too much.
    """
    with counted(site.tell, "database"):
        return await _asked(site, name, statement, parameters, is_read_only=is_read_only)


async def _asked(
    site: Site, name: str, statement: str, parameters: tuple[Any, ...], *, is_read_only: bool
) -> tuple[Mapping[str, Any], ...]:
    async with (
        _connected(site, name, statement) as connection,
        connection.transaction(readonly=is_read_only),
    ):
        return await _rows(connection, statement, parameters)


async def execute(site: Site, name: str, statement: str, *parameters: Any) -> None:
    """Execute a statement in a transaction of its own.

    Args:
        site: Names the database.
        name: Such as ``main`` of ``[databases.main]``.
        statement: With ``$1``, ``$2``, … for parameters. Never text from outside.
        parameters: Their values.

    Raises:
        NotFound: site.toml names no such database, or a secret of it is not there.
        Unreachable: It does not answer, or not in time.
        InvalidDocument: It does not understand the statement.
    """
    with counted(site.tell, "database"):
        async with _connected(site, name, statement) as connection, connection.transaction():
            await connection.execute(statement, *parameters)


def check_database(site: Site, name: str) -> None:
    """Refuse a name that site.toml does not declare, before anything is asked.

    Raises:
        NotFound: There is no such database.
    """
    known = site.loaded.file.databases
    if name not in known:
        raise NotFound(
            f"no database {name!r} in {site.loaded.path or 'site.toml'};"
            f" known: {', '.join(sorted(known)) or 'none'}",
            hint=f"declare it: [databases.{name}]",
        )


async def _rows(
    connection: Any, statement: str, parameters: tuple[Any, ...]
) -> tuple[Mapping[str, Any], ...]:
    prepared = await connection.prepare(statement)
    columns = Columns.of(prepared.get_attributes())
    rows, size = [], 0
    async for record in prepared.cursor(*parameters, prefetch=_PAGE):
        row, length = row_of(record, columns)
        rows.append(row)
        size += length
        if len(rows) > MAX_ROWS or size > MAX_BYTES:
            raise InvalidDocument(
                f"more than {MAX_ROWS:,} rows or {MAX_BYTES:,} bytes",
                hint="select less: name columns, and bound the rows with WHERE or LIMIT",
            )
    return tuple(rows)


@asynccontextmanager
async def _connected(site: Site, name: str, statement: str) -> AsyncIterator[Any]:
    """Connect, and say of whatever goes wrong inside which database and statement it was."""
    import asyncpg  # noqa: PLC0415  (slow; most commands ask no database)

    # In a thread: a secret may have to be asked for.
    access, arguments = await asyncio.to_thread(_access, site, name)
    about = f"database {name!r}: {excerpt(statement, STATEMENT_SHOWN)}"
    # Beyond the server's own limit and that of the connection: neither may hang us.
    patience = access.connect_seconds + access.timeout_seconds + 10
    try:
        async with asyncio.timeout(patience):
            connection = await asyncpg.connect(**arguments)
            try:
                yield connection
            finally:
                await _close(connection)
    except InvalidDocument as error:
        raise InvalidDocument(f"{about}: {error.message}", hint=error.hint) from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        # Not chained: the driver's error holds the values of parameters.
        raise _told(read_failure(error), about, access) from None


async def _close(connection: Any) -> None:
    try:
        await connection.close(timeout=2)
    except (OSError, asyncio.CancelledError):
        connection.terminate()
        raise
    except Exception:  # noqa: BLE001  (whatever a broken connection says; the work is done)
        connection.terminate()


def _told(failure: Failure, about: str, access: Access) -> RolloutError:
    code = failure.code
    said = f"{about}: {excerpt(_text(failure)) or 'no answer'}"
    where = f"{said} ({access.where})"
    if code.startswith("28"):
        return Unauthorized(where, hint="check user and password, and who may log in there")
    if code.startswith(_MISTAKES):
        return InvalidDocument(f"{said} (SQLSTATE {code})", hint="correct the statement")
    if failure.is_broken or not code or code.startswith(_TROUBLES):
        return Unreachable(
            where,
            retryable=not failure.is_tls,
            hint="is it running, are host and port right, and is the statement fast enough?",
        )
    return RolloutError(f"{said} (SQLSTATE {code})")


_MISTAKES = ("0A", "22", "25006", "42")
_TROUBLES = ("53", "55P", "57")


def _text(failure: Failure) -> str:
    # What a parameter or a row held is not told.
    return failure.text.partition(":")[0] if failure.code.startswith("22") else failure.text


def _access(site: Site, name: str) -> tuple[Access, dict[str, Any]]:
    """Return how to reach a database, and what the driver takes for it."""
    check_database(site, name)
    use = site.loaded.file.databases[name]
    where, path = str(site.loaded.path or "site.toml"), f"databases.{name}"
    if use.name not in KINDS:
        known = ", ".join(KINDS)
        raise NotFound(f"{where}: {path}: no kind of database {use.name!r}; known: {known}")
    try:
        options = PostgresOptions.model_validate({**_defaults(use), **use.options})
    except ValidationError as error:
        raise InvalidSpec(problems_of(error, where=where, path=path)) from None
    access = read_access(options)
    arguments = access.arguments()
    if "schema_name" not in options.model_fields_set:
        del arguments["server_settings"]["search_path"]  # tables of others, where they put them
    return access, arguments


def _defaults(use: Use) -> Mapping[str, Any]:
    is_other = use.name == "cockroachdb" and "dsn" not in use.options
    return {"port": _COCKROACH_PORT} if is_other else {}
