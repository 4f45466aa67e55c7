"""Hooks as steps of a plan: which run in it, when, and in which order (HK-01 to HK-11).

Before: ``hooks`` told the hooks among the rendered objects from those that are planned.
After: ``engine.stepping.hooks`` carries the steps out; ``left`` remembers what they leave.

Hooks run in a plan that changes something: an object, or the rendered set itself. A plan that
changes nothing runs none, so that it stays a plan with nothing to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from rollwright.rollouts.body import HOOK_ANNOTATIONS
from rollwright.rollouts.hooks.hooks import (
    DeletePolicy,
    Hook,
    Phase,
    order_phase,
    prepare_hooks,
    split_hooks,
)
from rollwright.rollouts.hooks.places import (
    chained,
    is_hooks,
    is_prune,
    target_first,
    without_changes,
)
from rollwright.rollouts.manifest import Manifest, ManifestSet, ObjectRef, digest_of
from rollwright.rollouts.plan import Plan, Planned, PlannedHook, Step, Wave
from rollwright.rollouts.revisions.history import SUCCEEDED
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.state import RolloutState
from rollwright.rollouts.steps.course import declared

ACTION = "Hook"

_RUNNABLE = frozenset({("batch", "Job"), ("", "Pod")})
_DELETED = {
    DeletePolicy.BEFORE_CREATION: "a former one goes first",
    DeletePolicy.ON_SUCCESS: "it goes after its phase if it succeeds",
    DeletePolicy.ON_FAILURE: "it goes after its phase if it fails",
}


def set_apart(spec: RolloutSpec, wanted: ManifestSet) -> ManifestSet:
    """Return the set with its hooks apart; a set without any stays the very same.

    An object that a step of a group names by its key is that step's, whatever its annotations
    say.

    Raises:
        InvalidManifests: An annotation of a hook is wrong; every problem is told.
    """
    if not any(_is_marked(one) for one in wanted):
        return wanted
    named = _named(declared(spec, wanted))
    left = tuple(one for one in wanted if not {one.key, one.document} & named)
    ordinary, hooks = split_hooks(replace(wanted, manifests=left))
    gone = {id(one) for one in left} - {id(one) for one in ordinary}
    manifests = tuple(one for one in wanted if id(one) not in gone)
    return replace(wanted, manifests=manifests, hooks=tuple(one.manifest for one in hooks))


def put_together(wanted: ManifestSet) -> ManifestSet:
    """Return a set with its hooks among its objects again, as it was rendered."""
    hooks = (one for one in wanted.hooks if wanted.by_ref().get(one.ref) != one)
    return replace(wanted, manifests=(*wanted.manifests, *hooks), hooks=())


def _is_marked(manifest: Manifest) -> bool:
    return any(name in manifest.annotations for name in HOOK_ANNOTATIONS)


def _named(spec: RolloutSpec) -> frozenset[str]:
    if not isinstance(spec.groups, tuple):
        return frozenset()
    steps = (step for group in spec.groups for step in (*group.steps, *group.on_rollback))
    return frozenset(step.object for step in steps if step.object)


def read_hooks(manifests: Iterable[Manifest]) -> tuple[Hook, ...]:
    """Return what ``set_apart`` found, in the same order."""
    return split_hooks(ManifestSet(tuple(manifests)))[1]


def is_runnable(ref: ObjectRef) -> bool:
    """Whether an object runs to an end: then that is waited for, and not its health."""
    return ref.group_kind in _RUNNABLE


# ------------------------------------------------------------------ what a plan runs


def with_hooks(plan: Plan, hooks: Sequence[Manifest], state: RolloutState | None) -> Plan:
    """Return a plan that goes forward with its hooks around its waves."""
    if not hooks:
        return plan
    plan = replace(plan, hooks=tuple(hooks))
    if not must_run(plan, state):
        return plan
    maker = _Maker(plan=plan, state=state, is_initial=_is_initial(state))
    plan = _sparing_hooks(maker.around(Phase.PRE_APPLY, Phase.POST_APPLY))
    return replace(
        plan, on_failure=maker.waves(Phase.ON_FAILURE, ()), notes=(*plan.notes, *maker.notes())
    )


def with_tests(plan: Plan, hooks: Sequence[Manifest], state: RolloutState | None) -> Plan:
    """Return a plan that runs the hooks for tests after everything else, because somebody asked.

    They run although nothing changes; where one fails, the run has failed.
    """
    maker = _Maker(
        plan=replace(plan, hooks=tuple(hooks)), state=state, is_initial=_is_initial(state)
    )
    tests = maker.waves(Phase.TEST, plan.waves)
    if not tests:
        return replace(plan, notes=(*plan.notes, "no tests run: no object is a hook for tests"))
    unasked = maker.notes()
    notes = tuple(note for note in plan.notes if note not in unasked)
    waves = chained((*plan.waves, *tests))
    return _identified(replace(maker.plan, waves=waves, notes=notes))


def _sparing_hooks(plan: Plan) -> Plan:
    """Return a plan that prunes no object which has become a hook and runs as one now."""
    refs = {step.hook.ref for step in plan.steps if step.hook}
    again = [change.ref for change in plan.changes if change.ref in refs and not change.wanted]
    if not again:
        return plan
    waves = (without_changes(wave, again) for wave in plan.waves)
    forgotten = {**plan.forgotten, **dict.fromkeys(again, "is a hook now")}
    return replace(plan, waves=tuple(one for one in waves if one.steps), forgotten=forgotten)


def again(plan: Plan, hooks: Sequence[Manifest], state: RolloutState | None) -> Plan:
    """Return a plan that was saved with the hooks that are to run by now."""
    if not plan.hooks and not hooks:
        return plan
    waves = tuple(wave for wave in plan.waves if not is_hooks(wave))
    bare = replace(plan, waves=waves, on_failure=())
    return replace(with_hooks(bare, hooks, state), notes=plan.notes)


def with_rollback_hooks(
    plan: Plan,
    restored: Sequence[Manifest],
    left: Sequence[Manifest] = (),
    state: RolloutState | None = None,
) -> Plan:
    """Return a plan that goes back with the hooks of rollbacks (HK-07).

    Args:
        plan: What brings the former set back.
        restored: Hooks of the revision that comes back.
        left: Hooks of the one that is left: of these only those run that ask for it.
        state: What is remembered: a killed rollback may have run some of them.
    """
    from_left = (one.manifest for one in read_hooks(left) if one.is_from_left)
    from_restored = (one.manifest for one in read_hooks(restored) if not one.is_from_left)
    hooks = (*from_restored, *from_left)
    if not restored and not hooks:
        return plan
    kept = (one.manifest for one in read_hooks(restored) if one.is_from_left)
    plan = replace(plan, hooks=tuple(restored))
    if plan.is_done:
        return plan
    maker = _Maker(plan=replace(plan, hooks=hooks), state=state, is_initial=False)
    around = maker.around(Phase.PRE_ROLLBACK, Phase.POST_ROLLBACK)
    # NB: those that do not run stay in the set of the revision, after those that steps number.
    return _identified(replace(around, hooks=(*hooks, *kept)))


def with_delete_hooks(
    plan: Plan, hooks: Sequence[Manifest], state: RolloutState | None = None
) -> Plan:
    """Return a plan that removes the whole rollout with the hooks of deletions."""
    if not hooks:
        return plan
    maker = _Maker(plan=replace(plan, hooks=tuple(hooks)), state=state, is_initial=False)
    before = maker.waves(Phase.PRE_DELETE, ())
    after = maker.waves(Phase.POST_DELETE, (*before, *plan.waves))
    if not before and not after:
        return plan
    return _identified(replace(maker.plan, waves=chained((*before, *plan.waves, *after))))


def _identified(plan: Plan) -> Plan:
    """Return a plan whose id covers its hooks; that of one without any stays."""
    digests = [step.digest for step in plan.steps if step.hook]
    return replace(plan, id=digest_of([plan.id, digests])) if digests else plan


def must_run(plan: Plan, state: RolloutState | None) -> bool:
    """Whether hooks run: the plan writes, or brings another set about, or tries again."""
    if any(change.writes for change in plan.changes):
        return True
    last = state.last if state else None
    if state is None or last is None or state.journal is not None:
        return True
    return last.outcome != SUCCEEDED or last.digest != plan.wanted_digest


def _is_initial(state: RolloutState | None) -> bool:
    return state is None or not any(one.outcome == SUCCEEDED for one in state.revisions)


@dataclass(frozen=True, kw_only=True)
class _Maker:
    """Steps out of the hooks of a plan."""

    plan: Plan
    state: RolloutState | None
    is_initial: bool

    def around(self, first: Phase, last: Phase) -> Plan:
        """Return the plan with a phase before everything but the target, and one before prunes."""
        target, upserts = target_first(self.plan.waves)
        prunes = tuple(wave for wave in upserts if is_prune(wave))
        upserts = tuple(wave for wave in upserts if not is_prune(wave))
        before = self.waves(first, ())
        after = self.waves(last, before)
        if not before:
            waves = (*self.plan.waves[: len(self.plan.waves) - len(prunes)], *after, *prunes)
        else:
            waves = (*target, *before, *upserts, *after, *prunes)
        return replace(self.plan, waves=chained(waves)) if before or after else self.plan

    def waves(self, phase: Phase, others: Iterable[Wave]) -> tuple[Wave, ...]:
        """Return one wave for each weight of a phase; ``others`` have names that are taken."""
        taken = {step.name for wave in others for step in wave.steps}
        hooks = read_hooks(self.plan.hooks)
        numbers = {id(one): number for number, one in enumerate(hooks)}
        found = []
        for turn in order_phase(hooks, phase, is_initial=self.is_initial):
            steps = tuple(self._step(one, phase, numbers[id(one)], taken) for one in turn)
            weight = f", weight {turn[0].weight}" if turn[0].weight else ""
            found.append(Wave(name=f"{phase} hooks{weight}", steps=_makers_first(steps)))
        return tuple(found)

    def _step(self, hook: Hook, phase: Phase, number: int, taken: set[str]) -> Step:
        name = _step_name(hook, phase, taken)
        policies = sorted(hook.delete_policies)
        digest = digest_of([phase, hook.weight, policies, hook.manifest.digest])
        done_by = self._done_by(name, digest)
        ref = hook.manifest.ref
        planned = PlannedHook(phase=phase.value, weight=hook.weight, ref=ref, number=number)
        return Step(
            name=name,
            action=ACTION,
            changes=(),
            group=f"{phase} hooks",
            plugin=Planned(name=ACTION, words=in_words(hook)),
            continue_on_error=phase is Phase.ON_FAILURE,
            timeout=hook.timeout,
            is_settled=False,
            digest=digest,
            done_by=done_by,
            hook=planned,
        )

    def _done_by(self, name: str, digest: str) -> str:
        """Return the interrupted run that has carried the hook out already, on the same way."""
        journal, back = self.state.journal if self.state else None, self.plan.rollback
        if journal is None or journal.rolled_back_to != (back.revision if back else 0):
            return ""
        if back is None and journal.digest != self.plan.wanted_digest:
            return ""
        is_done = any((one.step, one.digest) == (name, digest) for one in journal.done)
        return (journal.goes_on_from or journal.run_id) if is_done else ""

    def notes(self) -> tuple[str, ...]:
        """Say which hooks nobody asked for."""
        tests = [one for one in read_hooks(self.plan.hooks) if Phase.TEST in one.phases]
        if not tests:
            return ()
        names = ", ".join(title_of(one.manifest) for one in tests)
        return (f"not run, because tests run only when asked for: {names}",)


def _step_name(hook: Hook, phase: Phase, taken: set[str]) -> str:
    base = name = f"{phase}/{hook.manifest.ref.kind}/{own_name(hook.manifest)}"
    number = 1
    while name in taken:
        number += 1
        name = f"{base}-{number}"
    taken.add(name)
    return name


def own_name(manifest: Manifest) -> str:
    """Return the name as it is written, or what one is made of."""
    prefix = str((manifest.body.get("metadata") or {}).get("generateName") or "")
    return manifest.ref.name or prefix.rstrip("-.")


def title_of(manifest: Manifest) -> str:
    """Return what people call a hook; one that is named when it runs has its run in it."""
    ref = manifest.ref
    return str(ref if ref.name else ref._replace(name=f"{own_name(manifest)}-<run id>"))


def in_words(hook: Hook) -> str:
    """Return what a hook will do, for people."""
    name = title_of(hook.manifest)
    is_run = is_runnable(hook.manifest.ref)
    deed = f"run {name} to its end" if is_run else f"create {name} and wait until it is Current"
    rules = [f"weight {hook.weight}"] if hook.weight else []
    rules += [words for policy, words in _DELETED.items() if policy in hook.delete_policies]
    rules += ["its log is kept"] if hook.keeps_log else []
    return "; ".join((deed, *rules))


def _makers_first(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Let what runs wait for what it may use: accounts and settings of the same weight."""
    used = tuple(step.name for step in steps if step.hook and not is_runnable(step.hook.ref))
    return tuple(
        replace(step, needs=used) if step.hook and is_runnable(step.hook.ref) else step
        for step in steps
    )


# ------------------------------------------------------------------ in a run


def hooks_of_run(plan: Plan, run_id: str) -> Mapping[str, Hook]:
    """Return the hook of each step, as a run creates it; the same for the same run (HK-08)."""
    waves = (*plan.waves, *plan.on_failure)
    steps = [step for wave in waves for step in wave.steps if step.hook]
    known = read_hooks(plan.hooks)
    hooks = prepare_hooks((known[step.hook.number] for step in steps if step.hook), run_id)
    return {step.name: hook for step, hook in zip(steps, hooks, strict=True)}


def failure_steps(plan: Plan) -> frozenset[str]:
    """Return the names of the steps that run only if the run fails."""
    return frozenset(step.name for wave in plan.on_failure for step in wave.steps)
