"""Contradictions between rules: which wait gives way, and which are an error (OR-70 to OR-72).

Firm waits and those of people come first; the default rules are then added one after another.
Where a rule closes a circle, single pairs are taken out of it: an object that depends back loses
its own edge, the rest of its group keeps waiting.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import groupby, pairwise

from rollwright.rollouts.order.annotations import Findings
from rollwright.rollouts.order.catalog import Catalog
from rollwright.rollouts.order.graph import Graph, Path, knots, reached, shortest_way
from rollwright.rollouts.order.waits import Strength, Wait

PAIRS_LOOKED_AT = 10_000
"""Up to so many pairs of one rule in one knot are told apart; beyond, all of them give way."""


def settle(waits: Sequence[Wait], catalog: Catalog, findings: Findings) -> list[Wait]:
    """Return the waits that can all be kept: their graph has no circle.

    Args:
        waits: Inside one wave, in the order of precedence.
        catalog: The objects, for messages.
        findings: Takes a note for what gave way, a problem for a circle that nothing can open.
    """
    if not knots(Graph.of(waits)):
        return list(waits)
    kept = [each for each in waits if each.strength is not Strength.DROPPABLE]
    if circles := knots(graph := Graph.of(kept)):
        for knot in circles:
            _refuse(graph, knot, catalog, findings)
        return []
    droppable = (each for each in waits if each.strength is Strength.DROPPABLE)
    for rule, batch in groupby(droppable, key=lambda each: each.rule):
        opening = _Opening(kept)
        kept = opening.add(list(batch))
        findings.notes.extend(opening.notes(rule, catalog))
    return kept


@dataclass(slots=True)
class _Dropped:
    """Pairs of one rule that gave way: how many, and one of them with the way back."""

    count: int = 0
    path: Path = ()

    def add(self, graph: Graph, member: int, waiters: AbstractSet[int], count: int) -> None:
        self.path = self.path or shortest_way(graph, member, waiters)
        self.count += count

    def note(self, rule: str, catalog: Catalog) -> str:
        member, waiter = (catalog.items[self.path[place][0]].ref for place in (0, -1))
        more = f" (and {self.count - 1} more)" if self.count > 1 else ""
        reason = "; ".join(_lines(self.path, catalog))
        return f"{rule} dropped: {waiter} does not wait for {member}{more}, because {reason}"


@dataclass(frozen=True, slots=True)
class _Opening:
    """Adds the waits of one rule to waits that have no circle, without making one.

    First those pairs give way that contradict what is kept already. If the others still form a
    circle among themselves, no one of them is better than the next, and all in it give way.
    """

    kept: list[Wait]
    contradictions: _Dropped = field(default_factory=_Dropped)
    knotted: _Dropped = field(default_factory=_Dropped)

    def add(self, batch: list[Wait]) -> list[Wait]:
        knot_of = self._knots(batch)
        if not knot_of:
            return self.kept + batch
        fitting = list(self._without_contradictions(batch, knot_of))
        knot_of = self._knots(fitting)
        return self.kept + list(self._without_knots(fitting, knot_of))

    def notes(self, rule: str, catalog: Catalog) -> list[str]:
        found = (self.contradictions, self.knotted)
        return [dropped.note(rule, catalog) for dropped in found if dropped.count]

    def _knots(self, batch: Sequence[Wait]) -> Mapping[int, set[int]]:
        """Return the knot of each wait of the batch that is in one, by its place there."""
        graph = Graph.of([*self.kept, *batch])
        return {
            ~node - len(self.kept): knot
            for knot in knots(graph)
            for node in knot
            if node < 0 and ~node >= len(self.kept)
        }

    def _without_contradictions(
        self, batch: Sequence[Wait], knot_of: Mapping[int, set[int]]
    ) -> Iterator[Wait]:
        graph = Graph.of(self.kept)
        tied = set().union(*knot_of.values())
        needs = reached(graph, tied)
        for place, each in enumerate(batch):
            if place in knot_of:
                yield from self._exempt(graph, each, knot_of[place], needs)
            else:
                yield each

    def _exempt(
        self, graph: Graph, each: Wait, knot: set[int], needs: Mapping[int, int]
    ) -> Iterator[Wait]:
        outside, inside = _halves(each.waiters, knot)
        free, tied = _halves(each.members, knot)
        mask = sum(1 << number for number in inside)
        by_need: dict[int, list[int]] = defaultdict(list)
        for member in tied:
            by_need[needs.get(member, 0) & mask].append(member)
        if len(by_need) * len(inside) > PAIRS_LOOKED_AT:
            yield each
            return
        yield from each.parts((outside, each.members), (inside, free))
        for bits, members in by_need.items():
            backward = {number for number in inside if bits >> number & 1}
            yield from each.parts(([n for n in inside if n not in backward], members))
            if backward:
                count = len(backward) * len(members)
                self.contradictions.add(graph, members[0], backward, count)

    def _without_knots(
        self, batch: Sequence[Wait], knot_of: Mapping[int, set[int]]
    ) -> Iterator[Wait]:
        graph = Graph.of([*self.kept, *batch])
        for place, each in enumerate(batch):
            if place not in knot_of:
                yield each
                continue
            outside, inside = _halves(each.waiters, knot_of[place])
            free, tied = _halves(each.members, knot_of[place])
            yield from each.parts((outside, each.members), (inside, free))
            both = set(inside) & set(tied)
            count = len(inside) * len(tied) - len(both)
            self.knotted.add(graph, tied[0], set(inside) - {tied[0]}, count)


def _halves(numbers: Sequence[int], knot: set[int]) -> tuple[list[int], list[int]]:
    """Return what is outside and what is inside a knot."""
    outside = [number for number in numbers if number not in knot]
    return outside, [number for number in numbers if number in knot]


def _refuse(graph: Graph, knot: set[int], catalog: Catalog, findings: Findings) -> None:
    first = min(number for number in knot if number >= 0)
    path = shortest_way(graph, first, {first})
    item = catalog.items[first]
    lines = "".join(f"\n    {line}" for line in _lines(path, catalog))
    findings.problem(item.where, "", f"objects wait for one another in a circle:{lines}")


def _lines(path: Path, catalog: Catalog) -> Iterator[str]:
    for (before, _), (after, rule) in pairwise(path):
        yield f"{catalog.items[before].ref} waits for {catalog.items[after].ref} ({rule})"
