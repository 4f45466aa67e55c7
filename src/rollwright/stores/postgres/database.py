"""One PostgreSQL at work: connections, one attempt more when one broke, errors in words.

Before: ``access`` says how to reach it.
After: ``states`` sends statements.

No method calls back while a transaction is open but with statements of ours: no request to a
cluster can fall into one (ST-13).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg
from sqlalchemy import Executable, Row, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from rollwright.errors import RolloutError
from rollwright.stores.postgres.access import Access, read_access
from rollwright.stores.postgres.failures import UNDEFINED_TABLE, Failure, read_failure
from rollwright.stores.postgres.options import PostgresOptions
from rollwright.stores.postgres.schema import VERSION_TABLE, check_version, migrate

T = TypeVar("T")

_IDLE_SECONDS = 300  # firewalls forget quiet connections


class Database:
    """Connections to one database; made when first asked for, in the loop that asks."""

    def __init__(self, options: PostgresOptions) -> None:
        self._options = options
        self._known: Access | None = None
        self._engine: AsyncEngine | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_ready = False

    @property
    def where(self) -> str:
        """What messages call it."""
        return f"{self._access.where} schema {self._access.schema!r}"

    @property
    def _access(self) -> Access:
        if self._known is None:
            self._known = read_access(self._options)
        return self._known

    async def send(self, statement: Executable) -> tuple[Row[Any], ...]:
        """Send one statement by itself, and return its rows; it may be sent twice."""

        async def once() -> tuple[Row[Any], ...]:
            async with self._connected() as connection:
                await connection.execution_options(isolation_level="AUTOCOMMIT")
                result = await connection.execute(statement)
                return tuple(result.all()) if result.returns_rows else ()

        return await self._patient(once)

    async def write(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Do some work in one transaction.

        It may be done twice, when the connection broke and nobody knows whether the first was
        committed: the work has to see that.
        """

        async def once() -> T:
            async with self._connected() as connection, connection.begin():
                return await work(connection)

        return await self._patient(once)

    async def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        engine, self._engine = self._engine, None
        if engine is not None:
            # Those of a loop that has ended cannot be closed from this one.
            await engine.dispose(close=self._loop is asyncio.get_running_loop())

    async def _patient(self, once: Callable[[], Awaitable[T]]) -> T:
        await self._make_ready()
        try:
            return await self._told(once)
        except Broken:
            pass
        try:
            return await self._told(once)
        except Broken as broken:
            raise self._explained(broken.failure) from broken.__cause__

    async def _told(self, once: Callable[[], Awaitable[T]]) -> T:
        try:
            return await once()
        except RolloutError:
            raise
        except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            failure = read_failure(error)
            if failure.is_broken:
                raise Broken(failure) from error
            raise self._explained(failure) from error

    def _explained(self, failure: Failure) -> RolloutError:
        access = self._access
        return failure.explain(access.where, access.schema, access.user)

    async def _make_ready(self) -> None:
        """Look whether the tables are there and up to date, once per process."""
        if self._is_ready:
            return
        try:
            found = await self._told(self._version)
            if not check_version(found, self._access):
                await self._told(self._migrate)
        except Broken as broken:
            raise self._explained(broken.failure) from broken.__cause__
        self._is_ready = True

    async def _version(self) -> str:
        try:
            async with self._connected() as connection:
                found = await connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608  (a constant)
                return str(found or "")
        except SQLAlchemyError as error:
            if read_failure(error).code == UNDEFINED_TABLE:
                return ""
            raise

    async def _migrate(self) -> None:
        await migrate(self._access)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection]:
        async with self._pool().connect() as connection:
            yield connection

    def _pool(self) -> AsyncEngine:
        loop = asyncio.get_running_loop()
        if self._engine is None or self._loop is not loop:
            self._engine, self._loop = self._new_pool(), loop
        return self._engine

    def _new_pool(self) -> AsyncEngine:
        arguments = self._access.arguments()

        async def connect() -> Any:
            return await asyncpg.connect(**arguments)

        return create_async_engine(
            # The address is in `connect`: nothing that SQLAlchemy prints can hold the password.
            "postgresql+asyncpg://",
            async_creator=connect,
            pool_size=self._options.pool_size,
            max_overflow=0,
            pool_timeout=self._access.connect_seconds + self._access.timeout_seconds,
            pool_recycle=_IDLE_SECONDS,
            pool_pre_ping=True,
            hide_parameters=True,
        )


class Broken(Exception):
    """The connection is gone; a new one may serve."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.text)
        self.failure = failure
