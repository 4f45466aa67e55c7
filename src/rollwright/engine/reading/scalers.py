"""Live autoscalers of the workloads whose replicas matter (AP-37).

Before: ``read_live`` read the wanted objects.
After: ``forecast`` leaves the replicas of their targets alone.

Only asked when it matters: a workload may change, and another manager owns the replicas that its
manifest sets, or the apply would delete replicas that are ours.
"""

from __future__ import annotations

from dataclasses import replace

from rollwright.engine.writing.together import together
from rollwright.errors import ClusterError
from rollwright.plugins.contracts import Cluster, Discovery, ListRequest
from rollwright.rollouts.candidates import scalable
from rollwright.rollouts.live import LiveObject, LiveSet
from rollwright.rollouts.manifest import ManifestSet, ObjectRef
from rollwright.rollouts.ownership.scaling import AUTOSCALERS, Scaler, is_set_by_autoscaler, targets
from rollwright.rollouts.spec import ApplyPolicy
from rollwright.rollouts.state import RolloutState

_FORBIDDEN = 403


async def with_scaled(
    cluster: Cluster,
    wanted: ManifestSet,
    live: LiveSet,
    state: RolloutState | None,
    apply: ApplyPolicy,
) -> LiveSet:
    """Return what is live, with the workloads that live autoscalers target."""
    workloads = scalable(wanted, live, state, apply)
    if not workloads:
        return live
    discovery = await cluster.discover()
    namespaces = sorted({ref.namespace for ref in workloads})
    lists = await together(
        _list(cluster, discovery, namespace, kind)
        for namespace in namespaces
        for kind in AUTOSCALERS
    )
    bodies = (one.body for answer in lists if answer is not None for one in answer)
    found = targets(bodies, is_declared=False)
    if None in lists:
        # Who may not look at autoscalers goes by who wrote the replicas.
        found = {**_written_by_autoscaler(workloads, live), **found}
    return replace(live, scaled={**live.scaled, **found})


async def _list(
    cluster: Cluster, discovery: Discovery, namespace: str, kind: tuple[str, str]
) -> tuple[LiveObject, ...] | None:
    served = discovery.preferred(*kind)
    if served is None:
        return ()
    request = ListRequest(api_version=served.api_version, kind=served.kind, namespace=namespace)
    try:
        return await cluster.list(request)
    except ClusterError as error:
        if error.status != _FORBIDDEN:
            raise
        return None


def _written_by_autoscaler(
    workloads: frozenset[ObjectRef], live: LiveSet
) -> dict[ObjectRef, Scaler]:
    return {
        ref: Scaler(name="an autoscaler")
        for ref in workloads
        if (found := live.get(ref)) is not None and is_set_by_autoscaler(found)
    }
