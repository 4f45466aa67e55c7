"""How people say where an etcd is and who they are there.

Before: a ``site.toml`` holds options.
After: ``access`` reads the files and secrets that they name, when the first call is sent.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

from rollwright.plugins.options import OPTIONS
from rollwright.rollouts.spec.secrets import secret_problem

DEFAULT_PORT = 2379

_ENDPOINT = re.compile(
    r"(?:(?P<scheme>https?)://)?(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>\d{1,5}))?/?"
)


def _read_endpoint(value: str) -> str:
    found = _ENDPOINT.fullmatch(value)
    if found is None or int(found["port"] or DEFAULT_PORT) > 0xFFFF:
        raise ValueError("expected host:port, with http:// or https:// before it or not")
    scheme = f"{found['scheme']}://" if found["scheme"] else ""
    return f"{scheme}{found['host']}:{found['port'] or DEFAULT_PORT}"


def _read_secret(value: Any) -> Any:
    if isinstance(value, SecretRef):
        return value
    if problem := secret_problem(value):
        raise ValueError(problem)
    return value


def _read_material(value: Any) -> Any:
    return _read_secret({"file": value} if isinstance(value, str) and value else value)


def _read_prefix(value: str) -> str:
    if not value.strip("/") or "//" in value:
        raise ValueError("expected a path such as /rollwright, not the root of all keys")
    return value.rstrip("/")


class SecretRef(BaseModel):
    """Where a secret is read from; never the secret."""

    model_config = OPTIONS

    env: str | None = Field(default=None, description="Variable of the environment.")
    file: str | None = Field(default=None, description="Path of a file.")
    block: str | None = Field(default=None, description="Block of the Prefect server.")


Secret = Annotated[SecretRef, BeforeValidator(_read_secret)]
Material = Annotated[SecretRef, BeforeValidator(_read_material)]
"""PEM text: the path of a file, or a reference as for a secret."""
Endpoint = Annotated[str, AfterValidator(_read_endpoint)]
Prefix = Annotated[str, AfterValidator(_read_prefix)]


class TlsOptions(BaseModel):
    """Who the server must be, and what we show it."""

    model_config = OPTIONS

    ca: Material | None = Field(
        default=None, description="Authorities that sign servers; without it those of the system."
    )
    cert: Material | None = Field(default=None, description="Certificate that we show.")
    key: Material | None = Field(default=None, description="Key of that certificate.")
    server_name: str = Field(
        default="", description="Name in the servers' certificates, if not that of the endpoint."
    )

    @model_validator(mode="after")
    def _check_pair(self) -> Self:
        if (self.cert is None) != (self.key is None):
            raise ValueError("cert and key belong together: give both or none")
        return self


class EtcdOptions(BaseModel):
    """One etcd: its members, and who we are there."""

    model_config = OPTIONS

    endpoints: tuple[Endpoint, ...] = Field(
        default=(f"127.0.0.1:{DEFAULT_PORT}",),
        min_length=1,
        description="Members as host:port or URL; the next is asked when one fails.",
    )
    tls: TlsOptions | None = Field(
        default=None, description="Set, or https:// before an endpoint: the connection is secured."
    )
    user: str = Field(default="", description="User of etcd, if it asks for one.")
    password: Secret | None = Field(default=None, description="Where its password is read from.")
    prefix: Prefix = Field(default="/rollwright", description="What every key of ours begins with.")

    @model_validator(mode="after")
    def _check_access(self) -> Self:
        schemes = {one.partition("://")[0] for one in self.endpoints if "://" in one}
        if len(schemes) > 1 or ("http" in schemes and self.tls):
            raise ValueError("endpoints: some with TLS and some without; all members are one etcd")
        if bool(self.user) != (self.password is not None):
            raise ValueError("user and password belong together: give both or none")
        return self

    @property
    def is_secured(self) -> bool:
        """Whether the connection uses TLS."""
        return self.tls is not None or self.endpoints[0].startswith("https://")
