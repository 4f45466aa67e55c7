"""``cron``: at the times that a cron expression names."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, Field, field_validator

from rollwright.plugins.contracts import Firing, ListenRequest
from rollwright.plugins.options import OPTIONS
from rollwright.rollouts.spec.durations import Duration

LAST = "last"
_LONGEST_NAP = 60.0
"""Seconds after which the clock is looked at again: it may have been set, or have stood still."""


class Cron(BaseModel):
    """Fires at the times of a cron expression."""

    model_config = OPTIONS

    schedule: str = Field(description="Five fields: minute, hour, day, month, weekday.")
    timezone: str = Field(default="UTC", description="Where the hours are those of, an IANA name.")
    catch_up: Duration = Field(
        default=timedelta(0),
        alias="catchUp",
        description="How late a missed time is still made up for, once, after a restart.",
    )

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"no such time zone: {name!r}") from None
        return name

    @field_validator("schedule")
    @classmethod
    def _is_cron(cls, schedule: str) -> str:
        from cronsim import CronSim, CronSimError  # noqa: PLC0415  (only this trigger needs it)

        try:
            next(CronSim(schedule, datetime.now(UTC)))
        except (CronSimError, StopIteration):
            raise ValueError(f"no cron expression that ever comes true: {schedule!r}") from None
        return schedule

    async def listen(self, request: ListenRequest) -> AsyncIterator[Firing]:
        """Fire at each of the times; a time has one id, whoever listens."""
        last = (await request.recall()).get(LAST, "")
        now = datetime.now(UTC)
        since = max(datetime.fromisoformat(last), now - self.catch_up) if last else now
        while True:
            due = self._after(since)
            while (left := (due - datetime.now(UTC)).total_seconds()) > 0:  # noqa: ASYNC110  (the clock may be set)
                await asyncio.sleep(min(left, _LONGEST_NAP))
            yield Firing(id=f"{request.name}:{due.astimezone(UTC).isoformat()}")
            await request.remember({LAST: due.isoformat()})
            # Several times that were missed make one run.
            since = max(due, datetime.now(UTC))

    def _after(self, since: datetime) -> datetime:
        from cronsim import CronSim  # noqa: PLC0415  (as above)

        times: Any = CronSim(self.schedule, since.astimezone(ZoneInfo(self.timezone)))
        found: datetime = next(times)
        return found
