"""What it takes to reach a PostgreSQL from this machine: address, login, certificates.

Before: ``options`` name files and secrets.
After: ``database`` opens connections with them.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rollwright.errors import InvalidDocument, NotFound
from rollwright.plugins.secret_refs import SecretSource, read_secret
from rollwright.stores.postgres.options import Address, PostgresOptions, PostgresTls, read_dsn

DEFAULT_NAME = "rollwright"
"""Database and role, where nobody named others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How to reach one database; ``password`` empty leaves it to PGPASSWORD and ~/.pgpass."""

    host: str
    port: int
    database: str
    user: str
    schema: str
    timeout_seconds: float
    connect_seconds: float
    tls: PostgresTls | None = None
    password: str = field(default="", repr=False)

    @property
    def where(self) -> str:
        """What messages call it."""
        return f"postgres {self.host}:{self.port}/{self.database}"

    def arguments(self) -> dict[str, Any]:
        """Return what ``asyncpg.connect`` takes."""
        milliseconds = str(round(self.timeout_seconds * 1000))
        return {
            "host": self.host,
            "port": self.port,
            "database": self.database,
            "user": self.user,
            "password": self.password or None,
            "ssl": _context(self.tls),
            "timeout": self.connect_seconds,
            # The server's own limit comes first: its answer says what it was.
            "command_timeout": self.timeout_seconds + 5,
            "server_settings": {
                "application_name": "rollwright",
                "search_path": f'"{self.schema}"',
                "statement_timeout": milliseconds,
                # A process that was stopped amid a save must not keep its row from the others.
                "idle_in_transaction_session_timeout": milliseconds,
            },
        }


def read_access(options: PostgresOptions) -> Access:
    """Read what the options name.

    Raises:
        NotFound: A variable or file is not there, or empty.
        InvalidDocument: The DSN that was read is none.
    """
    address = _address(options)
    password = address.password
    if options.password is not None:
        password = read_secret(options.password, "postgres password")
    return Access(
        host=address.host,
        port=address.port,
        database=address.database or DEFAULT_NAME,
        user=address.user or DEFAULT_NAME,
        schema=options.schema_name,
        timeout_seconds=options.timeout.total_seconds(),
        connect_seconds=options.connect_timeout.total_seconds(),
        tls=options.tls or address.tls,
        password=password,
    )


def _address(options: PostgresOptions) -> Address:
    if isinstance(options.dsn, SecretSource):
        try:
            return read_dsn(read_secret(options.dsn, "postgres dsn").strip())
        except ValueError as error:
            raise InvalidDocument(f"postgres dsn: {error}") from None  # nothing there may be quoted
    if options.dsn is not None:
        return read_dsn(options.dsn)
    return Address(
        host=options.host or "localhost",
        port=options.port or 5432,
        database=options.database,
        user=options.user,
    )


def _context(tls: PostgresTls | None) -> Any:
    if tls is None or tls.mode == "prefer":
        return "prefer"
    if tls.mode == "disable":
        return False
    try:
        return _secured(tls)
    except FileNotFoundError as error:
        raise NotFound(f"postgres tls: no file {_files(tls)}", hint="correct the paths") from error
    except (OSError, ssl.SSLError) as error:
        raise NotFound(f"postgres tls: cannot use {_files(tls)}: {error}") from error


def _secured(tls: PostgresTls) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=_path(tls.ca))
    context.check_hostname = tls.mode == "verify-full"
    if tls.mode == "require":
        context.verify_mode = ssl.CERT_NONE
    if tls.cert:
        context.load_cert_chain(_path(tls.cert) or "", _path(tls.key))
    return context


def _path(text: str) -> str | None:
    return str(Path(text).expanduser()) if text else None


def _files(tls: PostgresTls) -> str:
    return ", ".join(repr(one) for one in (tls.ca, tls.cert, tls.key) if one)
