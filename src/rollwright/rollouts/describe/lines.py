"""A line of text for people: how far it is indented, and what it is about.

Before: ``describe`` and its siblings put plans, reports and statuses into words.
After: ``cli`` colors the lines; a Prefect artifact and a log take them as they are.
"""

from __future__ import annotations

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
