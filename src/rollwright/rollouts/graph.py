"""The order of a rollout as a drawing: text, Mermaid, and (in ``drawing``) SVG.

Before: ``order`` arranged the objects, or a plan holds what it arranged.
After: ``rollwright graph`` prints it; a report or an artifact may show it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.order import Gate, Ordering, Placed, reduced
from rollwright.rollouts.plan import Plan, Step, Wave


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One object, or a point between many objects and many that wait for them.

    Attributes:
        id: Short, unique in its graph, safe in any notation.
        text: What a person reads.
        kind: Kind of the object; empty for a point between.
        level: Column of the drawing inside its wave, from 0.
        operation: What a plan does to the object; empty without a plan.
    """

    id: str
    text: str
    kind: str
    level: int
    operation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """``after`` waits for ``before``; both are ids of nodes."""

    before: str
    after: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """What stands between two barriers: a wave, or one of the steps of a wave.

    ``needs`` names the bands that it follows; ``None`` for just the one before.
    """

    name: str
    nodes: tuple[Node, ...]
    lines: tuple[Line, ...]
    needs: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Waves in the order they run, each with its own lines."""

    bands: tuple[Band, ...]
    notes: tuple[str, ...] = ()


def graph_of(ordering: Ordering) -> Graph:
    """Return the graph of an order, without lines that follow from others."""
    bands = (
        _band(f"wave {wave}", places, ordering.gates_by_id, {}) for wave, places in ordering.waves
    )
    return Graph(bands=_numbered(bands), notes=ordering.notes)


def graph_of_plan(plan: Plan) -> Graph:
    """Return the graph of what a plan does, step by step."""
    return graph_of_waves(plan.waves, plan.notes)


def graph_of_waves(waves: Iterable[Wave], notes: tuple[str, ...] = ()) -> Graph:
    """Return the graph of planned waves, step by step."""
    bands = (_band_of_step(step) for wave in waves for step in wave.steps)
    return Graph(bands=_numbered(bands), notes=notes)


def _band_of_step(step: Step) -> Band:
    # NB: what runs beside a step may be waited for, too, and stands in a band of its own.
    inside = {one.ref for one in step.changes}
    places = tuple(
        Placed(
            ref=one.ref, wave=one.wave, level=one.level, gates=one.gates,
            needs=tuple(edge for edge in one.needs if edge.ref in inside),
        )
        for one in step.changes
    )  # fmt: skip
    gates = {
        gate.id: replace(gate, members=tuple(ref for ref in gate.members if ref in inside))
        for gate in step.gates
    }
    band = _band(step.name, places, gates, {one.ref: one.operation for one in step.changes})
    if not step.group:
        return band
    deed = (step.plugin.words if step.plugin else "") or step.name.rpartition("/")[2]
    alone = Node(id=step.name, text=deed, kind=step.action, level=0)
    return replace(band, nodes=band.nodes or (alone,), needs=step.needs)


def _band(
    name: str,
    places: tuple[Placed, ...],
    gates: Mapping[str, Gate],
    operations: Mapping[ObjectRef, str],
) -> Band:
    # Within a wave nothing waits for another one, so each can be reduced by itself.
    used = {gate for place in places for gate in place.gates}
    inside = Ordering(placed=places, gates=tuple(gates[gate] for gate in gates if gate in used))
    rows = {_key(place.ref): row for row, place in enumerate(places)}
    arrows = sorted(reduced(inside), key=lambda arrow: rows.get(_key(arrow.before), len(rows)))
    lines = _bundled(
        Line(before=_key(arrow.before), after=_key(arrow.after), rules=arrow.rules)
        for arrow in arrows
    )
    middle_ids = dict.fromkeys(
        one for line in lines for one in (line.before, line.after) if one not in rows
    )
    levels = _levels((*rows, *middle_ids), lines)
    objects = tuple(
        Node(
            id=_key(place.ref),
            text=str(place.ref).partition("/")[2],
            kind=place.ref.kind,
            level=levels[_key(place.ref)],
            operation=operations.get(place.ref, ""),
        )
        for place in places
    )
    kinds = {node.id: node.kind for node in objects}
    middle = (
        Node(id=one, text=_crowd(one, lines, kinds), kind="", level=levels[one])
        for one in middle_ids
    )
    return Band(name=name, nodes=(*objects, *middle), lines=lines)


_BUNDLE_FROM = 3
"""So many lines that several objects share become one."""


def _bundled(lines: Iterable[Line]) -> tuple[Line, ...]:
    """Draw what several objects wait for alike as one node between the two sides."""
    needs: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        needs[line.after].append(line)
    sharing: dict[tuple[tuple[str, tuple[str, ...]], ...], list[str]] = defaultdict(list)
    for after, own in needs.items():
        sharing[tuple((line.before, line.rules) for line in own)].append(after)
    found: list[Line] = []
    for number, (befores, afters) in enumerate(sharing.items()):
        if len(befores) < _BUNDLE_FROM or len(afters) < 2:
            found += [line for after in afters for line in needs[after]]
            continue
        middle, rules = f"bundle {number}", tuple(sorted({r for _, own in befores for r in own}))
        found += [Line(before=before, after=middle, rules=own) for before, own in befores]
        found += [Line(before=middle, after=after, rules=rules) for after in afters]
    return tuple(found)


def _crowd(middle: str, lines: Iterable[Line], kinds: Mapping[str, str]) -> str:
    """Name what stands before a node in the middle: ``30 ConfigMap objects``."""
    befores = [line.before for line in lines if line.after == middle]
    found = {kinds.get(before, "") for before in befores}
    kind = found.pop() if len(found) == 1 else ""
    return " ".join(filter(None, (str(len(befores)), kind, "objects")))


def _key(node: ObjectRef | str) -> str:
    return node if isinstance(node, str) else node.qualified


def _levels(ids: Iterable[str], lines: Iterable[Line]) -> dict[str, int]:
    """Return the longest path to each node; gates count as nodes."""
    needs = defaultdict(list)
    for line in lines:
        needs[line.after].append(line.before)
    levels: dict[str, int] = {}
    for start in ids:
        stack = [start]
        while stack:
            node = stack[-1]
            open_needs = [before for before in needs[node] if before not in levels]
            if open_needs:
                stack += open_needs
                continue
            stack.pop()
            levels[node] = max((levels[before] + 1 for before in needs[node]), default=0)
    return levels


def _numbered(bands: Iterable[Band]) -> tuple[Band, ...]:
    """Give every node a short id: identities hold letters that notations do not allow."""
    short: dict[tuple[int, str], str] = {}
    found = []
    for index, band in enumerate(bands):
        for node in band.nodes:
            short[index, node.id] = f"n{len(short)}"
        nodes = tuple(_with_id(node, short[index, node.id]) for node in band.nodes)
        lines = tuple(
            Line(before=short[index, one.before], after=short[index, one.after], rules=one.rules)
            for one in band.lines
        )
        found.append(Band(name=band.name, nodes=nodes, lines=lines, needs=band.needs))
    return tuple(found)


def _with_id(node: Node, short: str) -> Node:
    return Node(
        id=short, text=node.text, kind=node.kind, level=node.level, operation=node.operation
    )


def label(node: Node) -> str:
    """Return what a person calls a node: ``Deployment/shop/web``."""
    name = f"{node.kind}/{node.text}" if node.kind else node.text
    return f"{node.operation} {name}" if node.operation else name


def draw_text(graph: Graph) -> str:
    """Return the order as indented lines: each object with what it waits for."""
    return "".join(f"{line}\n" for line in _text_lines(graph))


def _text_lines(graph: Graph) -> Iterator[str]:
    for band in graph.bands:
        nodes = {node.id: node for node in band.nodes}
        needs: dict[str, list[Line]] = defaultdict(list)
        for line in band.lines:
            needs[line.after].append(line)
        yield f"{band.name}:"
        for level in range(max((node.level for node in band.nodes), default=-1) + 1):
            for node in (one for one in band.nodes if one.level == level and one.kind):
                yield f"  {'  ' * level}{label(node)}{_waits(needs[node.id], nodes)}"
    for note in graph.notes:
        yield f"note: {note}"


_NAMED = 4


def _waits(lines: list[Line], nodes: Mapping[str, Node]) -> str:
    if not lines:
        return ""
    named = [f"{label(nodes[one.before])} ({', '.join(one.rules)})" for one in lines[:_NAMED]]
    more = f", and {len(lines) - _NAMED} more" if len(lines) > _NAMED else ""
    return f"  after {', '.join(named)}{more}"


def draw_mermaid(graph: Graph) -> str:
    """Return the order as a Mermaid flowchart."""
    return "".join(f"{line}\n" for line in _mermaid_lines(graph))


def _mermaid_lines(graph: Graph) -> Iterator[str]:
    yield "flowchart LR"
    for index, band in enumerate(graph.bands):
        yield f'  subgraph w{index}["{_quoted(band.name)}"]'
        for node in band.nodes:
            text = _quoted(label(node))
            yield f'    {node.id}["{text}"]' if node.kind else f'    {node.id}{{{{"{text}"}}}}'
        yield "  end"
        for line in band.lines:
            yield f'  {line.before} -->|"{_quoted(", ".join(line.rules))}"| {line.after}'
    places = {band.name: index for index, band in enumerate(graph.bands)}
    for index, band in enumerate(graph.bands):
        named = band.needs if band.needs is not None else ()
        before = [index - 1] if band.needs is None else [places[n] for n in named if n in places]
        yield from (f"  w{one} ==> w{index}" for one in before if one >= 0)


def _quoted(text: str) -> str:
    """Return a text for inside Mermaid's quotes."""
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def graph_form(graph: Graph) -> dict[str, Any]:
    """Return the graph for programs: waves with nodes and edges."""
    return {
        "apiVersion": "rollwright.dev/v1alpha1",
        "kind": "Graph",
        "waves": [
            {
                "name": band.name,
                "nodes": [
                    {"id": one.id, "label": label(one), "level": one.level} for one in band.nodes
                ],
                "edges": [
                    {"before": one.before, "after": one.after, "rules": list(one.rules)}
                    for one in band.lines
                ],
            }
            for band in graph.bands
        ],
        "notes": list(graph.notes),
    }
