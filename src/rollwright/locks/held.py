"""A lease while it is held: renewed in the background, lost before others may take it.

Before: ``lease`` acquired it.
After: ``lease`` gives it up.

The lease counts from the moment *before* its last renewal was sent, by a clock that nobody sets.
A margin before its end it counts as lost, and it is never found again: what the holder does then
must not race with whoever takes over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from rollwright.errors import ClusterError, RolloutError
from rollwright.locks import record as records
from rollwright.locks import words
from rollwright.locks.clock import Clock, within
from rollwright.locks.record import LeaseRecord
from rollwright.plugins.contracts import LockRecord


class Leases(Protocol):
    """Reads and writes Leases."""

    async def read(self, key: str) -> LeaseRecord | None:
        """Return what the Lease of a key says now."""
        ...

    async def write(self, record: LeaseRecord) -> LeaseRecord:
        """Write it, if nobody did since it was read; status 409 otherwise."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long a lease lasts, how often it is renewed, and when it counts as lost."""

    ttl_seconds: int
    renew_seconds: float

    @property
    def safe_seconds(self) -> float:
        """How long the holder trusts a renewal: a sixth less than others respect it."""
        return self.ttl_seconds * 5 / 6


class HeldLease:
    """A held lock."""

    def __init__(
        self,
        record: LeaseRecord,
        *,
        leases: Leases,
        times: Times,
        clock: Clock,
        since: float,
        taken_from: LockRecord | None = None,
    ) -> None:
        self.record = record
        self.taken_from = taken_from
        self.lost = asyncio.Event()
        self._leases = leases
        self._times = times
        self._clock = clock
        self._ends = since + times.safe_seconds
        self._why_lost = "it was not renewed in time"

    @property
    def key(self) -> str:
        """What is locked."""
        return self.record.key

    @property
    def token(self) -> int:
        """The fencing token."""
        return self.record.token

    def check(self) -> None:
        """Raise ``LockLost`` if the lease may be gone."""
        # NB: a process that was frozen gets here before its background tasks run again.
        if self._left <= 0:
            self.lost.set()
        if self.lost.is_set():
            raise words.lost(self.key, self._why_lost)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Renew while inside."""
        tasks = [asyncio.ensure_future(self._renew_often()), asyncio.ensure_future(self._expire())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def _left(self) -> float:
        return self._ends - self._clock.elapsed()

    async def _expire(self) -> None:
        while self._left > 0:
            await self._clock.sleep(self._left)
        self.lost.set()

    async def _renew_often(self) -> None:
        pause = self._times.renew_seconds
        while not self.lost.is_set():
            await self._clock.sleep(pause)
            pause = await self._renew()

    async def _renew(self) -> float:
        """Renew once; return the pause until the next time. Failures are tried again."""
        since = self._clock.elapsed()
        if self._left <= 0:
            self.lost.set()
            return 0.0
        following = records.renew(self.record, self._clock.now())
        try:
            patience = min(self._left, self._times.renew_seconds)
            self.record = await within(self._clock, patience, self._leases.write(following))
        except ClusterError as error:
            return await self._look_again() if error.status in {404, 409} else self._retry
        except (RolloutError, TimeoutError):
            return self._retry
        self._ends = since + self._times.safe_seconds
        return self._times.renew_seconds

    async def _look_again(self) -> float:
        """Somebody else wrote the Lease: a waiter, which is fine, or whoever took it."""
        try:
            patience = min(self._left, self._times.renew_seconds)
            found = await within(self._clock, patience, self._leases.read(self.key))
        except (RolloutError, TimeoutError):
            return self._retry
        mine = self.record.holder
        if found and found.holder and mine and found.holder.id == mine.id:
            self.record = found
            return self._retry / 20
        self._why_lost = "somebody took it or released it"
        if found and found.broken != self.record.broken:
            self._why_lost = f"it was broken: {found.broken}"
        self.lost.set()
        return 0.0

    @property
    def _retry(self) -> float:
        return self._times.renew_seconds / 5
