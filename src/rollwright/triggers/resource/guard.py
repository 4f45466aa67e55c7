"""The finalizer that keeps an object until what was made for it is removed (TR-13).

Before: an object is seen for the first time, or its instance was removed.
After: it has the finalizer, or does not have it any more; others' finalizers stay.
"""

from __future__ import annotations

from collections.abc import Callable

from rollwright.errors import ClusterError
from rollwright.plugins.contracts import Cluster, GetRequest, PatchForm, PatchRequest
from rollwright.rollouts.live import LiveObject

FINALIZER = "rollwright.dev/rollout"

_ATTEMPTS = 5
"""How often a write is tried anew that somebody else was faster than."""


def is_guarded(live: LiveObject) -> bool:
    """Whether an object has the finalizer."""
    return FINALIZER in _finalizers(live)


async def guard(cluster: Cluster, live: LiveObject) -> LiveObject | None:
    """Give an object the finalizer; return it as it is now, ``None`` if it is gone or going."""
    return await _changed(cluster, live, lambda found: sorted({*found, FINALIZER}), adds=True)


async def release(cluster: Cluster, live: LiveObject) -> None:
    """Take the finalizer off, so that a deletion comes to its end."""
    await _changed(
        cluster, live, lambda found: [one for one in found if one != FINALIZER], adds=False
    )


async def _changed(
    cluster: Cluster, live: LiveObject, change: Callable[[list[str]], list[str]], *, adds: bool
) -> LiveObject | None:
    found: LiveObject | None = live
    for attempt in range(_ATTEMPTS):
        if found is None or found.uid != live.uid or (adds and found.is_being_deleted):
            return None
        if is_guarded(found) is adds:
            return found
        try:
            return await cluster.patch(_patch(found, change(_finalizers(found))))
        except ClusterError as error:
            if error.status not in {404, 409} or attempt == _ATTEMPTS - 1:
                raise
        found = await cluster.get(GetRequest(ref=live.ref, api_version=live.api_version))
    return found


def _patch(live: LiveObject, finalizers: list[str]) -> PatchRequest:
    """Return a write of exactly what was read: others add and take finalizers, too."""
    metadata = {"resourceVersion": live.resource_version, "finalizers": finalizers}
    return PatchRequest(
        ref=live.ref,
        api_version=live.api_version,
        form=PatchForm.MERGE,
        content={"metadata": metadata},
    )


def _finalizers(live: LiveObject) -> list[str]:
    return list(live.metadata.get("finalizers") or ())
