"""What was said of a trigger that goes wrong, so that it is said once and not at every try.

Before: a poll failed, or found what it cannot use. After: whoever reads the log reads news.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

KEPT_SECONDS = 600.0
"""How long words that do not come again count as said."""


@dataclass(kw_only=True)
class Said:
    """Words that were said, by the trigger that they are about.

    Attributes:
        clock: Seconds that only grow.
    """

    clock: Callable[[], float] = monotonic
    _heard_at: dict[str, dict[str, float]] = field(default_factory=dict)

    def is_news(self, name: str, words: str) -> bool:
        """Whether words were not said lately; they are from now on."""
        now = self.clock()
        heard = self._heard_at.get(name, {})
        fresh = {one: at for one, at in heard.items() if now - at < KEPT_SECONDS}
        self._heard_at[name] = {**fresh, words: now}
        return words not in fresh

    def forget(self, name: str) -> bool:
        """Forget what was said of a trigger; return whether anything was."""
        return bool(self._heard_at.pop(name, None))
