"""What a step may not delete, whatever it says (PR-04, PR-07, PR-08, PR-12, PR-14).

Before: ``stepping`` planned what the steps delete, or delete and create again.
After: the plan carries the guards; ``engine.writing.object_actions`` asks again before each delete.

A step names its object, so it needs no inventory that knows it: what some tool left behind may go
this way, but nothing that belongs to another rollout, and nothing that is protected.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rollwright.rollouts.change import Change, Way
from rollwright.rollouts.guards import RECREATE
from rollwright.rollouts.live import LiveObject, LiveSet
from rollwright.rollouts.manifest import Manifest
from rollwright.rollouts.ownership.applyset import other_set
from rollwright.rollouts.ownership.fields import ROLLOUT_LABEL
from rollwright.rollouts.plan import Guard, Wave
from rollwright.rollouts.pruning.keeping import barring_annotation
from rollwright.rollouts.pruning.prune import ALLOW_DELETE, SYSTEM_NAMESPACES, Leaving
from rollwright.rollouts.spec import RolloutSpec

_NAMESPACE = ("", "Namespace")


def guard_deletes(
    spec: RolloutSpec, waves: Iterable[Wave], live: LiveSet, leaving: Leaving
) -> Iterator[Guard]:
    """Yield a guard for each object that a step must not delete."""
    steps = (step for wave in waves for step in wave.steps if step.group)
    for change in (change for step in steps for change in step.changes if is_deleted(change)):
        found = live.get(change.ref)
        if found is not None and (guard := _guard(spec, change, found, leaving)):
            yield guard


def is_deleted(change: Change) -> bool:
    """Whether a step deletes the object because it says so, and not to change a field."""
    return change.writes and change.way in {Way.DELETE, Way.RECREATE} and bool(change.live_uid)


def _guard(spec: RolloutSpec, change: Change, found: LiveObject, leaving: Leaving) -> Guard | None:
    rule, why = why_not_deleted(spec, found, change.wanted)
    if not why:
        return None
    name = leaving.allowing(change.ref) if rule == "PR-04" else ""
    hint = f"; {ALLOW_DELETE} {change.ref} lets it go" if rule == "PR-04" and not name else ""
    return Guard(
        id=rule,
        limit="not deleted",
        value=str(change.ref),
        is_breached=True,
        message=f"guard {rule}: {change.ref} {why}{hint}",
        waived_by=f"{ALLOW_DELETE} {name}" if name else "",
    )


def why_not_deleted(
    spec: RolloutSpec, found: LiveObject, wanted: Manifest | None = None
) -> tuple[str, str]:
    """Return the rule and the reason why a step must not delete the object; empty if it may."""
    ref = found.ref
    owner = found.labels.get(ROLLOUT_LABEL)
    if owner and owner not in {spec.name, *spec.apply.take_from}:
        return "PR-12", f"belongs to rollout {owner!r}"
    if theirs := other_set(found) if owner != spec.name else "":
        return "PR-12", f"is a member of ApplySet {theirs}"
    if ref.group_kind == _NAMESPACE and ref.name in SYSTEM_NAMESPACES:
        return "PR-08", "is a namespace of the system"
    if annotation := barring_annotation(found.annotations):
        return "PR-07", f"is kept by its annotation {annotation}"
    if controller := _controller(found):
        return "PR-14", f"is controlled by {controller}"
    if ref.kind in spec.prune.protect and not _may_be_recreated(spec, wanted):
        return "PR-04", f"is protected: {ref.kind} stands in prune.protect"
    return "", ""


def _may_be_recreated(spec: RolloutSpec, wanted: Manifest | None) -> bool:
    """Whether the document or the object itself lets its kind be deleted and created again."""
    if wanted is None:
        return False
    is_asked = str(wanted.annotations.get(RECREATE)).lower() == "true"
    return is_asked or wanted.ref.kind in spec.apply.recreate_immutable


def _controller(found: LiveObject) -> str:
    owners = found.metadata.get("ownerReferences") or ()
    names = (f"{one.get('kind')}/{one.get('name')}" for one in owners if one.get("controller"))
    return next(names, "")
