"""A timeline in characters, for terminals and logs.

Before: ``timeline`` has the bars. After: ``status --timeline`` prints the lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from rollwright.rollouts.describe.lines import Line, Tone
from rollwright.rollouts.timeline.bars import Bar, BarKind, Timeline, heading, seconds

BAR_WIDTH = 40
_NAME_WIDTH = 44
_FULL, _EMPTY = "█", "·"

_TONES = {
    "succeeded": Tone.PLAIN,
    "failed": Tone.BAD,
    "timed-out": Tone.BAD,
    "cancelled": Tone.WARNING,
    "superseded": Tone.WARNING,
}


def draw_text(timeline: Timeline, width: int = BAR_WIDTH) -> tuple[Line, ...]:
    """Return a line for each bar; the whole run is ``width`` characters wide."""
    return tuple(_lines(timeline, width))


def _lines(timeline: Timeline, width: int) -> Iterator[Line]:
    yield Line(heading(timeline), Tone.TITLE)
    names = max((_indented(bar) for bar in timeline.bars), key=len, default="")
    column = min(_NAME_WIDTH, len(names))
    for bar in timeline.bars:
        yield Line(_line(timeline, bar, column, width), _TONES.get(bar.outcome, Tone.QUIET))
    if timeline.left_out_count:
        yield Line(f"and {timeline.left_out_count} more objects, quicker than these", Tone.QUIET)


def _indented(bar: Bar) -> str:
    return "  " * bar.kind.depth + bar.name


def _line(timeline: Timeline, bar: Bar, column: int, width: int) -> str:
    name = _indented(bar)
    if len(name) > column:
        name = f"{name[: column - 1]}…"
    took = seconds(bar.duration) if bar.duration is not None else "-"
    is_told = bar.outcome != "succeeded" or bar.kind is BarKind.GROUP
    words = f"  {bar.outcome}" if is_told else ""
    why = f": {bar.message}" if bar.message else ""
    return f"{name:<{column}} {_drawn(timeline, bar, width)} {took:>8}{words}{why}"


def _drawn(timeline: Timeline, bar: Bar, width: int) -> str:
    if bar.started_at is None or bar.ended_at is None:
        return _EMPTY * width
    whole = max(timeline.duration, timedelta(milliseconds=1))
    start = round((bar.started_at - timeline.started_at) / whole * width)
    start = min(max(start, 0), width - 1)
    length = round((bar.ended_at - bar.started_at) / whole * width)
    length = min(max(length, 1), width - start)
    return _EMPTY * start + _FULL * length + _EMPTY * (width - start - length)
