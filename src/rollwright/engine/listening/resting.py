"""How long a run works, and how long it only waits.

Before: a run began. After: the queue knows whether it is one of those that take long.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Rest:
    """How long a run has only waited.

    Attributes:
        began: When it began, in seconds.
        since: Since when it waits; zero while it works.
        total: Seconds of waits that are over.
    """

    began: float
    since: float = 0.0
    total: float = 0.0

    def turn(self, is_idle: bool, now: float) -> None:  # noqa: FBT001  (a switch is told)
        """Take note that it begins, or ceases, to only wait."""
        if is_idle:
            self.since = now
        elif self.since:
            self.total += now - self.since
            self.since = 0.0

    def worked(self, now: float) -> float:
        """Return the seconds of its work."""
        resting = now - self.since if self.since else 0.0
        return now - self.began - self.total - resting
