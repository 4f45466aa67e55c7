"""Printing: lines in color for people, one document for programs.

Before: a command has its result. After: standard output has it, and nothing else.

Text comes from clusters and files that somebody else wrote: control characters never reach the
terminal.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rollwright.rollouts.describe.lines import Line, Tone


class Style(StrEnum):
    """Colors, as a terminal takes them; named like the tones of lines."""

    TITLE = "1"
    ADDED = "32"
    CHANGED = "33"
    REMOVED = "31"
    QUIET = "2"
    GOOD = "1;32"
    BAD = "1;31"
    WARNING = "33"
    PLAIN = ""


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def wants_color(stream: TextIO) -> bool:
    """Whether a stream is a terminal that shows colors, and nobody asked for none."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM", "") in {"", "dumb"}:
        return False
    return is_terminal(stream)


def is_terminal(stream: TextIO) -> bool:
    """Whether a person looks at a stream."""
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False


def printable(text: str) -> str:
    """Return a text without what would steer a terminal."""
    return _CONTROL.sub("�", text)


def paint(text: str, style: Style, *, is_colored: bool) -> str:
    """Return a text in a color."""
    return f"\x1b[{style}m{text}\x1b[0m" if is_colored and style else text


def write_lines(lines: Iterable[Line], stream: TextIO | None = None) -> None:
    """Print lines for people."""
    target = stream or sys.stdout
    is_colored = wants_color(target)
    for line in lines:
        text = paint(printable(line.text), Style[line.tone.name], is_colored=is_colored)
        target.write(f"{'  ' * line.depth}{text}\n")
    target.flush()


def write_table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], tones: Sequence[Tone] = ()
) -> None:
    """Print a table for people; ``tones`` has one for each row."""
    from rollwright.rollouts.describe.lines import Line, Tone

    lines = [Line("  ".join(row).rstrip()) for row in _aligned([headers, *rows])]
    toned = [Line(lines[0].text, Tone.TITLE), *lines[1:]]
    for index, tone in enumerate(tones, start=1):
        toned[index] = Line(toned[index].text, tone)
    write_lines(toned)


def _aligned(rows: Sequence[Sequence[str]]) -> Iterable[list[str]]:
    texts = [[printable(cell).replace("\n", " ") for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*texts, strict=True)]
    for row in texts:
        yield [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]


def write_document(value: Any, form: str) -> None:
    """Print one document for programs: ``json`` or ``yaml``."""
    sys.stdout.write(document_text(value, form))
    sys.stdout.flush()


def document_text(value: Any, form: str) -> str:
    """Return a value as JSON or YAML text."""
    if form == "yaml":
        from rollwright.documents import dump

        return dump(value)
    import orjson

    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n"


def record_text(value: Any, form: str) -> str:
    """Return one of several values that come one by one: a line of JSON, or a YAML document."""
    if form == "yaml":
        from rollwright.documents import dump

        return f"---\n{dump(value).rstrip()}"
    import orjson

    return orjson.dumps(value).decode()


def write_line(text: str) -> None:
    """Print one line of the result at once: whoever follows it waits for the next one."""
    sys.stdout.write(f"{printable(text)}\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """Tell a person what happens, beside the result."""
    sys.stderr.write(f"{printable(text)}\n")
    sys.stderr.flush()
