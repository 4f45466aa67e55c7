"""Locks as Kubernetes Leases in the target: nothing but the cluster is needed.

A waiter polls: that survives every restart of the server and holds no connection, and the further
behind it stands the less often it asks. Waiters stand in the Lease in order (see ``record``); when
a holder dies, the first of them takes over after its time-to-live, the second a second later if
the first does not, and so on.

A living holder renews at least once in a third of its time-to-live (``renewEvery``), and stops by
itself five sixths of it after its last renewal, by a clock that nobody sets (``held``). Whether it
is dead is never judged by comparing the wall clocks of two machines; the holder's ``renewTime``
decides only whether a closer look is worth it. It is dead when

- the waiter itself has seen no renewal for the whole time-to-live; or
- the server's own stamps say that nobody wrote the Lease for the time-to-live and a second, and
  the waiter has seen no renewal for two fifths of it, in which a living holder would have shown
  itself even if two API servers disagree about the time; or
- those stamps are further apart than ``LONG_DEAD`` times the time-to-live, more than clocks of
  API servers can differ by.

The second stamp is that of the waiter's own entry in the queue, the first that of the write before
it. So a run that begins long after a kill takes over at once, one that begins right after the
lease has ended within two fifths of it, and nobody needs a command.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf
from typing import Self
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from rollwright.errors import LockHeld, RolloutError
from rollwright.locks import record as records
from rollwright.locks import words
from rollwright.locks.clock import Clock, within
from rollwright.locks.finishing import finish
from rollwright.locks.held import HeldLease, Times
from rollwright.locks.objects import LeaseObjects
from rollwright.locks.record import LeaseRecord, Ticket
from rollwright.plugins.contracts import Cluster, Lock, LockOwner, LockRecord
from rollwright.rollouts.spec.durations import Duration

LEAVE_SECONDS = 10.0
"""How long giving up may take; the lease ends by itself if the server does not answer."""

LONG_DEAD = 20
"""So many times its time-to-live without a word, by the server's stamps, needs no further look."""

SHOWN_WITHIN = 0.4
"""The part of its time-to-live in which a living holder renews: a third, and a moment for it."""

_LEAVE_TRIES = 20


