"""Looking for drift: what differs from the last rollout, and who changed it.

Before: a rollout's name; neither its document nor its source is needed.
After: faces print the ``Drift``; a rollout corrects it.

One LIST per kind tells of most objects that they are as they were left. The server's dry run is
asked only where a value may merely be written in another form, autoscalers are listed only where
replicas differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

from rollwright.engine.reading.read import read_live
from rollwright.engine.returning.revisions import RecordedRevision, load_record
from rollwright.engine.site import Site
from rollwright.engine.writing.together import together
from rollwright.errors import ClusterError, RolloutError, Unreachable
from rollwright.plugins.contracts import ApplyRequest, Cluster, GetRequest, ListRequest
from rollwright.rollouts.drift.find import Drift, Suspect, conclude_drift, find_suspects, last_good
from rollwright.rollouts.live import LiveObject, LiveSet
from rollwright.rollouts.manifest import Body, ManifestSet, ObjectRef
from rollwright.rollouts.ownership.proposals import Proposal
from rollwright.rollouts.ownership.scaling import targets
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.state import Revision, RolloutState

EXTRA_SHOWN = 20
"""Of so many objects that we do not know it is asked who made them."""

_AUTOSCALER = ("autoscaling/v2", "HorizontalPodAutoscaler")
_FORBIDDEN = 403


async def find_drift(site: Site, spec: RolloutSpec, state: RolloutState) -> Drift:
    """Return what differs from the last rollout; changes nothing.

    Raises:
        ClusterError: A kind cannot be listed.
        Unreachable: The API server does not answer.
    """
    cluster, good = await site.cluster(spec), last_good(state)
    kept, why = await _recorded(site, spec, state, good)
    live = await read_live(cluster, spec.name, ManifestSet(), state, partial(site.salt, spec))
    apply = kept.spec.apply if kept and kept.spec else None
    suspects = find_suspects(state, kept.wanted if kept else None, live, apply)
    predicted, unasked = await _ask_server(cluster, suspects)
    return Drift(
        rollout=spec.name,
        cluster=cluster.name,
        revision=good.number if good else 0,
        source=good.source if good else "",
        read_at=live.read_at,
        object_count=len(state.inventory),
        objects=conclude_drift(
            state,
            live,
            suspects,
            predicted=predicted,
            scaled=await _scaled(cluster, suspects),
            extra=await _strays(cluster, state, live),
        ),
        notes=(*_notes(state, good, live), *why, *unasked),
    )


async def _recorded(
    site: Site, spec: RolloutSpec, state: RolloutState, good: Revision | None
) -> tuple[RecordedRevision | None, tuple[str, ...]]:
    """Return what the last good revision wanted; where that is not kept, why."""
    if good is None:
        return None, ("no rollout has succeeded yet; compared with what the last one left",)
    try:
        return await load_record(site, spec, state, good.number), ()
    except Unreachable:
        raise
    except RolloutError as error:
        return None, (f"old values are not known: {error.message}",)


async def _ask_server(
    cluster: Cluster, suspects: Iterable[Suspect]
) -> tuple[Mapping[ObjectRef, Body], tuple[str, ...]]:
    """Ask for a dry run of what is unclear; a refusal leaves it as it seems."""
    unclear = [one.proposal for one in suspects if one.is_unclear and one.proposal]
    answers = await together(_dry_run(cluster, one) for one in unclear)
    predicted = {one.ref: one.body for one in answers if isinstance(one, LiveObject)}
    return predicted, tuple(one for one in answers if isinstance(one, str))


async def _dry_run(cluster: Cluster, proposal: Proposal) -> LiveObject | str:
    """Return what an apply would leave there, or why nobody can say."""
    request = ApplyRequest(
        ref=proposal.ref, body=proposal.body, manager=proposal.manager, is_dry_run=True
    )
    try:
        return await cluster.apply(request)
    except ClusterError as error:
        return f"{proposal.ref}: the server was not able to say what an apply would do: {error.message}"


async def _scaled(cluster: Cluster, suspects: Iterable[Suspect]) -> frozenset[ObjectRef]:
    """Return the objects whose replicas an autoscaler owns; asked only of those that differ."""
    refs = [one.live.ref for one in suspects if one.has_replicas]
    lists = await together(
        _autoscalers(cluster, namespace) for namespace in sorted({ref.namespace for ref in refs})
    )
    scaled = targets((one.body for found in lists for one in found), is_declared=False)
    return frozenset(ref for ref in refs if ref in scaled)


async def _autoscalers(cluster: Cluster, namespace: str) -> tuple[LiveObject, ...]:
    version, kind = _AUTOSCALER
    try:
        return await cluster.list(ListRequest(api_version=version, kind=kind, namespace=namespace))
    except ClusterError as error:
        if error.status not in {_FORBIDDEN, 404}:
            raise
        return ()


async def _strays(cluster: Cluster, state: RolloutState, live: LiveSet) -> tuple[LiveObject, ...]:
    """Read the objects that carry our label and that we do not know."""
    versions = {(one.ref.group, one.ref.kind): one.api_version for one in state.inventory}
    requests = [
        GetRequest(ref=ref, api_version=versions[ref.group, ref.kind])
        for ref in live.strays
        if (ref.group, ref.kind) in versions
    ]
    found = await together(_get(cluster, one) for one in requests[:EXTRA_SHOWN])
    return tuple(one for one in found if one is not None)


async def _get(cluster: Cluster, request: GetRequest) -> LiveObject | None:
    return await cluster.get(request)


def _notes(state: RolloutState, good: Revision | None, live: LiveSet) -> Iterable[str]:
    if state.journal is not None:
        yield f"run {state.journal.run_id} has not ended; what it wrote may show as drift"
    if good is not None and state.last is not None and state.last.number != good.number:
        yield f"revision {state.last.number} {state.last.outcome} after it"
    if (more := len(live.strays) - EXTRA_SHOWN) > 0:
        yield f"{more} more objects carry this rollout's label"
    for ref, why in sorted(live.unreadable.items()):
        yield f"{ref} cannot be read: {why}"
