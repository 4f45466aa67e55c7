"""What hooks left in the cluster, so that nothing of them is forgotten (HK-05).

Before: a run begins, and names every hook that it may create.
After: a later run deletes what a former one left of a hook; the removal of the rollout deletes
all of it.

They stand beside the inventory: they are no drift, no part of health, and no prune touches them.
As there, whatever a crash leaves, at least everything that was created is named.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import orjson

from rollwright.rollouts.hooks.steps import hooks_of_run
from rollwright.rollouts.manifest import Manifest, ObjectRef
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.state import RolloutState

MEMORY = "hooks"
"""Under this name the state remembers them."""


@dataclass(frozen=True, slots=True, order=True)
class LeftHook:
    """An object that a hook may have left.

    Attributes:
        ref: The object.
        api_version: The version it is read in.
        step: The step that ran it.
        origin: The name as it is written, or what one is made of.
    """

    ref: ObjectRef
    api_version: str
    step: str
    origin: str

    def is_of(self, manifest: Manifest) -> bool:
        """Whether a rendered hook is what it was made of."""
        ref = manifest.ref
        mine = (self.ref.group_kind, self.ref.namespace, self.origin)
        return mine == (ref.group_kind, ref.namespace, _origin(manifest))


def _origin(manifest: Manifest) -> str:
    metadata = manifest.body.get("metadata") or {}
    return manifest.ref.name or str(metadata.get("generateName") or "")


def left_hooks(extra: Mapping[str, str]) -> tuple[LeftHook, ...]:
    """Return what the state remembers of hooks."""
    entries = orjson.loads(extra.get(MEMORY) or "[]")
    return tuple(
        LeftHook(ObjectRef(*ref), api_version, step, origin)
        for ref, api_version, step, origin in entries
    )


def with_left(extra: Mapping[str, str], plan: Plan, run_id: str) -> Mapping[str, str]:
    """Return what the state remembers once a run begins: all that it may create, too."""
    hooks = hooks_of_run(plan, run_id)
    if not hooks:
        return extra
    known = {one.ref: one for one in left_hooks(extra)}
    numbers = {
        step.name: step.hook.number
        for wave in (*plan.waves, *plan.on_failure)
        for step in wave.steps
        if step.hook
    }
    for name, hook in hooks.items():
        ref, version = hook.manifest.ref, hook.manifest.api_version
        known[ref] = LeftHook(ref, version, name, _origin(plan.hooks[numbers[name]]))
    return _written(extra, known.values())


def without_gone(extra: Mapping[str, str], gone: Collection[ObjectRef]) -> Mapping[str, str]:
    """Return what the state remembers once a run has ended: not what is there no more."""
    if not gone or MEMORY not in extra:
        return extra
    return _written(extra, [one for one in left_hooks(extra) if one.ref not in gone])


def _written(extra: Mapping[str, str], left: Collection[LeftHook]) -> Mapping[str, str]:
    rest = {key: value for key, value in extra.items() if key != MEMORY}
    if not left:
        return rest
    entries = [[list(one.ref), one.api_version, one.step, one.origin] for one in sorted(left)]
    return {**rest, MEMORY: orjson.dumps(entries).decode()}


def with_stale(plan: Plan, state: RolloutState | None) -> Plan:
    """Return a plan that says what of former hooks it deletes; then it has something to do."""
    stale = [one for one in left_hooks(state.extra) if is_stale(one, plan)] if state else []
    if not stale:
        return plan
    names = ", ".join(str(one.ref) for one in stale)
    note = f"deleted at the end, if it is still there: {names}, which hooks have left"
    return replace(plan, notes=(*plan.notes, note), is_remembered=False)


def is_stale(left: LeftHook, plan: Plan) -> bool:
    """Whether what a hook left is of no hook of the set any more, or the set itself goes."""
    return plan.is_removal or not any(left.is_of(one) for one in plan.hooks)
