"""Changes in the waves of their order; creations and deletions that no manifest declares.

Before: ``order`` says what waits for what. After: ``planning`` makes a plan of the waves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rollwright.rollouts.change import Change, Operation, Prediction
from rollwright.rollouts.live import LiveObject, LiveSet
from rollwright.rollouts.manifest import Body, Manifest, ManifestSet, ObjectRef, Origin, ref_of
from rollwright.rollouts.order import Ordering, Placed
from rollwright.rollouts.plan import Step, Wave
from rollwright.rollouts.pruning.keeping import propagation_of, unreadable_propagation
from rollwright.rollouts.spec import Propagation, PrunePolicy, RolloutSpec


def target_namespace(spec: RolloutSpec, wanted: ManifestSet, live: LiveSet) -> tuple[Change, ...]:
    """Return the creation of the target's namespace, if it is missing and may be created."""
    name = spec.target.namespace
    ref = ObjectRef("", "Namespace", "", name)
    is_missing = bool(name) and name in live.absent_namespaces and ref not in wanted.by_ref()
    if not is_missing or not spec.target.create_namespace:
        return ()
    change = Change(
        ref=ref,
        api_version="v1",
        operation=Operation.CREATE,
        why="the target's namespace does not exist; the rollout does not own it",
        wanted=namespace_manifest(name),
        prediction=Prediction.SIMULATED,
        is_owned=False,
    )
    return (change,)


def namespace_manifest(name: str) -> Manifest:
    """Return what is sent for the target's namespace where it is missing."""
    body: Body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    origin = Origin(file="spec.target.createNamespace")
    return Manifest(body=body, ref=ref_of(body), key=f"namespace/{name}", origin=origin)


def prune_change(
    found: LiveObject,
    why: str = "is no longer declared",
    policy: PrunePolicy | None = None,
) -> Change:
    """Return the change that deletes an object which left the set."""
    default = policy.propagation if policy else Propagation.FOREGROUND
    mistake = unreadable_propagation(found.annotations)
    return Change(
        ref=found.ref,
        api_version=found.api_version,
        operation=Operation.PRUNE,
        why=why,
        live_digest=found.declared_digest,
        live_uid=found.uid,
        live_resource_version=found.resource_version,
        prediction=Prediction.SERVER,
        propagation=propagation_of(found.annotations, default).value,
        notes=(mistake,) if mistake else (),
    )


def waves_of(
    verb: str,
    ordering: Ordering,
    changes: Mapping[ObjectRef, Change],
    *,
    after: Sequence[Wave] = (),
) -> tuple[Wave, ...]:
    """Return one wave with one step for each wave of the ordering; they follow ``after``."""
    before = tuple(step.name for wave in after[-1:] for step in wave.steps)
    members: dict[int, list[Placed]] = {}
    for placed in ordering.placed:
        members.setdefault(placed.wave, []).append(placed)
    action = "Apply" if verb == "apply" else "Prune"
    waves = []
    for number, (_, group) in enumerate(members.items()):
        name = f"{verb}-{number}"
        placed_changes = tuple(_place(changes[placed.ref], placed) for placed in group)
        used = {gate for change in placed_changes for gate in change.gates}
        gates = tuple(gate for gate in ordering.gates if gate.id in used)
        needs = (f"{verb}-{number - 1}",) if number else before
        step = Step(name=name, action=action, changes=placed_changes, gates=gates, needs=needs)
        waves.append(Wave(name=name, steps=(step,)))
    return tuple(waves)


def _place(change: Change, placed: Placed) -> Change:
    return replace(
        change, wave=placed.wave, level=placed.level, needs=placed.needs, gates=placed.gates
    )
