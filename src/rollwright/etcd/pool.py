"""Who has a connection already: equal accesses share one client, and one session per time-to-live.

A connection belongs to one event loop, and so to one process: a child makes its own.
"""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

from rollwright.etcd.access import Access, read_access
from rollwright.etcd.client import Client
from rollwright.etcd.options import EtcdOptions
from rollwright.etcd.session import Session


class Connection:
    """A client, its sessions, and what this process holds.

    Attributes:
        client: Sends calls.
        fences: What is locked by this process, and with which ticket; see ``fence_of``.
    """

    def __init__(self, access: Access) -> None:
        self.client = Client(access)
        self.fences: dict[tuple[str, str], Fence] = {}
        self.user_count = 0
        self._sessions: dict[int, Session] = {}
        self._former: list[Session] = []
        self._opening = asyncio.Lock()

    async def session(self, ttl: int) -> Session:
        """Return the session of that time-to-live, a new one if the last has ended."""
        async with self._opening:
            known = self._sessions.get(ttl)
            if known is None or not known.is_good:
                if known is not None:
                    known.retire()
                    self._former = [*(one for one in self._former if one.is_used), known]
                known = self._sessions[ttl] = await Session.open(self.client, ttl)
        return known

    async def close(self) -> None:
        """Give back every lease, and hang up."""
        sessions = (*self._sessions.values(), *self._former)
        self._sessions.clear()
        self._former.clear()
        await asyncio.gather(*(session.close() for session in sessions))
        await self.client.close()


class Fence:
    """What must be so that a write under a lock counts: our ticket is still there."""

    __slots__ = ("revision", "ticket", "token")

    def __init__(self, *, ticket: str, revision: int, token: int) -> None:
        self.ticket, self.revision, self.token = ticket, revision, token


_OPEN: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Access, Connection]] = WeakKeyDictionary()


class Link:
    """One user of a connection, which is made when it is first asked for."""

    def __init__(self, options: EtcdOptions) -> None:
        self._options = options
        self._access: Access | None = None
        self._held: tuple[asyncio.AbstractEventLoop, Connection] | None = None

    @property
    def where(self) -> str:
        """The endpoints, for messages."""
        return ", ".join(self._options.endpoints)

    def connection(self) -> Connection:
        """Return the connection of the running loop.

        Raises:
            NotFound: A file or secret that the options name is not there.
        """
        loop = asyncio.get_running_loop()
        if self._held is None or self._held[0] is not loop:
            self._access = self._access or read_access(self._options)
            for ended in [one for one in _OPEN if one.is_closed()]:
                del _OPEN[ended]
            shared = _OPEN.setdefault(loop, {})
            if self._access not in shared:
                shared[self._access] = Connection(self._access)
            shared[self._access].user_count += 1
            self._held = loop, shared[self._access]
        return self._held[1]

    async def close(self) -> None:
        """Leave it; whoever leaves last closes it."""
        held, self._held = self._held, None
        if held is None or held[0] is not asyncio.get_running_loop():
            return
        connection = held[1]
        connection.user_count -= 1
        if connection.user_count == 0:
            _OPEN[held[0]].pop(connection.client.access, None)
            await connection.close()
