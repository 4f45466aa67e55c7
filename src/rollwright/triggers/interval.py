"""``interval``: again and again, whatever happens elsewhere (TR-03, DOC-47).

A lost hook costs at most one interval. How soon a failed run is tried again is said by
``retryInterval`` of the Trigger.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, Field, field_validator

from rollwright.plugins.contracts import Firing, ListenRequest
from rollwright.plugins.options import OPTIONS
from rollwright.rollouts.spec.durations import Duration

LAST = "last"
_LONGEST_NAP = 60.0
"""Seconds after which the clock is looked at again: it may have been set, or have stood still."""


class First(StrEnum):
    """When the first run comes."""

    NOW = "now"
    LATER = "later"


class Interval(BaseModel):
    """Fires every so often."""

    model_config = OPTIONS

    every: Duration = Field(default=timedelta(minutes=5), description="From one run to the next.")
    jitter: float = Field(
        default=5, ge=0, le=100, description="Percent by which each interval is longer or shorter."
    )
    first: First = Field(
        default=First.LATER,
        description="now: the first run comes at once; later: after one interval.",
    )

    @field_validator("every")
    @classmethod
    def _is_no_busy_loop(cls, every: timedelta) -> timedelta:
        if every < timedelta(seconds=1):
            raise ValueError("expected at least 1s")
        return every

    async def listen(self, request: ListenRequest) -> AsyncIterator[Firing]:
        """Fire for ever; a restart keeps the rhythm, and makes up for one run that it missed."""
        last = (await request.recall()).get(LAST, "")
        due = self._first_due(last)
        while True:
            await self._until(due)
            fired_at = datetime.now(UTC)
            yield Firing(id=f"{request.name}:{fired_at.isoformat()}")
            await request.remember({LAST: fired_at.isoformat()})
            due = fired_at + self._wait()

    async def _until(self, due: datetime) -> None:
        """Wait until then; a clock that is set back makes it no longer than an interval."""
        while (left := due - datetime.now(UTC)) > timedelta(0):
            longest = self.every * (1 + self.jitter / 100)
            due = min(due, due - left + longest)
            await asyncio.sleep(min(left.total_seconds(), longest.total_seconds(), _LONGEST_NAP))

    def _first_due(self, last: str) -> datetime:
        now = datetime.now(UTC)
        if last:
            return min(datetime.fromisoformat(last), now) + self._wait()
        return now if self.first is First.NOW else now + self._wait()

    def _wait(self) -> timedelta:
        share = self.jitter / 100
        return self.every * random.uniform(1 - share, 1 + share)  # noqa: S311  (jitter)
