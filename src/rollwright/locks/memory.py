"""Locks among the tasks of one process: for tests and for sites that one process serves."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Self

from pydantic import BaseModel, ConfigDict, PrivateAttr

from rollwright.errors import LockHeld
from rollwright.locks import words
from rollwright.locks.clock import utc_now
from rollwright.plugins.contracts import Cluster, Lock, LockOwner, LockRecord


@dataclass(slots=True, kw_only=True, eq=False)
class _Held:
    """A held lock."""

    record: LockRecord
    taken_from: LockRecord | None = None
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    why_lost: str = ""

    @property
    def key(self) -> str:
        """What is locked."""
        return self.record.key

    @property
    def token(self) -> int:
        """The fencing token."""
        return self.record.token

    def check(self) -> None:
        """Raise ``LockLost`` if it was taken away."""
        if self.lost.is_set():
            raise words.lost(self.key, self.why_lost)


@dataclass(slots=True, kw_only=True, eq=False)
class _Turn:
    """Somebody who waits; ``has_come`` is set when the lock is kept for them."""

    owner: LockOwner
    has_come: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True, kw_only=True)
class _Place:
    """One key: who holds it, whom it is kept for, who waits, and the last token.

    ``broken`` is the last holder, if it was taken from it and nobody has had it since.
    """

    holder: _Held | None = None
    kept_for: _Turn | None = None
    waiting: deque[_Turn] = field(default_factory=deque)
    token: int = 0
    broken: LockRecord | None = None

    @property
    def is_free(self) -> bool:
        """Whether nobody holds it and nobody is about to."""
        return self.holder is None and self.kept_for is None

    def pass_on(self) -> None:
        """Keep the lock for whoever has waited longest, or set it free."""
        self.holder = None
        self.kept_for = self.waiting.popleft() if self.waiting else None
        if self.kept_for:
            self.kept_for.has_come.set()

    def leave(self, turn: _Turn) -> None:
        """Wait no longer."""
        if self.kept_for is turn:
            self.pass_on()
        else:
            self.waiting.remove(turn)


class MemoryLocks(BaseModel):
    """Excludes the tasks of this process from one another, first come, first served."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    _places: dict[tuple[str, str], _Place] = PrivateAttr(default_factory=dict)
    _cluster: str = PrivateAttr(default="")

    def bind(self, cluster: Cluster) -> Self:
        """Return the locks of one cluster; all bound services share this one's memory."""
        bound = self.model_copy()
        bound._cluster = cluster.name  # noqa: SLF001  (a copy of ourselves, not yet handed out)
        return bound

    @asynccontextmanager
    async def hold(
        self, key: str, *, owner: LockOwner, wait: timedelta | None
    ) -> AsyncIterator[Lock]:
        """Hold a lock while inside."""
        place = self._places.setdefault((self._cluster, key), _Place())
        if not place.is_free:
            await _queue(key, place, owner, wait)
        place.token = words.next_token(place.token, utc_now())
        record = LockRecord(key=key, owner=owner, token=place.token, acquired_at=utc_now())
        held = place.holder = _Held(record=record, taken_from=place.broken)
        place.broken = None
        try:
            yield held
        finally:
            if place.holder is held:
                place.pass_on()

    async def list(self) -> tuple[LockRecord, ...]:
        """Return the locks that are held."""
        records = (
            place.holder.record
            for (cluster, _), place in sorted(self._places.items())
            if place.holder and cluster == self._cluster
        )
        return tuple(records)

    async def release(self, key: str, *, reason: str) -> LockRecord | None:
        """Take a lock from whoever holds it."""
        place = self._places.get((self._cluster, key))
        if place is None or place.holder is None:
            return None
        held = place.holder
        held.why_lost = f"it was broken: {reason}"
        held.lost.set()
        place.broken = replace(held.record, broken=reason)
        place.pass_on()
        return held.record


async def _queue(key: str, place: _Place, owner: LockOwner, wait: timedelta | None) -> None:
    """Return when the lock is this caller's to take, before anybody else can run."""
    turn = _Turn(owner=owner)
    place.waiting.append(turn)
    try:
        async with asyncio.timeout(None if wait is None else wait.total_seconds()):
            await turn.has_come.wait()
    except TimeoutError:
        place.leave(turn)
        raise _refusal(key, place) from None
    except BaseException:
        place.leave(turn)
        raise
    place.kept_for = None


def _refusal(key: str, place: _Place) -> LockHeld:
    if place.holder:
        record = place.holder.record
        return words.held(key, record.owner, record.acquired_at, place.waiting)
    following = place.kept_for.owner if place.kept_for else LockOwner(id="", actor="", operation="")
    return words.held(key, following, None, place.waiting)
