"""News of keys, from a revision on; it goes on after a break where it was.

Before: ``line`` and the locks have read what is there, at a revision.
After: they read again when something has happened.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from rollwright.errors import RolloutError, Unreachable
from rollwright.etcd.channel import Member
from rollwright.etcd.client import CALL_SECONDS, Client, Failed
from rollwright.etcd.failures import Failure
from rollwright.etcd.shim import aio, rpc

_PAUSE_SECONDS = 0.1


class Compacted(RolloutError):
    """What happened since that revision is forgotten: read again. Never leaves this package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One change of one key."""

    key: str
    is_delete: bool
    revision: int


@dataclass(slots=True, kw_only=True)
class Watch:
    """Some keys, and the revision from which on each is looked at."""

    client: Client
    keys: Sequence[str]
    since: int
    only_deletes: bool = True
    _next: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self._next = [self.since] * len(self.keys)

    async def events(self) -> AsyncGenerator[Event, None]:
        """Yield what happens, in order, each change of a key once.

        Raises:
            Compacted: A break was longer than the server's memory.
            Unauthorized: The server does not know us.
            Refused: We may not read these keys.
        """
        has_logged_in = False
        while True:
            member = self.client.member
            try:
                async with aclosing(self._stream(member)) as events:
                    async for event in events:
                        yield event
                        has_logged_in = False
            except Failed as failed:
                if failed.failure.wants_login and not has_logged_in:
                    has_logged_in = True
                    self.client.forget_login()
                elif not failed.failure.is_passing:
                    raise failed.failure.explain((member.endpoint,)) from failed
            self.client.avoid(member)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _stream(self, member: Member) -> AsyncGenerator[Event, None]:
        async with self.client.speaking(member):
            call = member.method("Watch", "Watch")(metadata=await self.client.metadata(member))
            try:
                async with asyncio.timeout(CALL_SECONDS):
                    for number in range(len(self.keys)):
                        await call.write(self._request(number))
                    first = await call.read()
                ids: dict[int, int] = {}
                async for reply in _replies(call, first):
                    for event in self._read(reply, ids):
                        yield event
            finally:
                call.cancel()

    def _request(self, number: int) -> Any:
        create = rpc().WatchCreateRequest
        request = create(
            key=self.keys[number].encode(),
            start_revision=self._next[number],
            progress_notify=True,
            filters=[create.NOPUT] if self.only_deletes else [],
        )
        return rpc().WatchRequest(create_request=request)

    def _read(self, reply: Any, ids: dict[int, int]) -> list[Event]:
        if reply.compact_revision:
            raise Compacted(f"compacted at revision {reply.compact_revision}")
        if reply.canceled:
            # NB: a watch that may not be made is cancelled, it does not fail the stream.
            raise Failed(_cancelled(reply.cancel_reason, self.client.member))
        if reply.created:
            ids[reply.watch_id] = len(ids)
        number = ids.get(reply.watch_id)
        if number is None or reply.created:
            return []
        # NB: a reply with events may be part of a larger one; only one without is a milestone.
        last = reply.events[-1].kv.mod_revision if reply.events else reply.header.revision
        self._next[number] = max(self._next[number], last + 1)
        return [
            Event(key=one.kv.key.decode(), is_delete=one.type == one.DELETE, revision=one.kv.mod_revision)
            for one in reply.events
        ]  # fmt: skip


async def _replies(call: Any, first: Any) -> AsyncIterator[Any]:
    reply = first
    while reply is not aio().EOF:
        yield reply
        reply = await call.read()


def _cancelled(reason: str, member: Member) -> Failure:
    if "permission denied" in reason:
        return Failure(code="PERMISSION_DENIED", text=reason, endpoint=member.endpoint)
    return Failure(code="UNAVAILABLE", text=reason, endpoint=member.endpoint)


async def until_deleted(client: Client, keys: Sequence[str], since: int) -> None:
    """Return when one of the keys was deleted, or when that may have been missed."""
    try:
        async with aclosing(Watch(client=client, keys=keys, since=since).events()) as events:
            async for _ in events:
                return
    except (Compacted, Unreachable):
        await asyncio.sleep(_PAUSE_SECONDS)
