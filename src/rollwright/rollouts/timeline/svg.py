"""A timeline as one SVG document: a row for each bar, time from left to right.

Before: ``timeline`` has the bars. After: a browser or a report shows it.

Colors follow the reader's light or dark theme; the reason of a failure is the tooltip of its bar.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape

from rollwright.rollouts.timeline.bars import Bar, BarKind, Timeline, heading, seconds

_CHARACTER = 7.3
_ROW = 22
_PADDING = 16
_HEADER = 52
_CHART = 640
_GAP = 48
_LONGEST = 60
_TICKS = 4

_STYLE = """\
svg { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; background: #fff }
text { fill: #1f2328 } .title { font-weight: bold } .tick, .took { fill: #57606a }
.grid { stroke: #d0d7de } .group text { font-weight: bold } .bar { fill: #1a7f37 }
.group .bar { fill: #8c959f } .failed .bar, .timed-out .bar { fill: #cf222e }
.cancelled .bar { fill: #9a6700 } .skipped text, .not-started text { fill: #8c959f }
@media (prefers-color-scheme: dark) {
svg { background: #0d1117 } text { fill: #e6edf3 } .tick, .took { fill: #8b949e }
.grid { stroke: #30363d } }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chart:
    """Where one run is drawn."""

    timeline: Timeline
    top: float
    left: float

    @property
    def height(self) -> float:
        return _HEADER + len(self.timeline.bars) * _ROW + _PADDING

    def x(self, offset: timedelta) -> float:
        whole = max(self.timeline.duration, timedelta(milliseconds=1))
        return self.left + min(max(offset / whole, 0.0), 1.0) * _CHART


def draw_svg(timelines: Sequence[Timeline]) -> str:
    """Return the runs as one SVG document, one below the other."""
    labels = [_label(bar) for one in timelines for bar in one.bars]
    left = _PADDING + max(map(len, labels), default=0) * _CHARACTER + _PADDING
    parts: list[str] = []
    top = float(_PADDING)
    for one in timelines:
        chart = _Chart(timeline=one, top=top, left=left)
        parts += _draw_chart(chart)
        top += chart.height
    titles = [len(heading(one)) * _CHARACTER for one in timelines]
    width = max(left + _CHART + _GAP + _PADDING, max(titles, default=0.0) + 2 * _PADDING)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {top:.0f}"'
        f' width="{width:.0f}" height="{top:.0f}" role="img">'
    )
    return "\n".join([head, f"<style>\n{_STYLE}</style>", *parts, "</svg>", ""])


def _label(bar: Bar) -> str:
    text = "  " * bar.kind.depth + bar.name
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _draw_chart(chart: _Chart) -> Iterator[str]:
    one = chart.timeline
    yield (
        f'<text class="title" x="{_PADDING}" y="{chart.top + 14:.1f}">{escape(heading(one))}</text>'
    )
    bottom = chart.top + _HEADER + len(one.bars) * _ROW
    for tick in range(_TICKS + 1):
        offset = one.duration * tick / _TICKS
        x = chart.x(offset) if one.duration else chart.left + _CHART * tick / _TICKS
        yield (
            f'<line class="grid" x1="{x:.1f}" y1="{chart.top + _HEADER - 8:.1f}" x2="{x:.1f}"'
            f' y2="{bottom:.1f}"/>'
        )
        yield (
            f'<text class="tick" x="{x:.1f}" y="{chart.top + _HEADER - 14:.1f}"'
            f' text-anchor="middle">{seconds(offset)}</text>'
        )
    for row, bar in enumerate(one.bars):
        yield _draw_bar(chart, bar, chart.top + _HEADER + row * _ROW)


def _draw_bar(chart: _Chart, bar: Bar, y: float) -> str:
    x = _PADDING + bar.kind.depth * 2 * _CHARACTER
    drawn = f'<text x="{x:.1f}" y="{y + 14:.1f}">{escape(_label(bar).strip())}</text>'
    if bar.started_at is not None and bar.ended_at is not None:
        drawn += _draw_span(chart, bar, (bar.started_at, bar.ended_at), y)
    why = f": {bar.message}" if bar.message else ""
    tip = escape("".join(filter(str.isprintable, f"{bar.name} {bar.outcome}{why}")))
    names = escape(f"{bar.kind.value} {bar.outcome}", quote=True)
    return f'<g class="{names}"><title>{tip}</title>{drawn}</g>'


def _draw_span(chart: _Chart, bar: Bar, span: tuple[datetime, datetime], y: float) -> str:
    start, end = (chart.x(at - chart.timeline.started_at) for at in span)
    width, height = max(end - start, 2.0), 6 if bar.kind is BarKind.GROUP else 12
    return (
        f'<rect class="bar" x="{start:.1f}" y="{y + 10 - height / 2:.1f}" width="{width:.1f}"'
        f' height="{height}" rx="2"/><text class="took" x="{start + width + 6:.1f}"'
        f' y="{y + 14:.1f}">{seconds(span[1] - span[0])}</text>'
    )
