"""The blast radius of a plan: what else ends or changes when objects are deleted (BR-01 to BR-10).

Before: a plan deletes or recreates something.
After: the plan holds the effects; a count that is unknown needs somebody's word.

``around`` says what has to be read, the other modules make effects of it: ``content`` what goes
along, ``data`` what is stored, ``users`` who loses something, ``finalizers`` what holds it up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeAlias

from rollwright.rollouts.blast.around import COUNTED, Going, Reading, Scope, Served
from rollwright.rollouts.blast.content import (
    child_scopes,
    children,
    definition_instances,
    definition_scopes,
    namespace_content,
    namespace_scopes,
)
from rollwright.rollouts.blast.data import data, data_scopes
from rollwright.rollouts.blast.finalizers import finalizer_scopes, finalizers
from rollwright.rollouts.blast.users import (
    access,
    access_scopes,
    dependants,
    policies,
    traffic,
    traffic_scopes,
    user_scopes,
    users,
)
from rollwright.rollouts.change import Operation
from rollwright.rollouts.live import LiveSet
from rollwright.rollouts.manifest import digest_of
from rollwright.rollouts.plan import Guard, Plan
from rollwright.rollouts.pruning.effects import Effect
from rollwright.rollouts.pruning.keeping import allowing

__all__ = [
    "COUNTED",
    "DATA_LOST",
    "Effect",
    "Going",
    "Reading",
    "Scope",
    "Served",
    "effects_of",
    "going_of",
    "scopes_of",
    "summed_up",
    "with_blast",
]

_Ask: TypeAlias = "Callable[[Going, Iterable[Served]], tuple[Scope, ...]]"
_Tell: TypeAlias = "Callable[[Going, Reading], Iterator[Effect]]"

_ASKED: tuple[_Ask, ...] = (
    data_scopes, child_scopes, namespace_scopes, definition_scopes, user_scopes,
    traffic_scopes, finalizer_scopes, access_scopes,
)  # fmt: skip
_TOLD: tuple[_Tell, ...] = (
    data, children, namespace_content, definition_instances, users, traffic, finalizers, access,
    policies,
)  # fmt: skip
_COUNTS = frozenset({"BR-01", "BR-02", "BR-03", "BR-04"})
"""Rules whose count has to be known before something goes; the others only tell."""

DATA_LOST = "data will be lost"
"""What the summary of a plan begins with where it is so."""

_ORPHANING = frozenset({("apps", "StatefulSet")})
"""Kinds whose pods live on while the object is created again."""


def going_of(plan: Plan, live: LiveSet) -> tuple[Going, ...]:
    """Return what a plan deletes, or deletes and creates again."""
    found = []
    for change in plan.changes:
        is_replaced = change.operation is Operation.REPLACE
        object_ = live.get(change.ref)
        if object_ is None or not (is_replaced or change.operation is Operation.PRUNE):
            continue
        is_orphaned = is_replaced and change.ref.group_kind in _ORPHANING
        propagation = "orphan" if is_orphaned else change.propagation
        found.append(Going(live=object_, propagation=propagation))
    return tuple(found)


def scopes_of(going: Iterable[Going], served: Iterable[Served]) -> tuple[Scope, ...]:
    """Return every list that has to be read, each once."""
    kinds = tuple(served)
    return tuple(
        dict.fromkeys(scope for one in going for ask in _ASKED for scope in ask(one, kinds))
    )


def effects_of(reading: Reading) -> tuple[Effect, ...]:
    """Return what the deletions take along: what is worst for each object first."""
    found = [*dependants(reading)]
    for going in reading.going:
        found += [effect for tell in _TOLD for effect in tell(going, reading)]
    return tuple(found)


def with_blast(plan: Plan, effects: tuple[Effect, ...], *, confirmed: str = "") -> Plan:
    """Return the plan with its blast radius; a count that is unknown breaches ``BR-10``.

    Args:
        plan: The plan.
        effects: What its deletions take along.
        confirmed: Who let everything pass that the preview names; empty for nobody.
    """
    guards = [
        Guard(
            id="BR-10", limit="known", value=str(one.ref), is_breached=True,
            message=f"guard BR-10: {one}",
            waived_by=confirmed or _waived_by(plan, one),
        )
        for one in effects
        if one.is_unknown and one.rule in _COUNTS
    ]  # fmt: skip
    plan = replace(plan, blast=effects)
    if not guards:
        return plan
    # What is not known belongs to what somebody agrees to.
    unknown = [[guard.value, guard.message, guard.waived_by] for guard in guards]
    return replace(
        plan, guards=(*plan.guards, *guards), id=digest_of({"plan": plan.id, "unknown": unknown})
    )


def _waived_by(plan: Plan, effect: Effect) -> str:
    name = allowing(effect.ref, plan.allowed)
    return f"--allow-delete {name}" if name else ""


def summed_up(plan: Plan) -> tuple[str, ...]:
    """Return what a reviewer must see first: what goes, by kind, and which data (PL-43)."""
    counts: dict[str, int] = {}
    for change in plan.changes:
        if change.operation is Operation.PRUNE:
            counts[change.ref.kind] = counts.get(change.ref.kind, 0) + 1
    lines = []
    if counts:
        lines.append("deletes " + ", ".join(f"{n} {kind}" for kind, n in sorted(counts.items())))
    lost = sorted({str(one.ref) for one in plan.blast if one.is_data_lost})
    if lost:
        lines.append(f"{DATA_LOST} with {', '.join(lost)}")
    unknown = sorted({str(one.ref) for one in plan.blast if one.is_unknown})
    if unknown:
        lines.append(f"not all is known of what goes with {', '.join(unknown)}")
    return tuple(lines)
