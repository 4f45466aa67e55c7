"""The order of changes as a value: waves, levels, and why each object waits.

A rule between few objects stands as edges at each of them. One between many stands once, as a
gate that all of them wait for, so that the order of 10,000 objects stays small (OR-64).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from rollwright.rollouts.change import Edge, Gate
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.order.kinds import tie_key
from rollwright.rollouts.order.user import External


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """One object in the order.

    Attributes:
        ref: The object.
        wave: Its barrier number.
        level: Longest path to it inside its wave.
        needs: What it waits for inside its wave, besides the members of its gates.
        gates: Ids of the gates that it waits for.
    """

    ref: ObjectRef
    wave: int
    level: int
    needs: tuple[Edge, ...] = ()
    gates: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Ordering:
    """The whole order.

    Attributes:
        placed: In the order of starts: wave by wave, by level, then by ``tie_key``. For deletes
            the highest wave comes first and ties are broken the other way round.
        gates: Of all waves.
        external: What objects need of other rollouts.
        notes: Rules that were not kept, annotations that had no effect.
    """

    placed: tuple[Placed, ...]
    gates: tuple[Gate, ...] = ()
    external: tuple[External, ...] = ()
    notes: tuple[str, ...] = ()

    @cached_property
    def by_ref(self) -> Mapping[ObjectRef, Placed]:
        """The places by identity."""
        return {place.ref: place for place in self.placed}

    @cached_property
    def gates_by_id(self) -> Mapping[str, Gate]:
        """The gates by id."""
        return {gate.id: gate for gate in self.gates}

    @cached_property
    def waves(self) -> tuple[tuple[int, tuple[Placed, ...]], ...]:
        """The objects between two barriers, in the order of starts."""
        found: dict[int, list[Placed]] = defaultdict(list)
        for place in self.placed:
            found[place.wave].append(place)
        return tuple((wave, tuple(places)) for wave, places in found.items())

    def predecessors(self, ref: ObjectRef) -> tuple[Edge, ...]:
        """Return every object that this one waits for inside its wave, gates written out."""
        place = self.by_ref[ref]
        edges = set(place.needs)
        for gate in (self.gates_by_id[name] for name in place.gates):
            edges.update(Edge(ref=member, rule=gate.rule) for member in gate.members)
        return tuple(sorted(edges, key=edge_key))


Node: TypeAlias = "ObjectRef | str"
"""An object, or the id of a gate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrow:
    """A line of the drawing: ``after`` waits for ``before``, by these rules."""

    before: Node
    after: Node
    rules: tuple[str, ...]


def edge_key(edge: Edge) -> tuple[object, ...]:
    """Return what edges are sorted by."""
    return (*tie_key(edge.ref), edge.rule)


def reduced(ordering: Ordering) -> tuple[Arrow, ...]:
    """Return the arrows without those that follow from others (OR-60), gates being nodes.

    What an object waits for is left out when something else it waits for waits for it already.
    """
    reach: dict[Node, int] = {}
    bits: dict[Node, int] = {}
    arrows: list[Arrow] = []
    for node, needs in _in_order(ordering):
        covered = 0
        # Later nodes reach further, so they are asked first.
        for before in sorted(needs, key=bits.__getitem__, reverse=True):
            if not covered & bits[before]:
                arrows.append(Arrow(before=before, after=node, rules=tuple(sorted(needs[before]))))
                covered |= reach[before] | bits[before]
        bits[node], reach[node] = 1 << len(bits), covered
    return tuple(arrows)


def _in_order(ordering: Ordering) -> Iterator[tuple[Node, Mapping[Node, set[str]]]]:
    """Yield objects and gates with what they wait for, each after all of that."""
    seen: set[str] = set()
    for place in ordering.placed:
        for gate in (ordering.gates_by_id[name] for name in place.gates):
            if gate.id not in seen:
                seen.add(gate.id)
                yield gate.id, _rules((member, gate.rule) for member in gate.members)
        edges = [(edge.ref, edge.rule) for edge in place.needs]
        gates = ((name, ordering.gates_by_id[name].rule) for name in place.gates)
        yield place.ref, _rules((*edges, *gates))


def _rules(pairs: Iterable[tuple[Node, str]]) -> Mapping[Node, set[str]]:
    found: dict[Node, set[str]] = defaultdict(set)
    for before, rule in pairs:
        found[before].add(rule)
    return found
