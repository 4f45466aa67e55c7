"""From groups with their objects to the waves of a plan.

Before: ``steps`` knows which step handles which object, ``actions`` what it does to one.
After: ``planning`` puts the waves before the deletes of what left the set.

Groups run strictly one after another, and so do the steps of a group: each is a wave of its own.
Steps that run together stand in one wave. Inside a step the dependency graph orders the objects;
inside a group that is parallel it orders those of all its steps (OR-49a).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from rollwright.rollouts.change import Change, Gate, Operation, Way
from rollwright.rollouts.live import LiveSet
from rollwright.rollouts.manifest import Manifest, ObjectRef
from rollwright.rollouts.order import Ordering, Placed, order_deletes, order_upserts
from rollwright.rollouts.plan import Planned, Step, Wave
from rollwright.rollouts.steps.actions import Facts, decide_in_step
from rollwright.rollouts.steps.carriers import IGNORED
from rollwright.rollouts.steps.contradictions import UPSERTS, contradictions
from rollwright.rollouts.steps.course import Course, GroupPlace, StepPlace
from rollwright.rollouts.steps.options import in_words, is_object_action, options_of
from rollwright.rollouts.steps.resuming import UNDO, Resumed, already_done

Decide = Callable[[StepPlace, Manifest, str, bool], Facts]
"""Gives the facts of an object in a step: who writes it before, and whether it is gone then."""


@dataclass(frozen=True, kw_only=True)
class Walk:
    """What the groups come to.

    Attributes:
        waves: Those of the way forward.
        undo: One wave for each group that has steps for a rollback, in the order of the groups.
        notes: What a reviewer should know of the order.
    """

    waves: tuple[Wave, ...]
    undo: tuple[Wave, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def changes(self) -> tuple[Change, ...]:
        """Every change of the way forward."""
        return tuple(c for wave in self.waves for step in wave.steps for c in step.changes)


def walk_course(
    course: Course,
    facts_of: Decide,
    judge: Callable[[Change], Change],
    past: Resumed,
    *,
    before: Sequence[Wave] = (),
) -> Walk:
    """Return the waves of the groups.

    Args:
        course: The groups with their objects.
        facts_of: What decides about an object in a step.
        judge: Adds the verdict on the live object to a change.
        past: What earlier runs have done.
        before: Waves that come first.

    Raises:
        InvalidManifests: The order contradicts the objects.
    """
    notes = [*contradictions(course), *_unasked_checks(course)]
    maker = _Maker(course=course, facts_of=facts_of, judge=judge, past=past)
    waves = list(before)
    for number, steps in enumerate(course.barriers):
        run = [step for step in steps if not course.is_back or is_object_action(step)]
        notes += [f"a rollback leaves step {step.name!r} out" for step in steps if step not in run]
        if run:
            waves.append(maker.wave(run, number, waves[-1:]))
    if course.ignored:
        waves.append(_ignored_wave(course, waves[-1:]))
    undo = () if course.is_back else maker.undo_waves()
    return Walk(waves=tuple(waves), undo=undo, notes=(*notes, *dict.fromkeys(maker.notes)))


def _unasked_checks(course: Course) -> Iterator[str]:
    """Say of which steps the checks are not looked at: a plugin tells itself how it ended."""
    for place in course.steps:
        declared = place.declared
        if not is_object_action(place) and (declared.success or declared.failure):
            yield (
                f"step {place.name!r}: action {place.action} says itself how it ended, and its"
                " checks are not looked at; a step with action Wait after it looks at them"
            )


def undo_waves(course: Course, facts_of: Decide, past: Resumed) -> tuple[Wave, ...]:
    """Return the steps for a rollback of each group that has any, in the order of the groups."""
    maker = _Maker(course=course, facts_of=facts_of, judge=lambda change: change, past=past)
    return maker.undo_waves()


@dataclass(kw_only=True)
class _Maker:
    """Waves on their way; ``written`` knows what earlier steps do to each object."""

    course: Course
    facts_of: Decide
    judge: Callable[[Change], Change]
    past: Resumed
    written: dict[ObjectRef, tuple[str, bool]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def wave(self, steps: Sequence[StepPlace], number: int, before: Sequence[Wave]) -> Wave:
        """Return what stands between two barriers."""
        last = tuple(step.name for wave in before for step in wave.steps)
        ordering = self._ordered(steps)
        made: list[Step] = []
        for place in steps:
            needs = last if not self._inside(place, made) else self._needs(place, made)
            made.append(self.step(place, ordering[place.name], needs, number))
        name = steps[0].name if len(steps) == 1 else steps[0].group
        return Wave(name=name if not self.course.together else "groups", steps=tuple(made))

    def _inside(self, place: StepPlace, made: Sequence[Step]) -> bool:
        return self.course.together and any(step.group == place.group for step in made)

    def _needs(self, place: StepPlace, made: Sequence[Step]) -> tuple[str, ...]:
        """Return what a step of a group that runs beside others waits for: the one before it."""
        group = next(one for one in self.course.groups if one.name == place.group)
        mine = tuple(step for step in made if step.group == place.group)
        return mine[0].needs if group.is_parallel else (mine[-1].name,)

    def _ordered(self, steps: Sequence[StepPlace]) -> Mapping[str, Ordering]:
        """Return the order of each step; steps that run together have one order."""
        if len(steps) == 1 or self.course.together:
            return {step.name: self._order_of(step) for step in steps}
        upserts = [one for step in steps if step.action in UPSERTS for one in step.manifests]
        shared = order_upserts(upserts)
        self.notes += shared.notes
        return {
            step.name: shared if step.action in UPSERTS else self._order_of(step) for step in steps
        }

    def _order_of(self, step: StepPlace) -> Ordering:
        if step.action == "DeleteIfExist":
            ordering = order_deletes([one.body for one in step.manifests])
        elif step.action in UPSERTS:
            ordering = order_upserts(step.manifests)
        else:
            places = (Placed(ref=one.ref, wave=0, level=0) for one in step.manifests)
            return Ordering(placed=tuple(places))
        self.notes += ordering.notes
        return ordering

    def step(
        self,
        place: StepPlace,
        ordering: Ordering,
        needs: tuple[str, ...],
        number: int,
        name: str = "",
    ) -> Step:
        """Return one step with what becomes of its objects."""
        name = name or place.name
        done_by = self.past.run_id if self.past.done.get(name) == place.digest else ""
        changes = {one.ref: self._change(place, one, done_by) for one in place.manifests}
        placed = [one for one in ordering.placed if one.ref in changes]
        chained, gates = _chained(placed, ordering)
        return replace(
            step_of(place, self.course),
            name=name,
            changes=tuple(
                replace(
                    changes[one.ref], wave=number, level=one.level, needs=one.needs,
                    gates=chained[one.ref],
                )
                for one in placed
            ),
            gates=gates,
            needs=needs,
            done_by=done_by,
            is_settled=bool(done_by) or self.past.is_settled or _is_plain(place),
        )  # fmt: skip

    def _change(self, place: StepPlace, manifest: Manifest, done_by: str) -> Change:
        wrote, is_gone = self.written.get(manifest.ref, ("", False))
        facts = self.facts_of(place, manifest, wrote, is_gone)
        change = decide_in_step(facts)
        if done_by:
            change = already_done(change, done_by)
        elif change.writes:
            self.written[manifest.ref] = (place.name, change.operation is Operation.PRUNE)
        is_looked_at = facts.live is not None and not change.is_skipped and not change.follows
        is_prune = change.operation is Operation.PRUNE
        return self.judge(change) if is_looked_at and not is_prune else change

    def undo_waves(self) -> tuple[Wave, ...]:
        """Return the steps for a rollback of each group that has any."""
        return tuple(wave for group in self.course.groups if (wave := self.undo(group)).steps)

    def undo(self, group: GroupPlace) -> Wave:
        """Return the steps that run if the rollout goes back through a group."""
        before, self.written = self.written, {}
        steps: list[Step] = []
        for place in group.on_rollback:
            needs = tuple(step.name for step in steps[-1:])
            name = f"{group.name}{UNDO}{place.declared.name}"
            steps.append(self.step(place, self._order_of(place), needs, 0, name))
        self.written = before
        return Wave(name=f"{group.name}/onRollback", steps=tuple(steps))


def first_places(course: Course) -> Iterator[tuple[StepPlace, Manifest]]:
    """Yield each object with the first step that touches it; a wait touches nothing."""
    seen: set[ObjectRef] = set()
    for step in course.steps:
        if not is_object_action(step) or step.action == "Wait":
            continue
        for one in step.manifests:
            if one.ref not in seen:
                seen.add(one.ref)
                yield step, one


def left_to_steps(
    course: Course | None, wanted: Iterable[Manifest], live: LiveSet
) -> frozenset[ObjectRef]:
    """Return the objects of which the dry run of an apply says nothing: they are not applied."""
    if course is None:
        return frozenset()
    asked = {
        one.ref
        for step, one in first_places(course)
        if step.action == "Apply" or (step.action in UPSERTS and live.get(one.ref) is None)
    }
    return frozenset(one.ref for one in wanted if one.ref not in asked)


def step_of(place: StepPlace, course: Course) -> Step:
    """Return a step with what is declared of it, and no objects yet."""
    declared = place.declared
    plugin = course.planned(declared.action)
    if is_object_action(place):
        plugin = replace(plugin, words=in_words(place))
    is_waiting = declared.wait
    if place.action == "DeleteIfExist" and is_object_action(place):
        is_waiting = is_waiting and options_of("DeleteIfExist", place.options).wait
    return Step(
        name=place.name,
        action=place.action,
        changes=(),
        group=place.group,
        plugin=plugin,
        success=tuple(map(course.planned, declared.success)),
        failure=tuple(map(course.planned, declared.failure)),
        must_wait=is_waiting,
        continue_on_error=declared.continue_on_error,
        timeout=declared.timeout,
        retry_count=declared.retries,
        digest=place.digest,
    )


def _is_plain(place: StepPlace) -> bool:
    """Whether the objects alone tell that nothing is left to do."""
    declared = place.declared
    return is_object_action(place) and not declared.success and not declared.failure


def _chained(
    placed: Sequence[Placed], ordering: Ordering
) -> tuple[Mapping[ObjectRef, tuple[str, ...]], tuple[Gate, ...]]:
    """Return the gates of a step: those of its order, and one after each of its barriers."""
    members: dict[int, list[ObjectRef]] = {}
    for one in ordering.placed:
        members.setdefault(one.wave, []).append(one.ref)
    barriers = list(members.items())
    gates = {gate.id: gate for gate in ordering.gates}
    before: dict[int, str] = {}
    for (wave, refs), (following, _) in pairwise(barriers):
        gate = Gate(id=f"OR-45/{wave}", rule="OR-45", members=tuple(refs))
        gates[gate.id], before[following] = gate, gate.id
    chained = {
        one.ref: (*one.gates, *([before[one.wave]] if one.wave in before else ())) for one in placed
    }
    used = {name for names in chained.values() for name in names}
    return chained, tuple(gate for name, gate in gates.items() if name in used)


def _ignored_wave(course: Course, before: Sequence[Wave]) -> Wave:
    """Return what the document leaves alone: it stays in the set, so nothing prunes it."""
    needs = tuple(step.name for wave in before for step in wave.steps)
    changes = tuple(
        Change(
            ref=one.ref, api_version=one.api_version, operation=Operation.KEEP, wanted=one,
            why="is named by no step (rest: ignore)", is_owned=False, is_skipped=True,
            way=Way.NONE,
        )
        for one in course.ignored
    )  # fmt: skip
    plugin = Planned(name="Ignore", words=f"leave {len(changes)} objects alone")
    step = Step(
        name=IGNORED, action="Ignore", changes=changes, needs=needs, group=IGNORED, plugin=plugin
    )
    return Wave(name=IGNORED, steps=(step,))
