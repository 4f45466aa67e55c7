"""Which objects the server is asked about before a plan is made: those that may change.

Before: ``renderers`` made the wanted objects, ``kube`` read the live ones.
After: ``engine.reading.forecast`` asks; ``planning`` has the answers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from rollwright.rollouts.fates import is_unchanged
from rollwright.rollouts.live import LiveSet
from rollwright.rollouts.manifest import Manifest, ManifestSet, ObjectRef
from rollwright.rollouts.order.bodies import spec_of
from rollwright.rollouts.ownership.proposals import Proposal, propose
from rollwright.rollouts.ownership.scaling import Scaled, is_scaled, targets
from rollwright.rollouts.premises import simulated
from rollwright.rollouts.spec import ApplyPolicy
from rollwright.rollouts.state import InventoryEntry, RolloutState

_AS_BY_DEFAULT = ApplyPolicy()


def candidates(
    wanted: ManifestSet,
    live: LiveSet,
    state: RolloutState | None,
    apply: ApplyPolicy = _AS_BY_DEFAULT,
    left: Collection[ObjectRef] = (),
) -> tuple[Proposal, ...]:
    """Return the objects whose fate only the server's dry run can tell, as they would be sent.

    Objects that are as we left them are not among them, nor those whose kind, schema or
    namespace comes with the same plan, nor those that are not to be written, nor those ``left``
    to steps that do something else than apply them.
    """
    memory, unasked = memory_of(wanted, live, state), simulated(wanted, live)
    scaled = {**live.scaled, **declared_targets(wanted)}
    proposals = (
        propose(one, live.get(one.ref), memory.get(one.ref), apply, scaled)
        for one in wanted
        if one.ref not in unasked and one.ref not in left
    )
    return tuple(
        one
        for one in proposals
        if one.is_asked_about and not is_unchanged(one.wanted, one.live, memory.get(one.ref), one)
    )


def scalable(
    wanted: ManifestSet, live: LiveSet, state: RolloutState | None, apply: ApplyPolicy
) -> frozenset[ObjectRef]:
    """Return the workloads for which it matters whether a live autoscaler targets them."""
    known = declared_targets(wanted)
    scalable = tuple(one for one in wanted if "replicas" in spec_of(one.body) or is_scaled(one))
    asked = candidates(replace(wanted, manifests=scalable), live, state, apply) if scalable else ()
    return frozenset(one.ref for one in asked if one.ref not in known and one.may_be_scaled)


def declared_targets(wanted: ManifestSet) -> Scaled:
    """Return the workloads that autoscalers of the set target."""
    return targets((one.body for one in wanted), is_declared=True)


def unasked(wanted: ManifestSet, live: LiveSet, state: RolloutState | None) -> tuple[Manifest, ...]:
    """Return the objects that may change and that the server cannot be asked about yet."""
    if not (refs := simulated(wanted, live)):
        return ()
    memory = memory_of(wanted, live, state)
    return tuple(
        one
        for one in wanted
        if one.ref in refs and not is_unchanged(one, live.get(one.ref), memory.get(one.ref))
    )


def memory_of(
    wanted: ManifestSet, live: LiveSet, state: RolloutState | None
) -> Mapping[ObjectRef, InventoryEntry]:
    """Return what the inventory says of each wanted object.

    An object whose group was renamed stands there under its old name, with its UID (IN-05).
    """
    if state is None:
        return {}
    known = state.by_ref
    memory = {ref: known[ref] for ref in wanted.by_ref() if ref in known}
    unknown = [found for ref in wanted.by_ref() if ref not in known and (found := live.get(ref))]
    if unknown:
        by_uid = {entry.uid: entry for entry in state.inventory if entry.uid}
        memory |= {one.ref: by_uid[one.uid] for one in unknown if one.uid in by_uid}
    return memory
