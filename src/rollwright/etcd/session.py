"""One lease per process and etcd: everything that should end with the process hangs on it.

Before: ``pool`` opened a client.
After: ``line`` puts tickets under the lease; the locks listen for its end.

A renewal counts from the moment *before* it was sent, by a clock that nobody sets. A sixth of its
time-to-live before the lease can be gone the session counts as lost, and it is never found again:
whoever wants to go on opens a new one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any, Self

from rollwright.errors import RolloutError, Unreachable
from rollwright.etcd.client import CALL_SECONDS, Client, Failed
from rollwright.etcd.shim import aio, rpc

TRUSTED = 5 / 6
"""The part of a lease's time in which its holder trusts it."""

_REVOKE_SECONDS = 3.0

Clock = Callable[[], float]


def elapsed_seconds() -> float:
    """Return seconds of a clock that nobody sets and that goes on while the machine sleeps."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class Session:
    """A lease that is kept alive. ``lost`` is set before it can be gone."""

    def __init__(self, client: Client, lease: int, ttl: float, ends: float, clock: Clock) -> None:
        self.lease = lease
        self.lost = asyncio.Event()
        self.why_lost = ""
        self.is_retired = False
        self._has_ended = False
        self._is_revoked = False
        self._client = client
        self._ttl = ttl
        self._ends = ends
        self._clock = clock
        self._numbers = count()
        self._user_count = 0
        self._listeners: list[Callable[[str], None]] = []
        self._tasks = [
            asyncio.ensure_future(self._keep_alive()),
            asyncio.ensure_future(self._expire()),
        ]

    @classmethod
    async def open(cls, client: Client, ttl: int, *, clock: Clock = elapsed_seconds) -> Self:
        """Ask for a lease.

        Raises:
            Unreachable: No member answered.
        """
        request = rpc().LeaseGrantRequest(TTL=ttl)
        await client.get_ready()  # what takes long is not part of the lease's time
        since = clock()
        answer = await client.call("Lease", "LeaseGrant", request)
        # The server may give more than was asked for; a lease granted in an answer that was lost
        # ends by itself.
        return cls(client, answer.ID, answer.TTL, since + answer.TTL * TRUSTED, clock)

    @property
    def is_good(self) -> bool:
        """Whether something new may hang on it."""
        return not (self.is_retired or self.lost.is_set() or self.left <= 0)

    @property
    def is_used(self) -> bool:
        """Whether somebody still works under it."""
        return self._user_count > 0

    @property
    def left(self) -> float:
        """Seconds until it counts as lost."""
        return self._ends - self._clock()

    @property
    def ttl(self) -> float:
        """Seconds that the lease lasts without a renewal."""
        return self._ttl

    def next_name(self) -> str:
        """Return a name that no other session and no other call gets."""
        return f"{self.lease:016x}-{next(self._numbers)}"

    def check(self) -> bool:
        """Return whether it is still there; a process that was frozen learns it here first."""
        if self.left <= 0:
            self._lose("it was not renewed in time")
        return not self.lost.is_set()

    @contextmanager
    def listening(self, listener: Callable[[str], None]) -> Iterator[None]:
        """Call a listener with the reason, should it be lost while inside."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    @contextmanager
    def used(self) -> Iterator[None]:
        """Keep it while inside, even when it is retired."""
        self._user_count += 1
        try:
            yield
        finally:
            self._user_count -= 1
            self._end_if_unused()

    def retire(self) -> None:
        """Take nothing new; end when nobody uses it any more.

        For when something of it may stand in etcd that could not be taken back.
        """
        self.is_retired = True
        self._end_if_unused()

    async def close(self) -> None:
        """Give the lease back, and with it whatever hangs on it."""
        self._has_ended = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._lose("the connection was closed")
        await self._revoke()

    def _end_if_unused(self) -> None:
        # Unrenewed, it is gone within its time, whether or not the server hears of it now.
        if self.is_retired and self._user_count == 0 and not self._has_ended:
            self._has_ended = True
            for task in self._tasks:
                task.cancel()
            self._tasks.append(asyncio.ensure_future(self._revoke()))

    async def _revoke(self) -> None:
        if self._is_revoked:
            return
        request = rpc().LeaseRevokeRequest(ID=self.lease)
        with suppress(RolloutError):
            await self._client.call("Lease", "LeaseRevoke", request, patience=_REVOKE_SECONDS)
            self._is_revoked = True

    async def _expire(self) -> None:
        while True:
            await asyncio.sleep(max(0.0, self.left))
            if not self.check():  # no renewal has moved the end meanwhile
                return

    async def _keep_alive(self) -> None:
        pause = self._pause
        while not self.lost.is_set():
            await asyncio.sleep(pause)
            pause = self._pause if await self._renew() else self._ttl / 30

    async def _renew(self) -> bool:
        """Renew once; return whether it was possible."""
        since, left = self._clock(), self.left
        if left <= 0:
            return False
        member = self._client.member
        try:
            async with self._client.speaking(member), asyncio.timeout(min(left, self._patience)):
                ttl = await self._exchange(member)
        except Failed as failed:
            if failed.failure.wants_login:
                self._client.forget_login()
            self._client.avoid(member)
            return False
        if ttl <= 0:
            self._lose("its lease has ended")
            return False
        self._ends = since + ttl * TRUSTED
        return True

    @property
    def _pause(self) -> float:
        """A third of the time; less if the last answer was long in coming."""
        return max(0.0, min(self._ttl / 3, self.left - self._ttl / 2))

    @property
    def _patience(self) -> float:
        return min(CALL_SECONDS, self._ttl / 6)

    async def _exchange(self, member: Any) -> int:
        """Send one renewal; return the seconds it gave.

        A stream of its own: one that hangs does not keep the next renewal from going elsewhere.
        """
        metadata = await self._client.metadata(member)
        call = member.method("Lease", "LeaseKeepAlive")(metadata=metadata)
        try:
            await call.write(rpc().LeaseKeepAliveRequest(ID=self.lease))
            answer = await call.read()
            if answer is aio().EOF:
                raise TimeoutError
            return int(answer.TTL)
        finally:
            call.cancel()

    def _lose(self, why: str) -> None:
        if self.lost.is_set():
            return
        self.why_lost = why
        self.lost.set()
        for listener in tuple(self._listeners):
            listener(why)


def place_lost(what: str, client: Client, session: Session) -> Unreachable:
    """Return the error of somebody who waited, and whose place is gone with the session."""
    why = session.why_lost or "its lease has ended"
    return Unreachable(
        f"{what}: the place in the queue is lost: etcd {client.where}: {why}",
        hint="run again when etcd answers; see `rollwright doctor`",
    )
