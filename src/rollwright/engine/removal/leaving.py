"""What else must be known before anything that left the set may be deleted.

Before: the wanted objects were rendered, the live ones read.
After: ``make_plan`` decides what goes and what stays; ``objects`` asks again before each delete.

When nothing leaves, nothing is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from rollwright.engine.removal.blast import listable, measure
from rollwright.engine.removal.moves import taken_over
from rollwright.engine.run import Run
from rollwright.engine.site import Site
from rollwright.engine.writing.together import together
from rollwright.errors import ClusterError
from rollwright.plugins.contracts import Cluster, ListRequest
from rollwright.rollouts.blast import going_of, with_blast
from rollwright.rollouts.change import Change
from rollwright.rollouts.live import LiveObject, LiveSet
from rollwright.rollouts.manifest import ManifestSet
from rollwright.rollouts.ownership.fields import ROLLOUT_LABEL
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.pruning.prune import Leaving
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.state import RolloutState


async def find_leaving(
    site: Site, spec: RolloutSpec, wanted: ManifestSet, live: LiveSet, state: RolloutState | None
) -> Leaving:
    """Return what decides about objects that left the set, beside policy and cluster."""
    leaving = Leaving(
        allowed=tuple(sorted(site.allowed)),
        namespace=spec.target.namespace,
        faults=wanted.faults,
        uids=_subject_uids(site),
    )
    known, inventory = wanted.by_ref(), state.inventory if state else ()
    refs = {one.ref for one in inventory if one.ref not in known and live.get(one.ref)}
    if not refs or not spec.prune.enabled or wanted.faults:
        return leaving
    homes = [
        ref.name
        for ref in refs
        if ref.group_kind == ("", "Namespace")
        and (ref.kind not in spec.prune.protect or leaving.allowing(ref))
    ]
    cluster = await site.cluster(spec)
    return replace(
        leaving,
        taken=await taken_over(site, spec, refs),
        tenants=await find_tenants(cluster, spec.name, homes) if homes else {},
    )


def _subject_uids(site: Site | None) -> frozenset[str]:
    """Return the UID of the object that the run is about: what it controls is made by us."""
    subject = site.trigger.subject if site and site.trigger else {}
    return frozenset({subject["uid"]} if subject.get("uid") else ())


async def find_tenants(
    cluster: Cluster, rollout: str, namespaces: Iterable[str]
) -> Mapping[str, str]:
    """Return the namespaces that objects of other rollouts live in, in words (PR-09)."""
    kinds = [one for one in listable(await cluster.discover()) if one.is_namespaced]
    selector = f"{ROLLOUT_LABEL},{ROLLOUT_LABEL}!={rollout}"
    found: dict[str, str] = {}
    for namespace in sorted(namespaces):
        requests = [
            ListRequest(
                api_version=one.api_version, kind=one.kind, namespace=namespace,
                label_selector=selector, metadata_only=True,
            )
            for one in kinds
        ]  # fmt: skip
        answers = await together(_first_tenant(cluster, request) for request in requests)
        if words := next(filter(None, answers), ""):
            found[namespace] = words
    return found


async def _first_tenant(cluster: Cluster, request: ListRequest) -> str:
    try:
        found = await cluster.list(request)
    except ClusterError as error:
        if error.status in {404, 405}:
            return ""
        return f"whether {request.kind} of other rollouts live in it is not known: {error.message}"
    owned = (one for one in found if not one.metadata.get("ownerReferences"))
    tenant = next(owned, None)
    if tenant is None:
        return ""
    return f"{tenant.ref} of rollout {tenant.labels[ROLLOUT_LABEL]!r} lives in it"


async def leaving_now(run: Run, change: Change, found: LiveObject) -> Leaving:
    """Return what has to be asked again right before an object is deleted (PR-23)."""
    is_home = found.ref.group_kind == ("", "Namespace")
    tenants = await find_tenants(run.cluster, run.spec.name, [change.ref.name]) if is_home else {}
    return Leaving(
        allowed=run.plan.allowed,
        namespace=run.spec.target.namespace,
        tenants=tenants,
        uids=frozenset(one.live_uid for one in run.plan.changes if one.live_uid)
        | _subject_uids(run.site),
    )


async def show_blast(site: Site, spec: RolloutSpec, plan: Plan, live: LiveSet) -> Plan:
    """Return the plan with what its deletions take along; asks only if it deletes something."""
    going = going_of(plan, live)
    if not going:
        return plan
    return with_blast(plan, await measure(await site.cluster(spec), spec.name, going))
