"""Objects of watched kinds, asked for by their keys.

Before: a key is due, or a run begins. After: the object as it is now, or that there is none.
"""

from __future__ import annotations

from rollwright.errors import ClusterError
from rollwright.plugins.contracts import Cluster, GetRequest
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import ObjectRef, group_of
from rollwright.rollouts.triggering.keys import place_of
from rollwright.triggers.resource.options import Watched

NOT_SERVED = "KindNotServed"
"""Why a cluster refuses what is of a kind that it does not serve."""


async def read_object(cluster: Cluster, watched: Watched, key: str) -> LiveObject | None:
    """Return an object, ``None`` if it is not there."""
    namespace, name = place_of(key)
    ref = ObjectRef(group_of(watched.api_version), watched.kind, namespace, name)
    return await cluster.get(GetRequest(ref=ref, api_version=watched.api_version))


async def left_of(cluster: Cluster, watched: Watched, key: str) -> LiveObject | None:
    """Return an object that was there; none of a kind is left when its definition is gone."""
    try:
        return await read_object(cluster, watched, key)
    except ClusterError as error:
        if error.reason != NOT_SERVED:
            raise
        return None
