"""Waves: barriers that people set, and what the rules may still say across them.

A wave starts when every change of the one before is done (OR-45); so a wait for an earlier wave
holds by itself, and a wait for a later one contradicts the waves (OR-61).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rollwright.rollouts.order.annotations import Findings
from rollwright.rollouts.order.bodies import defined_kind
from rollwright.rollouts.order.catalog import Catalog, Item
from rollwright.rollouts.order.kinds import CRD, NAMESPACE, GroupKind
from rollwright.rollouts.order.waits import Strength, Wait, wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Waves:
    """The wave of every object by its number; ``is_backward`` when the highest wave is first."""

    of: Sequence[int]
    is_backward: bool = False

    def starts(self) -> list[int]:
        """Return when each object's wave starts; smaller is earlier."""
        return [-wave for wave in self.of] if self.is_backward else list(self.of)


def assign_waves(catalog: Catalog, findings: Findings) -> list[int]:
    """Return the wave of every object by its number (OR-45, OR-51).

    A Namespace and a CRD go with the first of their objects. One that names a later wave of its
    own is a problem, and takes the earlier one all the same.
    """
    waves = [item.marks.wave or 0 for item in catalog.items]
    inside, instances = catalog.in_namespace(), _instances(catalog)
    for item in catalog.items:
        if item.group_kind == NAMESPACE:
            content = inside.get(item.ref.name, [])
        elif item.group_kind == CRD:
            content = instances.get(defined_kind(item.body), [])
        else:
            continue
        if content:
            first = catalog.items[min(content, key=waves.__getitem__)]
            _follow(item, first, waves, findings)
    return waves


def _instances(catalog: Catalog) -> Mapping[GroupKind, list[int]]:
    found = defaultdict(list)
    for item in catalog.items:
        if item.group_kind in catalog.custom_kinds:
            found[item.group_kind].append(item.number)
    return found


def _follow(item: Item, first: Item, waves: list[int], findings: Findings) -> None:
    own, lowest = item.marks.wave, waves[first.number]
    if own is not None and own > lowest:
        message = f"{item.ref} is in wave {own}, but {first.ref}, which needs it, in wave {lowest}"
        findings.problem(item.where, "", message)
    if own is None or own > lowest:
        waves[item.number] = lowest


def split(
    waits: Iterable[Wait], waves: Waves, catalog: Catalog, findings: Findings
) -> Mapping[int, list[Wait]]:
    """Return the waits inside each wave, by wave.

    Waits against the waves become findings: a note for a default rule, a problem for a person's.
    """
    starts = waves.starts()
    found: dict[int, list[Wait]] = defaultdict(list)
    for each in waits:
        waiters, members = _by_start(each.waiters, starts), _by_start(each.members, starts)
        for start in sorted(waiters.keys() & members.keys()):
            wave = -start if waves.is_backward else start
            found[wave].extend(wait(each.rule, waiters[start], members[start], each.strength))
        if not each.is_local and min(waiters) < max(members):
            _report(each, waves, catalog, findings)
    return found


def _by_start(numbers: Sequence[int], starts: Sequence[int]) -> dict[int, list[int]]:
    found = defaultdict(list)
    for number in numbers:
        found[starts[number]].append(number)
    return found


def _report(each: Wait, waves: Waves, catalog: Catalog, findings: Findings) -> None:
    starts = waves.starts()
    last = max(starts[number] for number in each.members)
    waiter = next(number for number in each.waiters if starts[number] < last)
    member = next(number for number in each.members if starts[number] > starts[waiter])
    early, late = catalog.items[waiter], catalog.items[member]
    text = (
        f"{each.rule}: {early.ref} in wave {waves.of[waiter]} cannot wait for"
        f" {late.ref} in wave {waves.of[member]}{_and_more(_pairs(each, starts) - 1)}"
    )
    if each.strength is Strength.USER:
        findings.problem(early.where, "", text)
    else:
        findings.notes.append(f"{text}; the waves win")


def _pairs(each: Wait, starts: Sequence[int]) -> int:
    members = Counter(starts[number] for number in each.members)
    return sum(
        count
        for number in each.waiters
        for start, count in members.items()
        if start > starts[number]
    )


def _and_more(count: int) -> str:
    return f" (and {count} more)" if count else ""
