"""What we tell others about a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """A run in words: a title, lines, Markdown, and the same for machines."""

    title: str
    outcome: str
    lines: tuple[str, ...] = ()
    markdown: str = ""
    machine: Mapping[str, Any] = field(default_factory=dict)
