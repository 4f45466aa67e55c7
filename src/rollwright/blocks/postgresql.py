"""A PostgreSQL that keeps state."""

from __future__ import annotations

from typing import Literal

from prefect.blocks.core import Block
from pydantic import BaseModel, Field, HttpUrl

from rollwright.blocks.options import DOCUMENTATION, Use, options_of
from rollwright.blocks.secret import SecretReference


class PostgreSQLTls(BaseModel):
    """Files on the worker's machine that secure the connection."""

    mode: Literal["disable", "prefer", "require", "verify-ca", "verify-full"] = Field(
        default="verify-full", description="As libpq's sslmode."
    )
    ca: str = Field(default="", description="Path of the authorities that sign servers.")
    cert: str = Field(default="", description="Path of the certificate that we show.")
    key: str = Field(default="", description="Path of the key of that certificate.")


class PostgreSQL(Block):
    """One database of a PostgreSQL, and a reference to the password of a role.

    Example:
        Load a database:

        ```python
        from rollwright.blocks import PostgreSQL

        database = PostgreSQL.load("BLOCK_NAME")
        ```

        Use it in `site.toml`:

        ```toml
        [stores.default]
        block = "rollwright-postgresql/BLOCK_NAME"
        ```
    """

    _block_type_slug = "rollwright-postgresql"
    _block_type_name = "Rollwright PostgreSQL"
    _documentation_url = HttpUrl(f"{DOCUMENTATION}#postgresql")

    kind: Literal["postgresql"] = Field(
        default="postgresql", description="Tells blocks of a union apart."
    )
    host: str = Field(default="localhost", description="Host, or folder of a unix socket.")
    port: int = Field(default=5432, ge=1, le=65535, description="Port.")
    database: str = Field(default="rollwright", description="Database.")
    user: str = Field(default="rollwright", description="Role to log in as.")
    password: SecretReference | None = Field(
        default=None,
        description="Where the role's password is read from; empty leaves it to PGPASSWORD and "
        "~/.pgpass.",
    )
    schema_name: str = Field(default="rollwright", description="Schema of the tables.")
    tls: PostgreSQLTls | None = Field(
        default=None,
        description="Set: the connection is secured; empty: only if the server offers it.",
    )

    def as_store(self) -> Use:
        """Return the store that it stands for."""
        options = options_of(self, "host", "port", "database", "user", "password", "tls")
        return "postgres", {**options, "schema": self.schema_name}
