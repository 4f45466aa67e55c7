"""Trying again after errors that can pass (RT-06): how often, and after how long.

Before: a step says how often it is tried again. After: ``steps`` has its result, or the last error.

The policy lies in the error: what a server refuses stays refused (RT-05).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from rollwright.engine.progress import Note
from rollwright.engine.run import Run
from rollwright.errors import RolloutError

FIRST_DELAY = timedelta(seconds=5)
LONGEST_DELAY = timedelta(minutes=3)
JITTER = 0.2
"""A step is tried again after 5 s, then twice as long each time (RT-06), give or take 20 %."""


@dataclass(frozen=True)
class Again:
    """Tries something again after errors that can pass."""

    run: Run
    count: int
    deadline: datetime | None

    async def until_done(self, attempt: Callable[[], Awaitable[Any]]) -> Any:
        """Return what an attempt gives; the last error is raised as it is."""
        for number in range(1, self.count + 1):
            try:
                return await attempt()
            except RolloutError as error:
                delay = next_delay(number)
                if not error.retryable or self._is_too_late(delay):
                    raise
                left = self.count - number
                self.run.tell(Note(f"{error.message}; trying again ({left} more after that)"))
            if await self._stopped_within(delay):
                break
        return await attempt()

    def _is_too_late(self, delay: timedelta) -> bool:
        is_late = self.deadline is not None and self.run.now() + delay >= self.deadline
        return is_late or self.run.stop.is_set()

    async def _stopped_within(self, delay: timedelta) -> bool:
        seconds = delay.total_seconds() * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  (no secret)
        try:
            await asyncio.wait_for(self.run.stop.wait(), seconds)
        except TimeoutError:
            return False
        return True


def next_delay(attempt: int) -> timedelta:
    """Return the delay after an attempt that failed, without jitter; the first one is 1."""
    doublings: int = min(attempt - 1, 10)
    return min(FIRST_DELAY * (1 << doublings), LONGEST_DELAY)
