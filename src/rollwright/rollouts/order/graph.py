"""The graph of waits: levels, circles and the way from one object to another.

Nothing here knows a rule; ``cycles`` decides what gives way.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TypeAlias

from rollwright.rollouts.order.waits import Wait

Neighbors: TypeAlias = Callable[[int], Sequence[int]]


@dataclass(frozen=True, slots=True)
class Graph:
    """Objects and waits as nodes: an object is its number, a wait the complement of its place.

    A virtual node per wait keeps a rule between two groups linear (OR-64).
    """

    waits: Sequence[Wait]
    waits_of: Mapping[int, list[int]]
    waits_for: Mapping[int, list[int]]

    @classmethod
    def of(cls, waits: Sequence[Wait]) -> Graph:
        """Index waits by who waits in them and whom they wait for."""
        waits_of, waits_for = defaultdict(list), defaultdict(list)
        for place, each in enumerate(waits):
            for number in each.waiters:
                waits_of[number].append(~place)
            for number in each.members:
                waits_for[number].append(~place)
        return cls(waits, dict(waits_of), dict(waits_for))

    def needs(self, node: int) -> Sequence[int]:
        """Return what a node waits for directly."""
        return self.waits_of.get(node, ()) if node >= 0 else self.waits[~node].members

    def needed_by(self, node: int) -> Sequence[int]:
        """Return what waits for a node directly."""
        return self.waits_for.get(node, ()) if node >= 0 else self.waits[~node].waiters

    def nodes(self) -> Iterator[int]:
        """Yield every node that waits or is waited for."""
        yield from dict.fromkeys((*self.waits_of, *self.waits_for))
        yield from (~place for place in range(len(self.waits)))


def levels(graph: Graph) -> dict[int, int]:
    """Return the longest path to each node, counted in objects; nodes in circles are missing."""
    missing = {node: len(graph.needs(node)) for node in graph.nodes()}
    found = {node: 0 for node, count in missing.items() if not count}
    ready = deque(found)
    while ready:
        node = ready.popleft()
        # Only objects are steps of a path; a virtual node hands on the level of its members.
        level = found[node] + (node < 0)
        for waiting in graph.needed_by(node):
            found[waiting] = max(found.get(waiting, 0), level)
            missing[waiting] -= 1
            if not missing[waiting]:
                ready.append(waiting)
    return {node: level for node, level in found.items() if not missing[node]}


def knots(graph: Graph) -> list[set[int]]:
    """Return the sets of nodes that all wait for one another (strongly connected components)."""
    free = levels(graph)
    stuck = [node for node in graph.nodes() if node not in free]
    order = _postorder(stuck, graph.needs)
    found, seen = [], set(free)
    for root in reversed(order):
        if root not in seen:
            knot = _flood(root, graph.needed_by, seen)
            if len(knot) > 1:
                found.append(knot)
    return found


def _postorder(roots: Iterable[int], neighbors: Neighbors) -> list[int]:
    seen: set[int] = set()
    order = []
    for root in roots:
        if root in seen:
            continue
        seen.add(root)
        path = [(root, iter(neighbors(root)))]
        while path:
            node, rest = path[-1]
            child = next((each for each in rest if each not in seen), None)
            if child is None:
                order.append(node)
                path.pop()
            else:
                seen.add(child)
                path.append((child, iter(neighbors(child))))
    return order


def _flood(root: int, neighbors: Neighbors, seen: set[int]) -> set[int]:
    found, edge = {root}, [root]
    seen.add(root)
    while edge:
        for node in neighbors(edge.pop()):
            if node not in seen:
                seen.add(node)
                found.add(node)
                edge.append(node)
    return found


Path: TypeAlias = Sequence[tuple[int, str]]
"""Objects, each with the rule by which it is waited for; the first has none."""


def shortest_way(graph: Graph, start: int, goals: AbstractSet[int]) -> Path:
    """Return the shortest way from an object over what it waits for to one of the goals.

    The start itself may be the goal; no object waits for itself in one step.
    """
    came: dict[int, tuple[int, str]] = {}
    edge = deque([start])
    look = _Look(graph)
    while not goals & came.keys():
        node = edge.popleft()
        for member, rule in look.beyond(node):
            if member not in came and (member != start or start in goals):
                came[member] = (node, rule)
                edge.append(member)
    return _walk(came, start, min(goals & came.keys()))


@dataclass(frozen=True, slots=True)
class _Look:
    """Steps from object to object that look into each wait once, however many share it."""

    graph: Graph
    left_out: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def beyond(self, node: int) -> Iterator[tuple[int, str]]:
        for place in self.graph.needs(node):
            each = self.graph.waits[~place]
            members = self.left_out.get(place, each.members)
            # All others are found now; this one may only be found by its companions.
            self.left_out[place] = (node,) if node in members else ()
            yield from ((member, each.rule) for member in members if member != node)


def _walk(came: Mapping[int, tuple[int, str]], start: int, end: int) -> Path:
    path: list[tuple[int, str]] = []
    node = end
    while node != start or not path:
        before, rule = came[node]
        path.append((node, rule))
        node = before
    return [(start, ""), *reversed(path)]


def reached(graph: Graph, nodes: AbstractSet[int]) -> Mapping[int, int]:
    """Return which objects each of the nodes waits for over the others, as bits by number.

    The graph has no circle; ways that leave ``nodes`` are not looked at.
    """
    level = levels(graph)
    found: dict[int, int] = {}
    # NB: an object's level is above those of its waits, a wait's is that of its last member.
    for node in sorted(nodes & level.keys(), key=lambda each: (level[each], each < 0)):
        bits = 0
        for needed in graph.needs(node):
            if needed in nodes:
                bits |= found[needed] | (1 << needed if needed >= 0 else 0)
        found[node] = bits
    return found
