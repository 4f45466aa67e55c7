"""From wanted and live objects to the plan of a whole rollout.

Before: ``renderers`` made the wanted objects, ``kube`` read the live ones and forecast changes.
After: the plan is shown, perhaps approved, and ``engine.writing.execute`` carries out its waves.

Upserts come first, in the waves of ``order``; what left the set is deleted last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from rollwright.rollouts.candidates import declared_targets, memory_of
from rollwright.rollouts.change import Change, Forecast, Operation, Prediction
from rollwright.rollouts.crd_safety import guard_definitions
from rollwright.rollouts.guards import guard_changes
from rollwright.rollouts.hooks.steps import with_hooks
from rollwright.rollouts.identity import identify
from rollwright.rollouts.judging import fate_of, judged
from rollwright.rollouts.live import LiveSet
from rollwright.rollouts.manifest import Manifest, ManifestSet, ObjectRef
from rollwright.rollouts.order import order_deletes, order_upserts
from rollwright.rollouts.ownership.takeover import guard_adoptions, notes_on_takeover
from rollwright.rollouts.plan import Guard, Plan, Step, Wave
from rollwright.rollouts.plan_notes import note_on_failure, notes_on, notes_on_unasked
from rollwright.rollouts.premises import check_not_emptied
from rollwright.rollouts.pruning.marks import notes_on_deletion
from rollwright.rollouts.pruning.prune import NOTHING_ELSE, Leaving, Stale, guard_prune, sort_stale
from rollwright.rollouts.revisions.history import SUCCEEDED
from rollwright.rollouts.simulation import simulate
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.state import InventoryEntry, RolloutState
from rollwright.rollouts.steps.actions import Facts
from rollwright.rollouts.steps.carriers import is_patched
from rollwright.rollouts.steps.course import Course, StepPlace, chart
from rollwright.rollouts.steps.guards import guard_deletes
from rollwright.rollouts.steps.resuming import resumed
from rollwright.rollouts.steps.stepping import Walk, walk_course
from rollwright.rollouts.waves import prune_change, target_namespace, waves_of


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
    extra = target_namespace(spec, wanted, live)
    course = chart(spec, wanted) if course is None else course
    scene = _Scene(
        spec=spec,
        live=replace(live, scaled={**live.scaled, **declared_targets(wanted)}),
        forecast=forecast,
        expected={**simulate(wanted, live), **forecast},
        memory=memory_of(wanted, live, state),
        state=state,
        leaving=leaving,
        stale=stale,
    )
    plan = _planned(scene, _walked(course, scene, extra, wanted))
    plan = replace(
        plan,
        source=wanted.source,
        wanted_digest=wanted.digest,
        course_digest=course.digest if course else "",
    )
    plan = with_hooks(plan, wanted.hooks, state)
    return replace(plan, id=identify(plan, spec))


def _planned(scene: _Scene, walked: Walk) -> Plan:
    """Return the plan of what was walked and of what left the set; without an id yet."""
    live, state, stale = scene.live, scene.state, scene.stale
    deletes = order_deletes([found.body for found in stale.deletes])
    prunes = {found.ref: prune_change(found, policy=scene.spec.prune) for found in stale.deletes}
    return Plan(
        id="",
        rollout=scene.spec.name,
        cluster=live.cluster,
        cluster_id=live.cluster_id,
        source="",
        waves=(*walked.waves, *waves_of("prune", deletes, prunes, after=walked.waves)),
        guards=tuple(_guards(scene, walked)),
        kept=stale.kept,
        forgotten=stale.forgotten,
        notes=(*walked.notes, *deletes.notes, *_notes(scene, walked, prunes)),
        allowed=scene.leaving.allowed,
        server_version=live.server_version,
        state_version=state.version if state else "",
        is_remembered=is_remembered(state, stale),
        made_at=live.read_at,
        undo=walked.undo,
    )


def _guards(scene: _Scene, walked: Walk) -> Iterator[Guard]:
    spec, live, stale, made = scene.spec, scene.live, scene.stale, walked.changes
    count = len(scene.state.inventory) if scene.state else 0
    yield from guard_prune(spec.prune, count, len(stale.deletes))
    yield from stale.guards
    yield from guard_changes(spec, made, scene.leaving.allowed)
    yield from guard_adoptions(spec.apply, made, live)
    yield from guard_definitions(made, live, scene.forecast)
    yield from guard_deletes(spec, walked.waves, live, scene.leaving)


def _notes(scene: _Scene, walked: Walk, prunes: Mapping[ObjectRef, Change]) -> Iterator[str]:
    made, allowed = walked.changes, scene.leaving.allowed
    yield from notes_on(scene.live, prunes)
    yield from notes_on_unasked(made)
    yield from notes_on_takeover(made)
    yield from note_on_failure(scene.state, made, prunes)
    going = _going(prunes, made)
    yield from notes_on_deletion(scene.state, allowed, going, scene.spec.target.namespace)


@dataclass(frozen=True, kw_only=True)
class _Scene:
    """What decides about every object.

    Attributes:
        spec: What was declared.
        live: What is in the cluster; knows of declared autoscalers, too.
        forecast: The server's answers.
        expected: These, and what is simulated where it could not be asked.
        memory: What the inventory says of each wanted object.
        state: What is remembered.
        leaving: What else decides about objects that left the set.
        stale: What becomes of these.
    """

    spec: RolloutSpec
    live: LiveSet
    forecast: Mapping[ObjectRef, Forecast]
    expected: Mapping[ObjectRef, Forecast]
    memory: Mapping[ObjectRef, InventoryEntry]
    state: RolloutState | None
    leaving: Leaving
    stale: Stale

    def fate(self, manifest: Manifest, is_gone: bool) -> Change:  # noqa: FBT001  (a callback)
        """Return what an apply does, after a step that deletes the object if there is one."""
        if not is_gone:
            entry = self.memory.get(manifest.ref)
            return fate_of(self.spec, manifest, self.live, self.expected, entry)
        unasked = {manifest.ref: Forecast(prediction=Prediction.SIMULATED)}
        absent = replace(self.live, objects={})
        change = fate_of(self.spec, manifest, absent, unasked, None)
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
