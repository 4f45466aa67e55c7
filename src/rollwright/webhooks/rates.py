"""How many deliveries a receiver takes: a bucket that fills again (WH-05)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


@dataclass(slots=True, kw_only=True)
class Rates:
    """A bucket for each receiver.

    Attributes:
        per_minute: How many come back in a minute.
        burst: How many there are at most.
        now: Seconds of a clock that does not jump.
    """

    per_minute: float
    burst: int
    now: Callable[[], float] = monotonic
    _buckets: dict[str, _Bucket] = field(default_factory=dict)

    def take(self, name: str) -> float:
        """Take one; return the seconds to wait if there is none, else zero."""
        if wait := self.wait(name):
            return wait
        self._buckets[name].left -= 1
        return 0.0

    def wait(self, name: str) -> float:
        """Return the seconds until there is one, and take none."""
        now, per_second = self.now(), self.per_minute / 60
        bucket = self._buckets.setdefault(name, _Bucket(self.burst, now))
        bucket.left = min(self.burst, bucket.left + (now - bucket.at) * per_second)
        bucket.at = now
        return 0.0 if bucket.left >= 1 else (1 - bucket.left) / per_second
