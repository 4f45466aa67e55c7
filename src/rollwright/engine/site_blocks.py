"""A cluster of ``site.toml`` that a block of the Prefect server describes.

Before: ``load_site`` read ``[clusters.prod] block = "rollwright-cluster/prod"``.
After: ``Site`` connects to it as if the file said what the block says.
"""

from __future__ import annotations

import asyncio

from pydantic import ValidationError

from rollwright.engine.site_file import ClusterEntry
from rollwright.errors import InvalidDocument
from rollwright.plugins.blocks import cluster_of_block


async def resolved_entry(entry: ClusterEntry, name: str) -> ClusterEntry:
    """Return an entry in full; what the file says goes over what its block says.

    Raises:
        NotFound: There is no such block, or it describes no cluster.
        InvalidDocument: What it says can be no cluster.
        Unreachable: The Prefect server does not answer.
    """
    if entry.block is None:
        return entry
    found = await asyncio.to_thread(cluster_of_block, entry.block, name)
    own = entry.model_dump(exclude_unset=True, exclude={"block"})
    try:
        return ClusterEntry.model_validate({**found, **own}, by_name=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidDocument(
            f"cluster {name!r}: block {entry.block!r}: {place}: {first['msg']}",
            hint="correct the block on the server's pages",
        ) from error
