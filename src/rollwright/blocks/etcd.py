"""An etcd, for locks and for state."""

from __future__ import annotations

from typing import Literal

from prefect.blocks.core import Block
from pydantic import BaseModel, Field, HttpUrl

from rollwright.blocks.options import DOCUMENTATION, Use, options_of
from rollwright.blocks.secret import SecretReference


class EtcdTls(BaseModel):
    """Files on the worker's machine that secure the connection."""

    ca: str = Field(default="", description="Path of the authorities that sign servers.")
    cert: str = Field(default="", description="Path of the certificate that we show.")
    key: str = Field(default="", description="Path of the key of that certificate.")
    server_name: str = Field(
        default="", description="Name in the servers' certificates, if not that of the endpoint."
    )


class Etcd(Block):
    """One etcd: its members, and references to who we are there.

    Example:
        Load an etcd:

        ```python
        from rollwright.blocks import Etcd

        etcd = Etcd.load("BLOCK_NAME")
        ```

        Use it in `site.toml`:

        ```toml
        [locks.default]
        block = "rollwright-etcd/BLOCK_NAME"
        with = {ttl = "15s"}
        ```
    """

    _block_type_slug = "rollwright-etcd"
    _block_type_name = "Rollwright etcd"
    _documentation_url = HttpUrl(f"{DOCUMENTATION}#etcd")

    kind: Literal["etcd"] = Field(default="etcd", description="Tells blocks of a union apart.")
    endpoints: list[str] = Field(
        default_factory=lambda: ["127.0.0.1:2379"],
        description="Members as host:port or URL; the next is asked when one fails.",
    )
    tls: EtcdTls | None = Field(
        default=None, description="Set, or https:// before an endpoint: the connection is secured."
    )
    user: str = Field(default="", description="User of etcd, if it asks for one.")
    password: SecretReference | None = Field(
        default=None, description="Where the user's password is read from."
    )
    prefix: str = Field(default="/rollwright", description="What every key of ours begins with.")

    def as_store(self) -> Use:
        """Return the store that it stands for."""
        return "etcd", options_of(self, "endpoints", "tls", "user", "password", "prefix")

    def as_locks(self) -> Use:
        """Return the locks that it stands for."""
        return self.as_store()
