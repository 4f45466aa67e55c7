"""What may not go yet: something that stays would not outlive it (PR-09, PR-16, OR-85).

Before: ``prune`` knows what is to go and what stays.
After: what is needed stays, too, and so does what that needs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import Body, ObjectRef, ref_of
from rollwright.rollouts.order.annotations import Findings, read_marks
from rollwright.rollouts.order.bodies import defined_kind
from rollwright.rollouts.order.kinds import CRD
from rollwright.rollouts.pruning.mentions import used_by_pods


def spare_needed(
    deletes: Mapping[ObjectRef, LiveObject],
    staying: Collection[ObjectRef],
    bodies: Iterable[Body],
) -> dict[ObjectRef, str]:
    """Return what must stay, with the reason.

    Args:
        deletes: What is to go.
        staying: What is known to stay.
        bodies: Those of it that can be read, for what they need.
    """
    if not deletes:
        return {}
    spared: dict[ObjectRef, str] = {}
    homes, needs = set(staying), _needs(bodies)
    while fresh := {
        ref: why for ref, why in _round(deletes, homes, needs).items() if ref not in spared
    }:
        spared |= fresh
        homes |= fresh.keys()
        needs |= _needs(deletes[ref].body for ref in fresh)
    return spared


def _round(
    deletes: Mapping[ObjectRef, LiveObject],
    staying: Collection[ObjectRef],
    needs: Mapping[ObjectRef, ObjectRef],
) -> dict[ObjectRef, str]:
    namespaces = {ref.namespace: ref for ref in sorted(staying, reverse=True)}
    kinds = {ref.group_kind: ref for ref in sorted(staying, reverse=True)}
    found = {}
    for ref, live in deletes.items():
        if ref in staying:
            continue
        lost = None
        if ref.group_kind == ("", "Namespace"):
            lost = namespaces.get(ref.name)
        elif ref.group_kind == CRD:
            lost = kinds.get(defined_kind(live.body))
        if lost is not None:
            found[ref] = f"its end would delete {lost}, which stays"
        elif user := needs.get(ref):
            found[ref] = f"{user} stays and needs it"
    return found


def _needs(bodies: Iterable[Body]) -> dict[ObjectRef, ObjectRef]:
    """Return what objects need, and one of those that need it."""
    found: dict[ObjectRef, ObjectRef] = {}
    for body in bodies:
        user = ref_of(body)
        for ref in _needed_by(body, user):
            if ref != user:
                found.setdefault(ref, user)
    return found


def _needed_by(body: Body, ref: ObjectRef) -> Iterator[ObjectRef]:
    yield from used_by_pods(body, with_optional=False)
    yield from (one.ref for one in read_marks(body, ref, "", Findings()).depends_on if not one.app)
