"""One thing that ``doctor`` looked at, and how good it is.

Before: a checkup looked. After: ``doctor`` prints what was found, with what to do about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How good a finding is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at; ``advice`` says what to do."""

    level: Level
    subject: str
    text: str
    advice: str = ""
    is_unreachable: bool = False

    @property
    def is_bad(self) -> bool:
        """Whether rollouts will not work."""
        return self.level is Level.FAIL
