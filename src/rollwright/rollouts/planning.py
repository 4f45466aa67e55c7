"""From wanted and live objects to the plan of a whole rollout.

Before: ``renderers`` made the wanted objects, ``kube`` read the live ones and forecast changes.
After: the plan is shown, perhaps approved, and ``engine.writing.execute`` carries out its waves.

Upserts come first, in the waves of ``order``; what left the set is deleted last.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from rollwright.rollouts import health
from rollwright.rollouts.crd_safety import guard_definitions
from rollwright.rollouts.fates import decide, is_unchanged
from rollwright.rollouts.guards import guard_changes, why_not_recreated
from rollwright.rollouts.health.table import has_behavior
from rollwright.rollouts.hooks.steps import with_hooks
from rollwright.rollouts.identity import identify
from rollwright.rollouts.live import LiveObject, LiveSet
from rollwright.rollouts.manifest import (
    Body,
    Manifest,
    ManifestSet,
    ObjectRef,
    Origin,
    ref_of,
)
from rollwright.rollouts.order import Ordering, Placed, order_deletes, order_upserts
from rollwright.rollouts.order.bodies import spec_of
from rollwright.rollouts.ownership.proposals import Proposal, propose
from rollwright.rollouts.ownership.scaling import Scaled, is_scaled, targets
from rollwright.rollouts.ownership.takeover import guard_adoptions, notes_on_takeover
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
from rollwright.rollouts.pruning.keeping import propagation_of, unreadable_propagation
from rollwright.rollouts.pruning.marks import notes_on_deletion
from rollwright.rollouts.pruning.prune import NOTHING_ELSE, Leaving, Stale, guard_prune, sort_stale
from rollwright.rollouts.recreation import notes_on_recreation
from rollwright.rollouts.revisions.history import SUCCEEDED
from rollwright.rollouts.selection import is_any_selected
from rollwright.rollouts.simulation import simulate
from rollwright.rollouts.spec import ApplyPolicy, Propagation, PrunePolicy, RolloutSpec
from rollwright.rollouts.state import InventoryEntry, RolloutState
from rollwright.rollouts.steps.actions import Facts
from rollwright.rollouts.steps.course import Course, StepPlace, chart
from rollwright.rollouts.steps.guards import guard_deletes
from rollwright.rollouts.steps.stepping import Walk, is_patched, resumed, walk_course

_AS_BY_DEFAULT = ApplyPolicy()
_IGNORING = (
    ("rollwright.dev/health", "ignore"),
    ("argocd.argoproj.io/ignore-healthcheck", "true"),
)


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
    memory, unasked = _memory(wanted, live, state), simulated(wanted, live)
    scaled = {**live.scaled, **_declared_targets(wanted)}
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
    known = _declared_targets(wanted)
    scalable = tuple(one for one in wanted if "replicas" in spec_of(one.body) or is_scaled(one))
    asked = candidates(replace(wanted, manifests=scalable), live, state, apply) if scalable else ()
    return frozenset(one.ref for one in asked if one.ref not in known and one.may_be_scaled)


def _declared_targets(wanted: ManifestSet) -> Scaled:
    return targets((one.body for one in wanted), is_declared=True)


def unasked(wanted: ManifestSet, live: LiveSet, state: RolloutState | None) -> tuple[Manifest, ...]:
    """Return the objects that may change and that the server cannot be asked about yet."""
    if not (refs := simulated(wanted, live)):
        return ()
    memory = _memory(wanted, live, state)
    return tuple(
        one
        for one in wanted
        if one.ref in refs and not is_unchanged(one, live.get(one.ref), memory.get(one.ref))
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


def make_plan(  # noqa: PLR0913  (all that decides about a plan)
    spec: RolloutSpec,
    wanted: ManifestSet,
    live: LiveSet,
    forecast: Mapping[ObjectRef, Forecast],
    state: RolloutState | None,
    leaving: Leaving = NOTHING_ELSE,
    *,
    course: Course | None = None,
) -> Plan:
    """Return the plan that brings the wanted objects about.

    Args:
        spec: What was declared.
        wanted: Rendered, placed and labelled objects.
        live: What is in the cluster of them, and of the inventory.
        forecast: The server's answers for the ``candidates``.
        state: What is remembered; ``None`` before the first run.
        leaving: What else decides about objects that left the set.
        course: The declared groups, with what their plugins and the server say of them; made of
            the spec if it is not given.

    Raises:
        GuardRefused: Nothing was rendered over a non-empty inventory.
        InvalidManifests: The order has a cycle, or steps contradict their objects.
        InvalidSpec: A step names what is not there.
    """
    check_not_emptied(spec, wanted, state)
    inventory = state.inventory if state else ()
    stale = sort_stale(spec.name, spec.prune, inventory, wanted, live, leaving)
    extra = _target_namespace(spec, wanted, live)
    memory = _memory(wanted, live, state)
    expected = {**simulate(wanted, live), **forecast}
    live = replace(live, scaled={**live.scaled, **_declared_targets(wanted)})
    course = chart(spec, wanted) if course is None else course
    scene = _Scene(spec=spec, live=live, expected=expected, memory=memory, state=state)
    walked = _walked(course, scene, extra, wanted)
    made = walked.changes
    deletes = order_deletes([found.body for found in stale.deletes])
    prunes = {found.ref: prune_change(found, policy=spec.prune) for found in stale.deletes}
    applies = walked.waves
    plan = Plan(
        id="",
        rollout=spec.name,
        cluster=live.cluster,
        cluster_id=live.cluster_id,
        source=wanted.source,
        waves=(*applies, *waves_of("prune", deletes, prunes, after=applies)),
        guards=(
            *guard_prune(spec.prune, len(inventory), len(stale.deletes)),
            *stale.guards,
            *guard_changes(spec, made, leaving.allowed),
            *guard_adoptions(spec.apply, made, live),
            *guard_definitions(made, live, forecast),
            *guard_deletes(spec, walked.waves, live, leaving),
        ),
        kept=stale.kept,
        forgotten=stale.forgotten,
        notes=(
            *walked.notes,
            *deletes.notes,
            *notes_on(live, prunes),
            *_unasked(made),
            *notes_on_takeover(made),
            *_note_on_failure(state, made, prunes),
            *notes_on_deletion(state, leaving.allowed, _going(prunes, made), spec.target.namespace),
        ),
        allowed=leaving.allowed,
        wanted_digest=wanted.digest,
        server_version=live.server_version,
        state_version=state.version if state else "",
        is_remembered=is_remembered(state, stale),
        made_at=live.read_at,
        undo=walked.undo,
        course_digest=course.digest if course else "",
    )
    plan = with_hooks(plan, wanted.hooks, state)
    return replace(plan, id=identify(plan, spec))


@dataclass(frozen=True, kw_only=True)
class _Scene:
    """What decides about every object."""

    spec: RolloutSpec
    live: LiveSet
    expected: Mapping[ObjectRef, Forecast]
    memory: Mapping[ObjectRef, InventoryEntry]
    state: RolloutState | None

    def fate(self, manifest: Manifest, is_gone: bool) -> Change:  # noqa: FBT001  (a callback)
        """Return what an apply does, after a step that deletes the object if there is one."""
        if not is_gone:
            entry = self.memory.get(manifest.ref)
            return _fate(self.spec, manifest, self.live, self.expected, entry)
        unasked = {manifest.ref: Forecast(prediction=Prediction.SIMULATED)}
        absent = replace(self.live, objects={})
        change = _fate(self.spec, manifest, absent, unasked, None)
        return replace(change, why="is created again after it was deleted")

    def judge(self, change: Change) -> Change:
        found = self.live.get(change.ref)
        if found is None or change.wanted is None:
            return change
        return judged(self.spec, change, change.wanted, found, self.live)


def _walked(
    course: Course | None, scene: _Scene, extra: tuple[Change, ...], wanted: ManifestSet
) -> Walk:
    """Return the waves of the wanted objects: by declared groups, else by the dependency graph."""
    if course is not None:
        return _walk(course, scene, extra, wanted.digest)
    fates = (scene.fate(one, is_gone=False) for one in wanted)
    changes = {change.ref: change for change in (*extra, *fates)}
    manifests = (*(change.wanted for change in extra if change.wanted), *wanted)
    upserts = order_upserts(manifests)
    return Walk(waves=waves_of("apply", upserts, changes), notes=upserts.notes)


def _walk(course: Course, scene: _Scene, extra: tuple[Change, ...], wanted_digest: str) -> Walk:
    """Return the waves of declared groups."""

    def facts_of(step: StepPlace, manifest: Manifest, wrote: str, is_gone: bool) -> Facts:  # noqa: FBT001  (a callback)
        ref = manifest.ref
        return Facts(
            step=step, manifest=manifest, live=scene.live.get(ref), entry=scene.memory.get(ref),
            fate=scene.fate, forecast=course.forecasts.get((step.name, ref)),
            salt=scene.live.salt, wrote=wrote, is_gone=is_gone,
            is_patched=is_patched(scene.state, step, manifest),
        )  # fmt: skip

    target = Step(name="target", action="Apply", changes=extra)
    before = (Wave(name=target.name, steps=(target,)),) if extra else ()
    past = resumed(scene.state, course, wanted_digest)
    return walk_course(course, facts_of, scene.judge, past, before=before)


def _going(prunes: Mapping[ObjectRef, Change], changes: Iterable[Change]) -> tuple[ObjectRef, ...]:
    """Return what is deleted, or deleted and created again."""
    again = (one.ref for one in changes if one.operation is Operation.REPLACE)
    return (*prunes, *again)


def _note_on_failure(
    state: RolloutState | None, made: Iterable[Change], prunes: Mapping[ObjectRef, Change]
) -> tuple[str, ...]:
    """Say why a plan that changes nothing is carried out all the same."""
    last = state.last if state is not None else None
    if last is None or last.outcome == SUCCEEDED or prunes:
        return ()
    if any(change.writes for change in made):
        return ()
    return (f"revision {last.number} {last.outcome}; what it left is recorded once it is Current",)


def is_remembered(state: RolloutState | None, stale: Stale) -> bool:
    """Whether the state knows of every kept object that it is kept, and holds no unfinished run.

    A run that failed is unfinished too: once everything is well there is a success to remember,
    or nobody could ever go back to it.
    """
    if state is None:
        return True
    if state.journal is not None or state.removal is not None:
        return False
    if state.last is not None and state.last.outcome != SUCCEEDED:
        return False
    return all(state.by_ref[ref].why_kept for ref in stale.kept)


def _fate(
    spec: RolloutSpec,
    manifest: Manifest,
    live: LiveSet,
    expected: Mapping[ObjectRef, Forecast],
    entry: InventoryEntry | None,
) -> Change:
    ref = manifest.ref
    found = live.get(ref)
    proposal = propose(manifest, found, entry, spec.apply, live.scaled)
    change = decide(manifest, found, entry, expected.get(ref), salt=live.salt, proposal=proposal)
    if found is None and not change.writes:
        return change
    if found is None:
        unread = live.unreadable.get(ref)
        why = f"cannot be read now: {unread}" if unread else change.why
        return replace(change, why=why, is_skipped=is_health_skipped(spec, manifest))
    if refusal := why_not_recreated(spec, change):
        change = replace(change, notes=(*change.notes, refusal))
    if more := notes_on_recreation(change):
        change = replace(change, notes=(*change.notes, *more))
    return judged(spec, change, manifest, found, live)


def judged(
    spec: RolloutSpec, change: Change, manifest: Manifest, found: LiveObject, live: LiveSet
) -> Change:
    """Return the change with the verdict on its live object."""
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
    count = sum(
        one.prediction is Prediction.SIMULATED and one.is_owned and not one.is_made_anew
        for one in changes
    )
    noun = "object comes with its" if count == 1 else "objects come with their"
    words = f"{count} {noun} namespace or kind: no dry run could be made of what is not there yet"
    return (words,) if count else ()
