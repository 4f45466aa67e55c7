"""Each trigger is listened to by one process at a time: whoever holds its lock.

Before: a process wants to listen to a trigger. After: it does, as long as the lock is surely its
own. Whoever has to wait for another process says so once.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from uuid import uuid4

from rollwright.engine.progress import Listener, Note
from rollwright.engine.site import actor_here
from rollwright.errors import LockLost, RolloutError
from rollwright.plugins.contracts import Lock, LockOwner, LockService

UNNAMED = "default"
"""What a site is called that says no name."""

_LONGEST = 63
_DIGITS = 8

PATIENCE_SECONDS = 1.0
"""After which it is told who listens instead."""


def lock_key(site: str, rollouts: tuple[str, ...], name: str) -> str:
    """Return the lock that whoever listens to a trigger holds.

    Sites may share a store, so the key has the site in it; of those that have no name of their
    own the rollouts that the trigger is for tell them apart.

    Args:
        site: Name of the site.
        rollouts: Names of the rollouts that the trigger is for.
        name: The trigger's, unique in its site.
    """
    home = site if site != UNNAMED else _digest(*sorted(rollouts))
    key = f"trigger--{home}--{name}"
    is_plain = len(key) <= _LONGEST and "--" not in f"{home} {name}"
    # Cut alone, two long names would have one lock, and one of the two nobody who listens.
    return key if is_plain else f"{key[: _LONGEST - _DIGITS - 1].rstrip('-')}-{_digest(home, name)}"


def _digest(*parts: str) -> str:
    return sha256("\n".join(parts).encode()).hexdigest()[:_DIGITS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """One lock of a trigger, and who is told about it.

    Attributes:
        locks: Whose lock it is.
        key: The lock.
        name: The trigger's.
        tell: Told once if another process has it.
    """

    locks: LockService
    key: str
    name: str
    tell: Listener

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Hold the lock, however long others have it, and leave as soon as it may be lost.

        Raises:
            LockLost: It may be gone.
        """
        owner = LockOwner(
            id=uuid4().hex[:12],
            actor=actor_here(),
            operation=f"listen to {self.name}",
            host=socket.gethostname(),
        )
        telling = asyncio.create_task(self._tell_who())
        try:
            async with self.locks.hold(self.key, owner=owner, wait=None) as lock:
                telling.cancel()
                async with _left_when_lost(lock, self.name):
                    yield
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)

    async def _tell_who(self) -> None:
        await asyncio.sleep(PATIENCE_SECONDS)
        try:
            records = await self.locks.list()
        except RolloutError:
            return  # whoever waits for the lock hears of that
        for record in (one for one in records if one.key == self.key):
            who, since = record.owner.actor or "another process", record.acquired_at
            words = f"trigger {self.name}: listened to by {who} since {since:%Y-%m-%d %H:%M:%SZ}"
            self.tell(Note(f"{words}; this process takes over when that ends"))


@asynccontextmanager
async def _left_when_lost(lock: Lock, name: str) -> AsyncIterator[None]:
    me = asyncio.current_task()

    async def leave() -> None:
        await lock.lost.wait()
        if me is not None:
            me.cancel()

    watching = asyncio.create_task(leave())
    try:
        yield
    except asyncio.CancelledError:
        if not lock.lost.is_set():
            raise
        if me is not None:
            me.uncancel()
        raise LockLost(f"the lock of trigger {name!r} may be gone") from None
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
