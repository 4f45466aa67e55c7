"""At most so many requests per second, for a site that sets ``qps``; nobody else pays for it."""

from __future__ import annotations

from rollwright.kube.retry import Timing


class Pace:
    """Hands out moments at equal distances.

    Args:
        rate: Requests per second.
        timing: Clocks.
    """

    def __init__(self, rate: float, timing: Timing | None = None) -> None:
        self._distance = 1.0 / rate
        self._timing = timing or Timing()
        self._next_at = 0.0

    async def wait(self) -> None:
        """Wait for our moment."""
        now = self._timing.clock()
        at = max(self._next_at, now)
        self._next_at = at + self._distance
        if at > now:
            await self._timing.sleep(at - now)
