"""The graph of a rollout as SVG: waves from left to right, columns by level.

Before: ``graph`` reduced the order. After: a browser, a README or a report shows it.

A small layered layout of our own: nodes stand in the column of their level, sorted by where
their neighbors stand, so that few lines cross. Colors follow the reader's light or dark theme.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import escape

from rollwright.rollouts.graph import Band, Graph, Line, Node

_CHARACTER = 7.3
_NODE_HEIGHT = 36
_GATE_HEIGHT = 20
_ROW = 50
_GAP = 70
_PADDING = 16
_HEADER = 34
_SWEEPS = 4

_STYLE = """\
svg { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; background: #fff }
.band { fill: #f6f8fa; stroke: #d0d7de } .title { fill: #57606a; font-weight: bold }
.node rect { fill: #fff; stroke: #8c959f } .node text { fill: #1f2328 }
.node .kind { fill: #57606a; font-size: 10px } .gate rect { stroke-dasharray: 3 2 }
.create rect { stroke: #1a7f37; stroke-width: 2 } .prune rect { stroke: #cf222e; stroke-width: 2 }
.update rect, .adopt rect, .replace rect { stroke: #9a6700; stroke-width: 2 }
.line { fill: none; stroke: #8c959f } #tip path { fill: #8c959f }
@media (prefers-color-scheme: dark) {
svg { background: #0d1117 } .band { fill: #161b22; stroke: #30363d } .title { fill: #8b949e }
.node rect { fill: #0d1117; stroke: #6e7681 } .node text { fill: #e6edf3 }
.node .kind { fill: #8b949e } }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Box:
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Picture:
    """One band, drawn at its place."""

    parts: tuple[str, ...]
    width: float
    height: float


def draw_svg(graph: Graph) -> str:
    """Return the graph as one SVG document."""
    parts: list[str] = []
    x, height = float(_PADDING), 0.0
    for band in graph.bands:
        picture = _draw_band(band, x)
        parts += picture.parts
        x += picture.width + _PADDING
        height = max(height, picture.height)
    total = height + 2 * _PADDING
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {x:.0f} {total:.0f}"'
        f' width="{x:.0f}" height="{total:.0f}" role="img">'
    )
    tip = (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7"'
        ' markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>'
    )
    return "\n".join([head, f"<style>\n{_STYLE}</style>", tip, *parts, "</svg>", ""])


def _draw_band(band: Band, left: float) -> _Picture:
    columns = _arranged(band)
    boxes = _placed(columns, left + _PADDING, _PADDING + _HEADER)
    right = max((box.x + box.width for box in boxes.values()), default=left + 80)
    bottom = max((box.y + box.height for box in boxes.values()), default=float(_HEADER))
    width, height = right - left + _PADDING, bottom
    frame = (
        f'<rect class="band" x="{left:.1f}" y="{_PADDING}" width="{width:.1f}"'
        f' height="{height:.1f}" rx="8"/>'
    )
    title = (
        f'<text class="title" x="{left + _PADDING:.1f}" y="{_PADDING + 22}">'
        f"{escape(band.name)}</text>"
    )
    lines = (_draw_line(line, boxes) for line in band.lines)
    nodes = (_draw_node(node, boxes[node.id]) for node in band.nodes)
    return _Picture(parts=(frame, title, *lines, *nodes), width=width, height=height + _PADDING)


def _arranged(band: Band) -> list[list[Node]]:
    """Return the nodes by column, sorted so that few lines cross."""
    by_level: dict[int, list[Node]] = defaultdict(list)
    for node in band.nodes:
        by_level[node.level].append(node)
    columns = [by_level[level] for level in sorted(by_level)]
    before, after = _neighbors(band.lines)
    for sweep in range(_SWEEPS):
        is_forward = sweep % 2 == 0
        for column in columns if is_forward else reversed(columns):
            rows = {node.id: row for one in columns for row, node in enumerate(one)}
            _sort_by_neighbors(column, before if is_forward else after, rows)
    return columns


def _neighbors(lines: Iterable[Line]) -> tuple[Mapping[str, list[str]], Mapping[str, list[str]]]:
    before, after = defaultdict(list), defaultdict(list)
    for line in lines:
        before[line.after].append(line.before)
        after[line.before].append(line.after)
    return before, after


def _sort_by_neighbors(
    column: list[Node], neighbors: Mapping[str, list[str]], rows: Mapping[str, int]
) -> None:
    def middle(node: Node) -> float:
        near = [rows[one] for one in neighbors.get(node.id, ())]
        return sum(near) / len(near) if near else float(rows[node.id])

    column.sort(key=middle)


def _placed(columns: Iterable[list[Node]], left: float, top: float) -> dict[str, _Box]:
    boxes: dict[str, _Box] = {}
    columns = list(columns)
    tallest = max((len(column) for column in columns), default=0)
    x = left
    for column in columns:
        width = max(_width(node) for node in column)
        shift = (tallest - len(column)) * _ROW / 2
        for row, node in enumerate(column):
            height = _NODE_HEIGHT if node.kind else _GATE_HEIGHT
            y = top + shift + row * _ROW + (_NODE_HEIGHT - height) / 2
            boxes[node.id] = _Box(x=x, y=y, width=width, height=height)
        x += width + _GAP
    return boxes


def _width(node: Node) -> float:
    longest = max(len(node.text), len(_caption(node)))
    return longest * _CHARACTER + 2 * 10


def _caption(node: Node) -> str:
    return f"{node.kind} · {node.operation}" if node.operation else node.kind


def _draw_line(line: Line, boxes: Mapping[str, _Box]) -> str:
    start, end = boxes[line.before], boxes[line.after]
    x1, y1 = start.x + start.width, start.y + start.height / 2
    x2, y2 = end.x, end.y + end.height / 2
    bend = (x2 - x1) / 2
    path = f"M{x1:.1f} {y1:.1f}C{x1 + bend:.1f} {y1:.1f} {x2 - bend:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"
    why = escape(", ".join(line.rules))
    return f'<path class="line" marker-end="url(#tip)" d="{path}"><title>{why}</title></path>'


def _draw_node(node: Node, box: _Box) -> str:
    names = " ".join(filter(None, ("node", "" if node.kind else "gate", node.operation)))
    return f'<g class="{escape(names)}">{"".join(_node_parts(node, box))}</g>'


def _node_parts(node: Node, box: _Box) -> Iterator[str]:
    yield (
        f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}"'
        f' height="{box.height:.1f}" rx="5"/>'
    )
    if node.kind:
        yield (
            f'<text class="kind" x="{box.x + 10:.1f}" y="{box.y + 14:.1f}">'
            f"{escape(_caption(node))}</text>"
        )
    yield (
        f'<text x="{box.x + 10:.1f}" y="{box.y + box.height - 8:.1f}">{escape(node.text)}</text>'
    )
