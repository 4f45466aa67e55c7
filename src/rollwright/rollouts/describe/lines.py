"""A line of text for people: how far it is indented, and what it is about.

Before: ``describe`` and its siblings put plans, reports and statuses into words.
After: ``cli`` colors the lines; a Prefect artifact and a log take them as they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Tone(StrEnum):
    """What a line is about; a terminal makes a color of it."""

    TITLE = "title"
    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"
    QUIET = "quiet"
    GOOD = "good"
    BAD = "bad"
    WARNING = "warning"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Line:
    """One line, indented by ``depth`` steps."""

    text: str
    tone: Tone = Tone.PLAIN
    depth: int = 0

    def __str__(self) -> str:
        return "  " * self.depth + self.text


def short(digest: str) -> str:
    """Return a digest or revision short enough to read: ``path@sha256:4f3c0a…``."""
    head, colon, tail = digest.rpartition(":")
    is_hex = len(tail) > 16 and all(letter in "0123456789abcdef" for letter in tail)
    return f"{head}{colon}{tail[:12]}" if is_hex else digest


def text(lines: Iterable[Line]) -> str:
    """Return lines as plain text."""
    return "\n".join(str(line) for line in lines) + "\n"
