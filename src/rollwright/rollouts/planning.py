"""From wanted and live objects to the plan of a whole rollout.

Before: ``renderers`` made the wanted objects, ``kube`` read the live ones and forecast changes.
After: the plan is shown, perhaps approved, and ``engine.execute`` carries out its waves.

Upserts come first, in the waves of ``order``; what left the set is deleted last.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rollwright.rollouts import health
from rollwright.rollouts.diff import comparable
from rollwright.rollouts.fates import decide, is_unchanged
from rollwright.rollouts.guards import guard_changes, why_not_recreated
from rollwright.rollouts.health.table import has_behavior
from rollwright.rollouts.live import LiveObject, LiveSet
from rollwright.rollouts.manifest import (
    Body,
    Manifest,
    ManifestSet,
    ObjectRef,
    Origin,
    digest_of,
    ref_of,
)
from rollwright.rollouts.order import Ordering, Placed, order_deletes, order_upserts
from rollwright.rollouts.plan import (
    Change,
    Forecast,
    Operation,
    Plan,
    Prediction,
    Step,
    Wave,
)
from rollwright.rollouts.premises import check_not_emptied, is_crd, simulated
from rollwright.rollouts.prune import Stale, guard_prune, sort_stale
from rollwright.rollouts.selection import is_any_selected
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.state import InventoryEntry, RolloutState

_SIMULATED = Forecast(prediction=Prediction.SIMULATED)
_IGNORING = (
    ("rollwright.dev/health", "ignore"),
    ("argocd.argoproj.io/ignore-healthcheck", "true"),
)


def candidates(
    wanted: ManifestSet, live: LiveSet, state: RolloutState | None
) -> tuple[Manifest, ...]:
    """Return the objects whose fate only the server's dry run can tell.

    Objects that are as we left them are not among them, nor those whose kind, schema or
    namespace comes with the same plan.
    """
    memory, unasked = _memory(wanted, live, state), simulated(wanted, live)
    return tuple(
        manifest
        for manifest in wanted
        if manifest.ref not in unasked
        and not is_unchanged(manifest, live.get(manifest.ref), memory.get(manifest.ref))
    )


def _memory(
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


def make_plan(
    spec: RolloutSpec,
    wanted: ManifestSet,
    live: LiveSet,
    forecast: Mapping[ObjectRef, Forecast],
    state: RolloutState | None,
) -> Plan:
    """Return the plan that brings the wanted objects about.

    Args:
        spec: What was declared.
        wanted: Rendered, placed and labelled objects.
        live: What is in the cluster of them, and of the inventory.
        forecast: The server's answers for the ``candidates``.
        state: What is remembered; ``None`` before the first run.

    Raises:
        InvalidManifests: Nothing was rendered over a non-empty inventory, or the order has a
            cycle.
    """
    check_not_emptied(spec, wanted, state)
    inventory = state.inventory if state else ()
    stale = sort_stale(spec.name, spec.prune, inventory, wanted, live)
    extra = _target_namespace(spec, wanted, live)
    memory = _memory(wanted, live, state)
    expected = dict.fromkeys(simulated(wanted, live), _SIMULATED) | dict(forecast)
    fates = (_fate(spec, one, live, expected, memory.get(one.ref)) for one in wanted)
    changes = {change.ref: change for change in (*extra, *fates)}
    manifests = (*(change.wanted for change in extra if change.wanted), *wanted)
    upserts = order_upserts(manifests)
    deletes = order_deletes([found.body for found in stale.deletes])
    prunes = {found.ref: prune_change(found) for found in stale.deletes}
    applies = waves_of("apply", upserts, changes)
    plan = Plan(
        id="",
        rollout=spec.name,
        cluster=live.cluster,
        cluster_id=live.cluster_id,
        source=wanted.source,
        waves=(*applies, *waves_of("prune", deletes, prunes, after=applies)),
        guards=(
            *guard_prune(spec.prune, len(inventory), len(stale.deletes)),
            *guard_changes(spec, changes.values()),
        ),
        kept=stale.kept,
        forgotten=stale.forgotten,
        notes=(
            *upserts.notes,
            *deletes.notes,
            *notes_on(live, prunes),
            *_unasked(changes.values()),
        ),
        wanted_digest=wanted.digest,
        server_version=live.server_version,
        state_version=state.version if state else "",
        is_remembered=is_remembered(state, stale),
        made_at=live.read_at,
    )
    return replace(plan, id=_identify(plan, spec))


def is_remembered(state: RolloutState | None, stale: Stale) -> bool:
    """Whether the state knows of every kept object that it is kept, and holds no unfinished run."""
    if state is None:
        return True
    return state.journal is None and all(state.by_ref[ref].why_kept for ref in stale.kept)


def _fate(
    spec: RolloutSpec,
    manifest: Manifest,
    live: LiveSet,
    expected: Mapping[ObjectRef, Forecast],
    entry: InventoryEntry | None,
) -> Change:
    ref = manifest.ref
    found = live.get(ref)
    change = decide(manifest, found, entry, expected.get(ref), salt=live.salt)
    if found is None:
        unread = live.unreadable.get(ref)
        why = f"cannot be read now: {unread}" if unread else change.why
        return replace(change, why=why, is_skipped=is_health_skipped(spec, manifest))
    if refusal := why_not_recreated(spec, change):
        change = replace(change, notes=(*change.notes, refusal))
    return _judged(spec, change, manifest, found, live)


def _judged(
    spec: RolloutSpec, change: Change, manifest: Manifest, found: LiveObject, live: LiveSet
) -> Change:
    context = live.contexts.get(change.ref, health.EMPTY)
    body = body_for_verdict(found)
    status = health.compute(body, context, live.read_at)
    is_skipped = is_health_skipped(spec, manifest)
    if status.is_current:
        return replace(change, status=status, is_skipped=is_skipped)
    around = replace(context, wanted=manifest.body)
    waited = health.judge_wait(status, body, around, now=live.read_at)
    is_passed = waited.outcome is health.WaitOutcome.PASSED
    return replace(change, status=status, is_passed=is_passed, is_skipped=is_skipped)


def body_for_verdict(found: LiveObject) -> Body:
    """Return what a verdict needs; the body of a kind without behavior need not be parsed."""
    return found.body if has_behavior(*found.ref.group_kind) else found.outline


def is_health_skipped(spec: RolloutSpec, manifest: Manifest) -> bool:
    """Whether the object's health is left out, by the document or by its annotation (HL-07)."""
    is_ignored = any(manifest.annotations.get(key) == word for key, word in _IGNORING)
    return is_ignored or is_any_selected(spec.health.skip, manifest)


