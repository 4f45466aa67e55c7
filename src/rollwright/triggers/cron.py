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
_SET_BACK = timedelta(hours=1)
"""Once the clock stands so far before what was fired last, that was another time's clock."""


_FIELDS = {
    "minute": "0 to 59",
    "hour": "0 to 23",
    "day-of-month": "1 to 31",
    "month": "1 to 12, or JAN to DEC",
    "day-of-week": "0 to 7, or SUN to SAT",
}
"""The fields of an expression in their order, and what each may be."""


def _why_not(schedule: str, said: str) -> str:
    """Say which field of an expression is wrong."""
    name, parts = said.removeprefix("Bad "), schedule.split()
    if name not in _FIELDS or len(parts) != len(_FIELDS):
        return (
            f"expected five fields: minute, hour, day, month, weekday; got {len(parts)}:"
            f" {schedule!r}"
        )
    given = parts[list(_FIELDS).index(name)]
    if name == "day-of-month" and given.isdecimal() and 1 <= int(given) <= 31:
        return f"no cron expression that ever comes true: {schedule!r}; no such month has a day {given}"
    words = name.replace("day-of-month", "day").replace("day-of-week", "weekday")
    return f"the {words} is wrong: {given!r}; expected {_FIELDS[name]}"


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
        except CronSimError as error:
            raise ValueError(_why_not(schedule, str(error))) from None
        except StopIteration:
            raise ValueError(f"no cron expression that ever comes true: {schedule!r}") from None
        return schedule

    async def listen(self, request: ListenRequest) -> AsyncIterator[Firing]:
        """Fire at each of the times; a time has one id, whoever listens."""
        last = (await request.recall()).get(LAST, "")
        now = datetime.now(UTC)
        since = max(datetime.fromisoformat(last), now - self.catch_up) if last else now
        while True:
            due = await self._next_after(since)
            yield Firing(id=f"{request.name}:{due.isoformat()}")
            await request.remember({LAST: due.isoformat()})
            # Several times that were missed make one run.
            since = max(due, datetime.now(UTC))

    async def _next_after(self, since: datetime) -> datetime:
        """Return the next time once it has come, by whatever the clock is set to meanwhile."""
        while True:
            now = datetime.now(UTC)
            since = since if since - now < _SET_BACK else now
            due = self._after(since)
            if due <= now:
                return due
            await asyncio.sleep(min((due - now).total_seconds(), _LONGEST_NAP))

    def _after(self, since: datetime) -> datetime:
        from cronsim import CronSim  # noqa: PLC0415  (as above)

        times: Any = CronSim(self.schedule, since.astimezone(ZoneInfo(self.timezone)))
        # NB: in the second of two equal hours it begins with the first one, which is over.
        found: datetime = next(one for one in (t.astimezone(UTC) for t in times) if one > since)
        return found
