"""How people say where a PostgreSQL is and who they are there.

Before: a ``site.toml`` holds options.
After: ``access`` reads the files and secrets that they name, when the first call is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any, Literal, Self
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from rollwright.plugins.options import OPTIONS
from rollwright.plugins.secret_refs import NamedSecret, SecretSource, check_secret
from rollwright.rollouts.spec.durations import Duration

TlsMode = Literal["disable", "prefer", "require", "verify-ca", "verify-full"]

_MODES = ("disable", "prefer", "require", "verify-ca", "verify-full")
_PARAMETERS = {"sslmode": "mode", "sslrootcert": "ca", "sslcert": "cert", "sslkey": "key"}


class PostgresTls(BaseModel):
    """Who the server must be, and what we show it."""

    model_config = OPTIONS

    mode: TlsMode = Field(
        default="verify-full",
        description="As libpq's sslmode: `require` encrypts and believes any server, `verify-ca` "
        "asks who signed it, `verify-full` also for its name.",
    )
    ca: str = Field(
        default="",
        description="File with the authorities that sign servers; without it, the system's.",
    )
    cert: str = Field(default="", description="File with the certificate that we show.")
    key: str = Field(default="", description="File with the key of that certificate.")

    @model_validator(mode="after")
    def _check_pair(self) -> Self:
        if bool(self.cert) != bool(self.key):
            raise ValueError("cert and key belong together: give both or none")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A server, a database in it, and a user."""

    host: str = "localhost"
    port: int = 5432
    database: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    tls: PostgresTls | None = None


def read_dsn(text: str) -> Address:
    """Read ``postgresql://user@host:port/database?sslmode=…``.

    Raises:
        ValueError: It is none; the text is not quoted, it may hold a password.
    """
    try:
        url = urlsplit(text)
        port = url.port or 5432
    except ValueError:
        raise ValueError(_FORM) from None  # the cause would quote it
    if url.scheme not in {"postgresql", "postgres"} or url.fragment:
        raise ValueError(_FORM)
    found = dict(parse_qsl(url.query, keep_blank_values=True))
    host = found.pop("host", "") or unquote(url.hostname or "") or "localhost"
    if unknown := sorted(set(found) - set(_PARAMETERS)):
        raise ValueError(f"unknown parameter {unknown[0]!r}; known: host, {', '.join(_PARAMETERS)}")
    return Address(host=host, port=port, tls=_tls_of(found), **_login(url))


def _login(url: SplitResult) -> dict[str, str]:
    database = unquote(url.path.removeprefix("/"))
    user, password = unquote(url.username or ""), unquote(url.password or "")
    return {"database": database, "user": user, "password": password}


def _tls_of(parameters: Mapping[str, str]) -> PostgresTls | None:
    options = {_PARAMETERS[name]: value for name, value in parameters.items()}
    if options and (mode := options.setdefault("mode", "verify-full")) not in _MODES:
        raise ValueError(f"unknown sslmode {mode!r}; known: {', '.join(_MODES)}")
    if ("cert" in options) != ("key" in options):
        raise ValueError("sslcert and sslkey belong together: give both or none")
    return PostgresTls.model_validate(options) if options else None


_FORM = "expected postgresql://user@host:5432/database"


def _check_dsn(value: Any) -> Any:
    if isinstance(value, str) and read_dsn(value).password:
        raise ValueError(
            "it holds a password, and a secret is never a value in a document;"
            " leave it out and write password: {env: NAME}, or write dsn: {env: NAME}"
        )
    if isinstance(value, Mapping):
        return SecretSource.model_validate(check_secret(value))
    return value


class PostgresOptions(BaseModel):
    """One PostgreSQL: where it is, who we are there, and how patient."""

    model_config = OPTIONS

    dsn: Annotated[str | SecretSource, BeforeValidator(_check_dsn)] | None = Field(
        default=None,
        description="postgresql://user@host:5432/database?sslmode=verify-full; or {env: NAME}, "
        "{file: PATH} that it is read from, then with a password if need be.",
    )
    host: str = Field(
        default="", description="Host, or folder of a unix socket. Default: localhost."
    )
    port: int | None = Field(default=None, ge=1, le=65535, description="Port. Default: 5432.")
    database: str = Field(default="", description="Database. Default: rollwright.")
    user: str = Field(default="", description="Role to log in as. Default: rollwright.")
    password: NamedSecret | None = Field(
        default=None,
        description="Where its password is read from; without it PGPASSWORD and ~/.pgpass count, "
        "as for psql.",
    )
    schema_name: str = Field(
        default="rollwright",
        alias="schema",
        pattern=r"^[a-z_][a-z0-9_]{0,62}$",
        description="Schema of the tables; made when absent. One schema is one installation.",
    )
    tls: PostgresTls | None = Field(
        default=None,
        description="Set: the connection is secured. Without it, only if the server offers it.",
    )
    pool_size: int = Field(
        default=4, ge=1, le=100, description="Connections at most, per process and cluster."
    )
    connect_timeout: Duration = Field(
        default=timedelta(seconds=10), description="How long to wait for a connection."
    )
    timeout: Duration = Field(
        default=timedelta(seconds=60), description="How long one statement may take."
    )

    @model_validator(mode="after")
    def _check_address(self) -> Self:
        parts = {"host": self.host, "port": self.port, "database": self.database, "user": self.user}
        given = [name for name, value in parts.items() if value]
        if self.dsn is not None and given:
            raise ValueError(f"dsn says it all: leave {', '.join(given)} out, or the dsn")
        if self.schema_name.startswith("pg_"):
            raise ValueError("schema: names that begin with pg_ belong to PostgreSQL")
        if min(self.connect_timeout, self.timeout) < timedelta(milliseconds=100):
            raise ValueError("connectTimeout and timeout: at least 100ms")
        return self
