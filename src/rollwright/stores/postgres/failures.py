"""What a failed call to PostgreSQL means, and what to tell a person. Pure.

The codes are the SQLSTATEs of PostgreSQL's manual. Of a server's answer only its first line is
told: details may quote values.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from rollwright.errors import (
    InvalidDocument,
    NotFound,
    Refused,
    RolloutError,
    Unauthorized,
    Unreachable,
    excerpt,
)

UNDEFINED_TABLE = "42P01"

_BROKEN_CLASSES = ("08", "57P")
_LOGIN = "28"
_FULL = "53"

_LOGIN_HINT = (
    "check user and password, and that pg_hba.conf lets this machine in; without `password`,"
    " PGPASSWORD and ~/.pgpass are read"
)
_RUNNING_HINT = "is it running, and are host and port right? `pg_isready` asks the same"
_TLS_HINT = "check tls.ca (who signed the server), tls.mode, and whether the server has TLS on"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One call that failed.

    Attributes:
        code: SQLSTATE; empty if the server did not answer.
        text: What the server or the connection said.
        is_broken: Whether the connection is gone, so that a new one may serve.
        is_tls: Whether TLS could not be agreed on.
    """

    code: str = ""
    text: str = ""
    is_broken: bool = False
    is_tls: bool = False

    def explain(self, where: str, schema: str, user: str) -> RolloutError:
        """Return what to tell a person."""
        said = f"{where}: {excerpt(self.text) or 'no answer'}"
        if self.code.startswith(_LOGIN):
            return Unauthorized(said, hint=_LOGIN_HINT)
        if (known := _KNOWN.get(self.code)) is not None:
            return known(said, schema, user)
        if self.code.startswith(_FULL):
            return Unreachable(said, hint="the server has no room left: look at its log")
        if self.is_tls:
            return Unreachable(said, hint=_TLS_HINT, retryable=False)
        if self.is_broken or not self.code:
            return Unreachable(said, hint=_RUNNING_HINT)
        return RolloutError(f"{said} (SQLSTATE {self.code})")


def read_failure(error: BaseException) -> Failure:
    """Return what SQLAlchemy, asyncpg or the system mean by an error."""
    chain = tuple(_chain(error))
    code = next((found for one in chain if (found := _code(one))), "")
    is_marked = any(getattr(one, "connection_invalidated", False) for one in chain)
    # NB: a TimeoutError is an OSError; who waited that long need not wait a second time.
    is_network = isinstance(chain[-1], OSError) and not isinstance(chain[-1], TimeoutError)
    return Failure(
        code=code,
        text=_text(chain),
        is_broken=is_marked or is_network or code.startswith(_BROKEN_CLASSES),
        is_tls=any(isinstance(one, ssl.SSLError) for one in chain) or _refuses_tls(chain),
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = getattr(one, "orig", None) or one.__cause__


def _code(error: BaseException) -> str:
    code = getattr(error, "sqlstate", None)
    return code if isinstance(code, str) else ""


def _text(chain: tuple[BaseException, ...]) -> str:
    """Return what the innermost error says, without the details of the server."""
    innermost = chain[-1]
    if isinstance(innermost, TimeoutError):
        return "no answer in time"
    if isinstance(innermost, OSError) and innermost.strerror:
        return innermost.strerror
    lines = str(innermost).strip().splitlines()
    return lines[0] if lines else type(innermost).__name__


def _refuses_tls(chain: tuple[BaseException, ...]) -> bool:
    return isinstance(chain[-1], ConnectionError) and "SSL" in str(chain[-1])


def _no_database(said: str, _schema: str, user: str) -> RolloutError:
    return NotFound(said, hint=f"make it: `createdb --owner {user} NAME`")


def _no_rights(said: str, schema: str, user: str) -> RolloutError:
    return Refused(
        said,
        hint=f"let an owner of the database say: CREATE SCHEMA IF NOT EXISTS {schema}"
        f" AUTHORIZATION {user}",
    )


def _no_tables(said: str, schema: str, _user: str) -> RolloutError:
    return InvalidDocument(
        said, hint=f"schema {schema!r} lost a table: restore the database from a backup"
    )


def _taken(said: str, schema: str, _user: str) -> RolloutError:
    return InvalidDocument(
        said,
        hint=f"schema {schema!r} holds something that is not ours: choose another `schema`",
    )


def _too_slow(said: str, _schema: str, _user: str) -> RolloutError:
    return Unreachable(said, hint="the server is slow or a row is locked: see pg_stat_activity")


def _standby(said: str, _schema: str, _user: str) -> RolloutError:
    return Unreachable(
        said, hint="this is a standby, or the server was made read-only: connect to the primary",
        retryable=False,
    )  # fmt: skip


def _busy(said: str, _schema: str, _user: str) -> RolloutError:
    return Unreachable(said, hint="raise max_connections of the server, or lower poolSize")


_KNOWN: Mapping[str, Callable[[str, str, str], RolloutError]] = {
    "3D000": _no_database,
    "42501": _no_rights,
    UNDEFINED_TABLE: _no_tables,
    "42703": _no_tables,
    "42P07": _taken,
    "42P06": _taken,
    "57014": _too_slow,
    "55P03": _too_slow,
    "25P03": _too_slow,
    "25006": _standby,
    "53300": _busy,
}
"""SQLSTATE → what to tell."""