def _target_namespace(spec: RolloutSpec, wanted: ManifestSet, live: LiveSet) -> tuple[Change, ...]:
    name = spec.target.namespace
    ref = ObjectRef("", "Namespace", "", name)
    is_missing = bool(name) and name in live.absent_namespaces and ref not in wanted.by_ref()
    if not is_missing or not spec.target.create_namespace:
        return ()
    body: Body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    origin = Origin(file="spec.target.createNamespace")
    manifest = Manifest(body=body, ref=ref_of(body), key=f"namespace/{name}", origin=origin)
    change = Change(
        ref=ref,
        api_version="v1",
        operation=Operation.CREATE,
        why="the target's namespace does not exist; the rollout does not own it",
        wanted=manifest,
        prediction=Prediction.SIMULATED,
        is_owned=False,
    )
    return (change,)


def prune_change(found: LiveObject, why: str = "is no longer declared") -> Change:
    """Return the change that deletes an object which left the set."""
    return Change(
        ref=found.ref,
        api_version=found.api_version,
        operation=Operation.PRUNE,
        why=why,
        live_digest=digest_of(comparable(found.body)),
        live_uid=found.uid,
        live_resource_version=found.resource_version,
        prediction=Prediction.SERVER,
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


def notes_on(live: LiveSet, prunes: Mapping[ObjectRef, Change]) -> tuple[str, ...]:
    """Return what a reviewer must know of the cluster and of what goes."""
    notes = [
        f"group {group} cannot be read and is left out: {why}"
        for group, why in sorted(live.missing_groups.items())
    ]
    notes += [
        f"{ref} carries this rollout's label, is not in its inventory, and stays"
        for ref in live.strays
    ]
    deletes_namespace = any(ref.group_kind == ("", "Namespace") for ref in prunes)
    if live.missing_groups and deletes_namespace:
        notes.append("deleting a namespace hangs until that group can be read or is removed")
    crds = [str(ref) for ref in prunes if is_crd({"apiVersion": f"{ref.group}/", "kind": ref.kind})]
    notes += [f"deleting {crd} deletes all its objects" for crd in crds]
    return tuple(notes)


def _unasked(changes: Iterable[Change]) -> tuple[str, ...]:
    """Say of how many objects the server could not be asked."""
    count = sum(one.prediction is Prediction.SIMULATED and one.is_owned for one in changes)
    noun = "object comes with its" if count == 1 else "objects come with their"
    words = f"{count} {noun} namespace or kind: no dry run could be made of what is not there yet"
    return (words,) if count else ()


def _identify(plan: Plan, spec: RolloutSpec) -> str:
    """Return the digest over everything that decides what happens (PL-10)."""
    return digest_of({
        "spec": spec.model_dump(mode="json"),
        "cluster": plan.cluster_id,
        "source": plan.source,
        "wanted": plan.wanted_digest,
        "changes": [_essence(change) for change in plan.changes],
        "guards": [[guard.id, guard.value, guard.is_breached] for guard in plan.guards],
        "kept": sorted(ref.qualified for ref in plan.kept),
    })  # fmt: skip


def _essence(change: Change) -> list[Any]:
    wanted = change.wanted.digest if change.wanted else ""
    # NB: what the server makes up for a new object (a Job's selector) differs in every dry run.
    predicted = "" if change.operation is Operation.CREATE else change.predicted_digest
    taken = [[conflict.path, conflict.manager] for conflict in change.conflicts]
    operation = change.operation.value
    return [change.ref.qualified, operation, wanted, change.live_uid, predicted, taken]
