"""A ticket while it is held: lost before its lease can be gone, or when somebody takes it.

Before: ``etcd`` came to the head of a queue.
After: ``etcd`` gives the ticket back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager

from rollwright.errors import RolloutError
from rollwright.etcd import requests
from rollwright.etcd.client import Client
from rollwright.etcd.line import Ticket
from rollwright.etcd.watch import Compacted, Watch
from rollwright.locks import words
from rollwright.plugins.contracts import LockRecord

_RETRY_SECONDS = 1.0


class HeldTicket:
    """A held lock, or a held place of a limit."""

    def __init__(
        self, key: str, ticket: Ticket, *, token: int, taken_from: LockRecord | None = None
    ) -> None:
        self.key = key
        self.token = token
        self.taken_from = taken_from
        self.lost = asyncio.Event()
        self._ticket = ticket
        self._why_lost = ""

    def check(self) -> None:
        """Raise ``LockLost`` if the lease may be gone, or somebody took the lock."""
        # NB: a process that was frozen gets here before its background tasks run again.
        if not self._ticket.session.check():
            self._lose(self._ticket.session.why_lost)
        if self.lost.is_set():
            raise words.lost(self.key, self._why_lost)

    @asynccontextmanager
    async def kept(
        self, client: Client, reason: Callable[[], Awaitable[str]]
    ) -> AsyncIterator[None]:
        """Look out for its end while inside.

        Args:
            client: Of the etcd that has the ticket.
            reason: Finds out why somebody took it.
        """
        task = asyncio.ensure_future(self._look_out(client, reason))
        try:
            with self._ticket.session.listening(self._lose):
                if not self._ticket.session.check():  # while we were on our way here
                    self._lose(self._ticket.session.why_lost)
                yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _look_out(self, client: Client, reason: Callable[[], Awaitable[str]]) -> None:
        since = self._ticket.seen_at + 1
        while not self.lost.is_set():
            try:
                since = await self._until_gone(client, since)
                if not since:
                    self._lose("somebody took it or released it")  # at once, whatever is the reason
                    self._why_lost = await reason() or self._why_lost
            except RolloutError:
                # As long as etcd does not answer the lease decides.
                await asyncio.sleep(_RETRY_SECONDS)

    async def _until_gone(self, client: Client, since: int) -> int:
        """Return zero when the ticket is gone, or from when on to watch again."""
        watch = Watch(client=client, keys=(self._ticket.key,), since=since)
        try:
            async with aclosing(watch.events()) as events:
                async for _ in events:
                    return 0
        except Compacted:
            pass
        ours = requests.is_created_at(self._ticket.key, self._ticket.revision)
        answer = await client.txn(requests.txn([ours]))
        return answer.revision + 1 if answer.is_met else 0

    def _lose(self, why: str) -> None:
        if not self.lost.is_set():
            self._why_lost = why
            self.lost.set()
