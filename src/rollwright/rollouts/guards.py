"""The guards of a plan: what has to be allowed before anything happens.

Before: ``planning`` knows every object's fate and what left the set.
After: the plan carries each guard with its verdict; ``engine`` refuses a plan that breaches one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rollwright.rollouts.manifest import Manifest
from rollwright.rollouts.plan import Change, Guard, Operation
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.spec.rollout import PROTECTED_KINDS

RECREATE = "rollwright.dev/recreate"
"""Annotation that lets an object be deleted and created again, as ``apply.recreateImmutable``."""


def guard_changes(spec: RolloutSpec, changes: Iterable[Change]) -> Iterator[Guard]:
    """Yield the guards that the changes of wanted objects breach."""
    for change in sorted(changes, key=lambda one: one.ref):
        if refusal := why_not_recreated(spec, change):
            identity = "PR-13" if _is_protected(spec, change) else "AP-57"
            message = f"{change.ref} {change.why}; {refusal}"
            yield _refusal(identity, "not allowed", str(change.ref), message)
        if change.conflicts and not spec.apply.force:
            fields = ", ".join(f"{c.path} (owned by {c.manager})" for c in change.conflicts)
            message = f"{change.ref}: another manager owns {fields}, and apply.force is false"
            yield _refusal("AP-31", "no conflicts", str(change.ref), message)


def why_not_recreated(spec: RolloutSpec, change: Change) -> str:
    """Return what is missing for a change that deletes and creates its object; empty if nothing.

    An object that somebody else is deleting needs no permission: only its end is waited for.
    """
    if change.operation is not Operation.REPLACE or not change.is_immutable:
        return ""
    if _is_protected(spec, change):
        return f"a {change.ref.kind} is protected: delete it by hand if its content may go"
    if change.ref.kind in spec.apply.recreate_immutable or _asks_for_it(change.wanted):
        return ""
    return "needs apply.recreateImmutable for this kind"


def _is_protected(spec: RolloutSpec, change: Change) -> bool:
    # AP-57: these four hold what cannot be created again, whatever prune.protect says.
    return change.ref.kind in {*PROTECTED_KINDS, *spec.prune.protect}


def _asks_for_it(wanted: Manifest | None) -> bool:
    return wanted is not None and str(wanted.annotations.get(RECREATE)).lower() == "true"


def _refusal(identity: str, limit: str, value: str, message: str) -> Guard:
    return Guard(id=identity, limit=limit, value=value, is_breached=True, message=message)
