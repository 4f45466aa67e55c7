"""Jobs and Pods that steps have run, and that go with their rollout.

Before: every object of the rollout is deleted.
After: the rollout is forgotten.

A step's Job stands in no inventory: it belongs to one run, under that run's name. Only its label
says whose it is, and a controller's pods carry that label too, so what has an owner is left to it.
"""

from __future__ import annotations

from rollwright.actions.job_body import RUN_OF
from rollwright.engine.writing.together import together
from rollwright.errors import ClusterError
from rollwright.plugins.contracts import Cluster, DeleteRequest, ListRequest, Propagation
from rollwright.rollouts.live import LiveObject

_KINDS = (("batch/v1", "Job"), ("v1", "Pod"))


async def remove_former_runs(cluster: Cluster, rollout: str) -> int:
    """Delete what steps of the rollout have run; return how many there were.

    What may not be listed is left to its own end: Jobs go a day after they have ended.
    """
    lists = await together(_of(cluster, version, kind, rollout) for version, kind in _KINDS)
    found = [live for one in lists for live in one if not live.metadata.get("ownerReferences")]
    await together(_remove(cluster, live) for live in found)
    return len(found)


async def _of(cluster: Cluster, version: str, kind: str, rollout: str) -> tuple[LiveObject, ...]:
    selector = f"{RUN_OF}={rollout}"
    request = ListRequest(
        api_version=version, kind=kind, label_selector=selector, metadata_only=True
    )
    try:
        return await cluster.list(request)
    except ClusterError as error:
        if error.status != 403:
            raise
        return ()


async def _remove(cluster: Cluster, live: LiveObject) -> None:
    request = DeleteRequest(
        ref=live.ref,
        api_version=live.api_version,
        uid=live.uid,
        propagation=Propagation.BACKGROUND,
    )
    try:
        await cluster.delete(request)
    except ClusterError as error:
        if error.status not in {404, 409}:
            raise