class LeaseLocks(BaseModel):
    """Locks by Leases in the target cluster."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )

    namespace: str = Field(
        default="rollwright-system",
        pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
        description="Namespace of the Leases; made when absent.",
    )
    ttl: Duration = Field(
        default=timedelta(seconds=30),
        description="How long a lease lasts without a renewal, in whole seconds.",
    )
    renew_every: Duration = Field(
        default=timedelta(seconds=10),
        description="How often a holder renews; at most a third of `ttl`.",
    )

    @model_validator(mode="after")
    def _check_times(self) -> Self:
        if self.ttl < timedelta(seconds=1) or self.ttl % timedelta(seconds=1):
            raise ValueError(
                "ttl: a Lease counts whole seconds; got less than one or a part of one"
            )
        if not timedelta() < self.renew_every <= self.ttl / 3:
            raise ValueError("renewEvery: must be above zero and at most a third of ttl")
        return self

    def bind(self, cluster: Cluster, *, clock: Clock | None = None) -> ClusterLocks:
        """Return the locks of one cluster."""
        times = Times(
            ttl_seconds=int(self.ttl.total_seconds()),
            renew_seconds=self.renew_every.total_seconds(),
        )
        objects = LeaseObjects(cluster, self.namespace)
        return ClusterLocks(objects, times, clock or Clock())


@dataclass(slots=True, kw_only=True)
class _Wish:
    """One call of `hold` until it has the lock.

    ``pulse`` is what was last seen of the holder, ``since`` when it was first seen so.
    ``quiet_since`` is when the Lease was last written before our entry, as the server's stamps say.
    ``may_stand`` tells that something was sent that may stand in the Lease now. ``taken_from`` is
    whom the lock is being taken from.
    """

    key: str
    ticket: Ticket
    give_up_at: float | None
    may_queue: bool
    may_stand: bool = False
    pulse: tuple[object, ...] = ()
    since: float = 0.0
    quiet_since: float = inf
    taken_from: LockRecord | None = None

    def see(self, record: LeaseRecord, now: float) -> bool:
        """Take a look; return whether the holder has moved since an earlier one."""
        if record.pulse == self.pulse:
            return False
        is_first = not self.pulse
        self.pulse, self.since, self.quiet_since = record.pulse, now, inf
        return not is_first

    def compare(self, before: LeaseRecord, after: LeaseRecord, now: float) -> None:
        """Note since when nobody had written the Lease until we just did."""
        if before.stamped_at and after.stamped_at:
            self.quiet_since = now - (after.stamped_at - before.stamped_at).total_seconds()

    def dead_at(self, record: LeaseRecord) -> float:
        """Return when this wish may take the lock, if nothing changes until then."""
        return self._surely_dead_at(record.ttl_seconds) + record.place_of(self.ticket)

    def _surely_dead_at(self, ttl: int) -> float:
        if self.since - self.quiet_since >= LONG_DEAD * ttl:
            return self.since
        by_stamps = max(self.since + ttl * SHOWN_WITHIN, self.quiet_since + ttl + 1)
        return min(self.since + ttl, by_stamps)

    def is_over(self, now: float) -> bool:
        """Return whether it has waited long enough."""
        return self.give_up_at is not None and now >= self.give_up_at

    def must_queue(self, record: LeaseRecord, wall: datetime) -> bool:
        """Return whether it should stand in the queue and does not.

        One who would not wait does so when the holder seems dead: the entry is stamped.
        """
        is_in = any(one.id == self.ticket.id for one in record.queue)
        return not is_in and (self.may_queue or record.seems_dead(wall))

    def blame(self, record: LeaseRecord) -> None:
        """Note whom the lock would be taken from now."""
        holder = record.holder
        if holder is None or record.is_offer or holder.id != self.ticket.id:
            self.taken_from = records.unreleased(record, self.ticket)


class ClusterLocks:
    """The locks in one cluster."""

    def __init__(self, objects: LeaseObjects, times: Times, clock: Clock) -> None:
        self._objects = objects
        self._times = times
        self._clock = clock

    @asynccontextmanager
    async def hold(
        self, key: str, *, owner: LockOwner, wait: timedelta | None
    ) -> AsyncIterator[Lock]:
        """Hold a lock while inside."""
        wish = _Wish(
            key=key,
            ticket=Ticket(id=uuid4().hex, owner=words.shortened(owner)),
            give_up_at=None if wait is None else self._clock.elapsed() + wait.total_seconds(),
            may_queue=wait is None or wait > timedelta(),
        )
        async with self._objects.explained():
            held = await self._acquire_or_leave(wish)
        try:
            async with held.kept():
                yield held
        finally:
            await self._leave(wish, held.record)

    async def list(self) -> tuple[LockRecord, ...]:
        """Return the locks that are held; one whose holder died shows when it ended."""
        async with self._objects.explained():
            found = await self._objects.read_all()
        shown = (records.for_people(record) for record in found)
        return tuple(sorted((one for one in shown if one), key=lambda one: one.key))

    async def release(self, key: str, *, reason: str) -> LockRecord | None:
        """Take a lock from whoever holds it, who learns it at its next renewal."""
        async with self._objects.explained():
            while True:
                record = await self._objects.read(key)
                if record is None or record.holder is None:
                    return None
                broken = records.break_open(record, reason, self._clock.now())
                if await self._objects.try_write(broken):
                    return records.for_people(record)
                await self._breathe()

    async def _acquire_or_leave(self, wish: _Wish) -> HeldLease:
        try:
            return await self._acquire(wish)
        except BaseException:
            if wish.may_stand:
                await self._leave(wish, None)
            raise

    async def _acquire(self, wish: _Wish) -> HeldLease:
        while True:
            record = await self._objects.read(wish.key) or self._objects.blank(wish.key)
            now = self._clock.elapsed()
            has_moved = wish.see(record, now)
            if record.may_take(wish.ticket) or now >= wish.dead_at(record):
                if held := await self._take(wish, record):
                    return held
            elif wish.is_over(now) and (has_moved or not record.seems_dead(self._clock.now())):
                raise _refusal(record, wish)
            elif wish.must_queue(record, self._clock.now()):
                await self._enqueue(wish, record)
            else:
                # A holder that seems dead is watched to the end, even by one who would not wait:
                # nobody holds such a lock, it only takes a while to be sure.
                await self._clock.sleep(self._pause(wish, record, now))

    async def _take(self, wish: _Wish, record: LeaseRecord) -> HeldLease | None:
        since = self._clock.elapsed()
        wish.blame(record)
        seconds, now = self._times.ttl_seconds, self._clock.now()
        taken = records.take(record, wish.ticket, ttl_seconds=seconds, now=now)
        written = await self._write(wish, taken)
        if written is None:
            return None
        return HeldLease(
            written,
            leases=self._objects,
            times=self._times,
            clock=self._clock,
            since=since,
            taken_from=wish.taken_from,
        )

    async def _enqueue(self, wish: _Wish, record: LeaseRecord) -> None:
        if len(record.queue) >= records.LONGEST_QUEUE:
            raise _refusal(record, wish)
        if written := await self._write(wish, records.enqueue(record, wish.ticket)):
            wish.compare(record, written, self._clock.elapsed())

    async def _write(self, wish: _Wish, record: LeaseRecord) -> LeaseRecord | None:
        wish.may_stand = True
        written = await finish(self._objects.try_write(record))
        if written is None:
            await self._breathe()
        return written

    async def _leave(self, wish: _Wish, known: LeaseRecord | None) -> None:
        """Give up whatever a wish has; a failure is left to the end of the lease."""
        with suppress(RolloutError, TimeoutError):
            await finish(within(self._clock, LEAVE_SECONDS, self._take_out(wish, known)))

    async def _take_out(self, wish: _Wish, known: LeaseRecord | None) -> None:
        record = known
        for _ in range(_LEAVE_TRIES):
            record = record or await self._objects.read(wish.key)
            if record is None:
                return
            left = records.leave(record, wish.ticket, self._clock.now())
            if left == record or await self._objects.try_write(left):
                return
            record = None
            await self._breathe()

    def _pause(self, wish: _Wish, record: LeaseRecord, now: float) -> float:
        """Return how long to wait before the next look; the first in the queue looks often."""
        longest = self._times.ttl_seconds / 6
        usual = min(0.4 + 0.2 * record.place_of(wish.ticket), longest)
        spread = usual * random.uniform(0.8, 1.0)  # noqa: S311  (spreads requests; no secret)
        ends = [wish.dead_at(record)]
        if wish.give_up_at is not None and not wish.is_over(now):
            ends.append(wish.give_up_at)
        return min(spread, *(end - now for end in ends))

    async def _breathe(self) -> None:
        """Wait a moment after somebody else was quicker, so that not all try again at once."""
        await self._clock.sleep(random.uniform(0.005, 0.05))  # noqa: S311  (spreads requests; no secret)


def _refusal(record: LeaseRecord, wish: _Wish) -> LockHeld:
    others = [one for one in record.queue if one.id != wish.ticket.id]
    holder = next(iter([*filter(None, [record.holder]), *others]), wish.ticket)
    return words.held(record.key, holder.owner, record.acquired_at, others)
