"""The place of hooks among the waves of a plan.

Before: ``steps`` made waves of the hooks that run.
After: they stand around the ordinary waves, and each waits for the one before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from rollwright.rollouts.change import Change
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.plan import Step, Wave

TARGET = "target"
"""The step that makes the target's namespace."""


def is_hooks(wave: Wave) -> bool:
    """Whether a wave runs hooks."""
    return any(step.hook for step in wave.steps)


def is_prune(wave: Wave) -> bool:
    """Whether a wave deletes what left the set."""
    return all(step.action == "Prune" and not step.group for step in wave.steps)


def target_first(waves: Sequence[Wave]) -> tuple[tuple[Wave, ...], tuple[Wave, ...]]:
    """Return the wave that makes the target's namespace, if any, and the others without it.

    Hooks before everything else live in that namespace, too.
    """
    if not waves:
        return (), ()
    if waves[0].name == TARGET:
        return (waves[0],), tuple(waves[1:])
    made = [one for step in waves[0].steps for one in step.changes if _is_target(one)]
    if not made:
        return (), tuple(waves)
    ref = made[0].ref
    bare = replace(made[0], wave=0, level=0, needs=(), gates=())
    first = Step(name=TARGET, action="Apply", changes=(bare,))
    rest = replace(waves[0], steps=tuple(_without(step, ref) for step in waves[0].steps))
    others = (rest, *waves[1:]) if any(step.changes for step in rest.steps) else waves[1:]
    return (Wave(name=TARGET, steps=(first,)),), tuple(others)


def _is_target(change: Change) -> bool:
    is_named = change.wanted is not None and change.wanted.key == f"namespace/{change.ref.name}"
    return is_named and not change.is_owned and change.ref.group_kind == ("", "Namespace")


def _without(step: Step, ref: ObjectRef) -> Step:
    gates = tuple(
        replace(gate, members=tuple(one for one in gate.members if one != ref))
        for gate in step.gates
    )
    changes = tuple(
        replace(change, needs=tuple(edge for edge in change.needs if edge.ref != ref))
        for change in step.changes
        if change.ref != ref
    )
    return replace(step, changes=changes, gates=gates)


def chained(waves: Iterable[Wave]) -> tuple[Wave, ...]:
    """Return the waves, each with hooks around it waiting for the one before."""
    found: list[Wave] = []
    last: tuple[str, ...] = ()
    before_hooks: tuple[str, ...] = ()
    for wave in waves:
        names = tuple(step.name for step in wave.steps)
        found.append(_after(wave, last, before_hooks) if last else wave)
        before_hooks = before_hooks if is_hooks(wave) else names
        last = names
    return tuple(found)


def _after(wave: Wave, last: tuple[str, ...], before_hooks: tuple[str, ...]) -> Wave:
    if is_hooks(wave):
        steps = (replace(step, needs=(*last, *step.needs)) for step in wave.steps)
    else:
        begins = {(), before_hooks}
        steps = (replace(step, needs=last) if step.needs in begins else step for step in wave.steps)
    return replace(wave, steps=tuple(steps))


def without_changes(wave: Wave, refs: Sequence[ObjectRef]) -> Wave:
    """Return a wave without some objects, and without steps that lose all of theirs."""
    steps = wave.steps
    for ref in refs:
        steps = tuple(_without(step, ref) for step in steps)
    return replace(wave, steps=tuple(one for one in steps if one.changes or one.group))
