"""The guards of a plan: what has to be allowed before anything happens.

Before: ``planning`` knows every object's fate and what left the set.
After: the plan carries each guard with its verdict; ``engine`` refuses a plan that breaches one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from rollwright.rollouts.change import Change, Operation
from rollwright.rollouts.manifest import Manifest
from rollwright.rollouts.plan import Guard, Plan
from rollwright.rollouts.pruning.keeping import allowing
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.spec.rollout import PROTECTED_KINDS, Unpredictable

APPROVAL = "approval"
"""What lets a waivable guard pass, as ``Guard.waived_by`` names it."""

RECREATE = "rollwright.dev/recreate"
"""Annotation that lets an object be deleted and created again, as ``apply.recreateImmutable``."""


def guard_changes(
    spec: RolloutSpec, changes: Iterable[Change], allowed: Iterable[str] = ()
) -> Iterator[Guard]:
    """Yield the guards that the changes of wanted objects breach.

    Args:
        spec: What was declared.
        changes: What happens to each object.
        allowed: Names of protected objects that somebody let go.
    """
    for change in sorted(changes, key=lambda one: one.ref):
        if refusal := why_not_recreated(spec, change):
            identity = "PR-13" if _is_protected(spec, change) else "AP-57"
            message = f"{change.ref} {change.why}; {refusal}"
            guard = _refusal(identity, "not allowed", str(change.ref), message)
            name = allowing(change.ref, allowed, spec.target.namespace)
            is_waived = bool(name) and identity == "PR-13"
            yield replace(guard, waived_by=f"--allow-delete {name}") if is_waived else guard
        if failing := [one for one in change.conflicts if one.action == "fail"]:
            fields = ", ".join(f"{c.path} (owned by {c.manager})" for c in failing)
            why = "a rule refuses to take it" if spec.apply.force else "apply.force is false"
            message = f"{change.ref}: another manager owns {fields}, and {why}"
            yield _refusal("AP-31", "no conflicts", str(change.ref), message)
        if change.webhook and spec.apply.unpredictable is not Unpredictable.ALLOW:
            yield _unpredicted(spec, change)


def _unpredicted(spec: RolloutSpec, change: Change) -> Guard:
    """AP-65: nobody knows what admission makes of the object until it is written."""
    policy = spec.apply.unpredictable
    return Guard(
        id="AP-65",
        limit=f"unpredictable: {policy.value}",
        value=str(change.ref),
        is_breached=True,
        message=f"{change.ref}: cannot be predicted because of webhook {change.webhook!r}",
        is_waivable=policy is Unpredictable.APPROVE,
    )


def with_approval(plan: Plan) -> Plan:
    """Return the plan as somebody approved it: with the guards waived that this lets pass."""
    return replace(plan, guards=tuple(_approved(guard) for guard in plan.guards))


def _approved(guard: Guard) -> Guard:
    is_meant = guard.is_breached and guard.is_waivable and not guard.waived_by
    return replace(guard, waived_by=APPROVAL) if is_meant else guard


def why_not_recreated(spec: RolloutSpec, change: Change) -> str:
    """Return what is missing for a change that deletes and creates its object; empty if nothing.

    An object that somebody else is deleting needs no permission: only its end is waited for.
    """
    if change.operation is not Operation.REPLACE or not change.is_immutable:
        return ""
    if _is_protected(spec, change):
        return (
            f"a {change.ref.kind} is protected: its content goes with it;"
            f" --allow-delete {change.ref} lets it go"
        )
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
