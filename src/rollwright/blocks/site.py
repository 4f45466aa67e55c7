"""A whole installation: its clusters, its store, its locks, its repository."""

from __future__ import annotations

from typing import Annotated, Literal

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl

from rollwright.blocks.cluster import Cluster
from rollwright.blocks.etcd import Etcd
from rollwright.blocks.git_source import GitSource
from rollwright.blocks.options import DOCUMENTATION, Use
from rollwright.blocks.postgresql import PostgreSQL

Store = Annotated[Etcd | PostgreSQL, Field(discriminator="kind")]


class Site(Block):
    """One installation; where `site.toml` names it, the member of the right kind is taken.

    Example:
        Load a site:

        ```python
        from rollwright.blocks import Site

        site = Site.load("BLOCK_NAME")
        ```

        Use it in `site.toml`:

        ```toml
        [stores.default]
        block = "rollwright-site/BLOCK_NAME"

        [clusters.prod]
        block = "rollwright-site/BLOCK_NAME"  # its cluster of the name prod
        ```
    """

    _block_type_slug = "rollwright-site"
    _block_type_name = "Rollwright site"
    _documentation_url = HttpUrl(f"{DOCUMENTATION}#site")

    kind: Literal["site"] = Field(default="site", description="Tells blocks of a union apart.")
    clusters: dict[str, Cluster] = Field(
        default_factory=dict, description="Clusters by the name that rollouts use."
    )
    store: Store | None = Field(default=None, description="Where state is kept.")
    locks: Etcd | None = Field(default=None, description="Who keeps two runs apart.")
    source: GitSource | None = Field(default=None, description="Where rollouts are fetched from.")

    def as_store(self) -> Use | None:
        """Return its store, if it names one."""
        return self.store.as_store() if self.store else None

    def as_locks(self) -> Use | None:
        """Return its locks, if it names any."""
        return self.locks.as_locks() if self.locks else None

    def as_source(self) -> Use | None:
        """Return its source, if it names one."""
        return self.source.as_source() if self.source else None
