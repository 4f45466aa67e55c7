"""The databases that ``site.toml`` names: rows for values and triggers, statements for reports.

Before: ``[databases.NAME]`` says where one is; a document names it, never an address.
After: ``configuration`` lays rows into values; checks and triggers report into tables.

``query`` reads in a read-only transaction, ``execute`` writes in one. Parameters are bound, never
put into the text of a statement. Each call opens a connection of its own and closes it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar

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
from rollwright.plugins.option_schemas import schema_of_options
from rollwright.plugins.options import problems_of
from rollwright.plugins.registry import PluginInfo
from rollwright.rollouts.spec.problems import did_you_mean
from rollwright.rollouts.spec.uses import Use
from rollwright.stores.postgres.access import Access, read_access
from rollwright.stores.postgres.failures import Failure, read_failure
from rollwright.stores.postgres.options import PostgresOptions

if TYPE_CHECKING:
    from rollwright.engine.site import Site

T = TypeVar("T")

MAX_ROWS = 100_000
MAX_BYTES = 64 * 2**20
"""What one query may answer; counted as the text of its values."""

STATEMENT_SHOWN = 60
"""Characters of a statement that a message quotes."""

KINDS = ("postgres", "cockroachdb")
"""What ``use`` may say: both speak one protocol."""

_AGAIN = ("40001", "40P01")
"""A transaction that lost against another one, or was one of a deadlock: it is undone."""

_TRIES = 6

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
    async with _connected(site, name, statement) as connection:
        prepared = await connection.prepare(statement)
        columns = Columns.of(prepared.get_attributes())
        if is_read_only and not columns.names:
            raise InvalidDocument(
                "gives no columns, so there is nothing to ask for in a read-only transaction",
                hint="expected SELECT, or the like",
            )
        return await _transacted(
            connection, partial(_rows, prepared, columns, parameters), is_read_only=is_read_only
        )


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
        async with _connected(site, name, statement) as connection:
            await _transacted(connection, partial(connection.execute, statement, *parameters))


async def columns_of(site: Site, name: str, statement: str) -> tuple[str, ...]:
    """Return the columns that a statement would give; it is understood, and not executed.

    Raises:
        NotFound: site.toml names no such database, or a secret of it is not there.
        Unreachable: It does not answer, or not in time.
        InvalidDocument: It does not understand the statement.
    """
    async with _connected(site, name, statement) as connection:
        prepared = await connection.prepare(statement)
        return tuple(one.name for one in prepared.get_attributes())


def database_kinds() -> tuple[PluginInfo, ...]:
    """Return what ``use`` of a database may say, for people."""
    form = PostgresOptions
    where = f"{form.__module__}:{form.__name__}"
    return tuple(
        PluginInfo(
            group="databases",
            name=kind,
            where=where,
            distribution="rollwright",
            version=version("rollwright"),
            schema=lambda: schema_of_options(form),
        )
        for kind in KINDS
    )


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


async def _transacted(
    connection: Any, work: Callable[[], Awaitable[T]], *, is_read_only: bool = False
) -> T:
    """Do something in a transaction; again where the server asks for that.

    A server that keeps transactions apart by letting one of them fail, as CockroachDB does, has
    then undone it, and expects it anew.
    """
    import asyncpg  # noqa: PLC0415  (slow; most commands ask no database)

    for attempt in range(_TRIES):
        try:
            async with connection.transaction(readonly=is_read_only):
                return await work()
        except asyncpg.PostgresError as error:
            if read_failure(error).code not in _AGAIN or attempt == _TRIES - 1:
                raise
            await asyncio.sleep(random.uniform(0.5, 1) * 0.02 * 2**attempt)  # noqa: S311  (jitter)
    raise AssertionError("the last try returns or raises")  # pragma: no cover


async def _rows(
    prepared: Any, columns: Columns, parameters: tuple[Any, ...]
) -> tuple[Mapping[str, Any], ...]:
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
    except ValueError as error:
        # Of the driver, for a date before our era or the like; a mistake in JSON is one, too.
        raise InvalidDocument(
            f"{about}: a value that cannot be read: {excerpt(str(error))}",
            hint="select it as text: column::text",
        ) from None
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


def options_of(site: Site, name: str) -> PostgresOptions:
    """Return what site.toml says of a database; no secret is read.

    Raises:
        NotFound: site.toml names no such database, or no such kind of one.
        InvalidSpec: Its options do not fit.
    """
    check_database(site, name)
    use = site.loaded.file.databases[name]
    where, path = str(site.loaded.path or "site.toml"), f"databases.{name}"
    if use.name not in KINDS:
        known = f"{', '.join(KINDS)}{did_you_mean(use.name, KINDS)}"
        raise NotFound(f"{where}: {path}: no kind of database {use.name!r}; known: {known}")
    try:
        return PostgresOptions.model_validate({**_defaults(use), **use.options})
    except ValidationError as error:
        raise InvalidSpec(
            problems_of(error, where=where, path=path, form=PostgresOptions)
        ) from None


def _access(site: Site, name: str) -> tuple[Access, dict[str, Any]]:
    """Return how to reach a database, and what the driver takes for it."""
    options = options_of(site, name)
    access = read_access(options)
    arguments = access.arguments()
    if "schema_name" not in options.model_fields_set:
        del arguments["server_settings"]["search_path"]  # tables of others, where they put them
    return access, arguments


def _defaults(use: Use) -> Mapping[str, Any]:
    is_other = use.name == "cockroachdb" and "dsn" not in use.options
    return {"port": _COCKROACH_PORT} if is_other else {}
