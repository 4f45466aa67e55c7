"""A queue in etcd with some places at its head: what locks and limits are made of.

Before: ``session`` has a lease.
After: whoever is in holds a ticket; its revision grows from one to the next.

A ticket is a key that ends with its session's lease. The revision that made it is its place in
the queue. Whoever has fewer than ``places`` tickets before it is in; everybody else watches the
``places`` tickets right before its own: of so many older ones one must leave before it can enter,
and nobody else is woken by that. A ticket is written under a name that only its caller uses, so
writing it twice is once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from rollwright.errors import LockLost, Refused, RolloutError, Unreachable
from rollwright.etcd import requests
from rollwright.etcd.client import Client, TxnAnswer
from rollwright.etcd.pool import Connection
from rollwright.etcd.session import Session, place_lost
from rollwright.etcd.watch import until_deleted

T = TypeVar("T")

_LEAVE_SECONDS = 5.0
_SHOWN = 50


class _LeaseEnded(Unreachable):
    """A ticket could not be written, for the lease it should hang on is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One ticket as others see it."""

    key: str
    revision: int
    note: bytes
    lease: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A place in a queue, ours.

    Attributes:
        key: Its key in etcd.
        revision: What made it: the place, and the fencing token.
        session: Whose lease it hangs on.
        record: Value of the line's record when it came in; empty if there is none.
        seen_at: Revision of the store at that time.
    """

    key: str
    revision: int
    session: Session
    record: bytes
    seen_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """What stands before a ticket."""

    revision: int
    before: tuple[str, ...]
    record: bytes
    seen_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One queue.

    Attributes:
        connection: To etcd.
        key: What its tickets stand below.
        what: What a message calls it: ``lock 'shop'``.
        ttl: Seconds that a ticket outlives its process.
        refuse: Makes the error of one who waited in vain, from all other tickets.
        places: How many may be in at once.
        record: A key that says who is in, and outlives the ticket of one who never left; empty
            for none.
    """

    connection: Connection
    key: str
    what: str
    ttl: int
    refuse: Callable[[Sequence[Entry]], RolloutError]
    places: int = 1
    record: str = ""

    @asynccontextmanager
    async def entered(
        self, note: bytes, wait: timedelta | None, mark: Callable[[int], bytes] | None = None
    ) -> AsyncIterator[Ticket]:
        """Stand in the queue until it is our turn, and be in while inside.

        Args:
            note: What others read on our ticket.
            wait: How long to stand there; ``None`` for ever, zero not at all.
            mark: Makes the record of one who is in, from the ticket's revision.

        Raises:
            LockHeld: It was not our turn in time.
            LockLost: Somebody took our ticket.
            Unreachable: etcd did not answer, or our lease has ended.
        """
        with ExitStack() as used:
            try:
                ticket = await self._admitted(used, note, wait, mark)
            except _LeaseEnded:
                # Somebody took our lease away, and we had not heard of it: then with a new one.
                ticket = await self._admitted(used, note, wait, mark)
            try:
                yield ticket
            finally:
                ours = (requests.is_created_at(ticket.key, ticket.revision),)
                keys = (ticket.key, *filter(None, [self.record]))
                await finish(self._withdraw(ticket.session, ours, *keys))

    async def _admitted(
        self,
        used: ExitStack,
        note: bytes,
        wait: timedelta | None,
        mark: Callable[[int], bytes] | None,
    ) -> Ticket:
        session = await self.connection.session(self.ttl)
        used.enter_context(session.used())
        key = f"{self.key}/{session.next_name()}"
        try:
            view = await self._wait(key, session, note, wait)
            if mark is not None:
                await finish(self._mark(key, session, view.revision, mark))
        except _LeaseEnded:
            raise  # there is no ticket
        except BaseException:
            await finish(self._withdraw(session, (), key))
            raise
        return Ticket(
            key=key,
            session=session,
            revision=view.revision,
            record=view.record,
            seen_at=view.seen_at,
        )

    async def entries(self) -> tuple[Entry, ...]:
        """Return the tickets, the oldest first."""
        answer = await self._client.range(requests.range_below(self.key, limit=_SHOWN))
        return tuple(entry_of(one) for one in answer.kvs)

    @property
    def _client(self) -> Client:
        return self.connection.client

    async def _wait(self, key: str, session: Session, note: bytes, wait: timedelta | None) -> _View:
        loop = asyncio.get_running_loop()
        give_up_at = None if wait is None else loop.time() + wait.total_seconds()
        view = await finish(self._enqueue(key, session, note))
        while len(view.before) >= self.places:
            left = session.ttl if give_up_at is None else give_up_at - loop.time()
            if left <= 0:
                raise self.refuse([one for one in await self.entries() if one.key != key])
            await self._news(view, session, min(left, session.ttl))
            view = await self._look(key, session, view.revision)
        return view

    async def _enqueue(self, key: str, session: Session, note: bytes) -> _View:
        """Take a ticket, or find the one that an earlier attempt took."""
        try:
            answer = await self._client.txn(self._ticket_request(key, session, note))
        except Unreachable:
            session.retire()  # an attempt without an answer may still write the ticket
            raise
        except Refused as error:
            session.retire()
            if "lease not found" in error.message:
                lost = place_lost(self.what, self._client, session)
                raise _LeaseEnded(lost.message, hint=lost.hint) from error
            raise
        if answer.is_repeated:
            session.retire()
        if not answer.is_met:
            return await self._look(key, session, answer.results[0].kvs[0].create_revision)
        return _first_view(key, answer) or await self._look(key, session, answer.revision)

    def _ticket_request(self, key: str, session: Session, note: bytes) -> Any:
        mine = requests.read(key)
        oldest = requests.read_below(self.key, limit=self.places + 1, keys_only=True)
        return requests.txn(
            [requests.is_absent(key)],
            [requests.put(key, note, lease=session.lease), oldest, *self._read_record],
            [mine],
        )

    async def _mark(
        self, key: str, session: Session, revision: int, mark: Callable[[int], bytes]
    ) -> None:
        """Write down that we are in, if we are."""
        ours = requests.is_created_at(key, revision)
        answer = await self._client.txn(
            requests.txn([ours], [requests.put(self.record, mark(revision))])
        )
        if not answer.is_met:
            raise self._gone(session)

    async def _look(self, key: str, session: Session, revision: int) -> _View:
        """Read what stands before a ticket, if that is still there."""
        nearest = requests.read_below(
            self.key, limit=self.places, before=revision, keys_only=True, newest=True
        )
        answer = await self._client.txn(
            requests.txn([requests.is_created_at(key, revision)], [nearest, *self._read_record])
        )
        if not answer.is_met:
            raise self._gone(session)
        before, *record = answer.results
        return _View(
            revision=revision,
            before=tuple(one.key.decode() for one in before.kvs),
            record=_value(record),
            seen_at=answer.revision,
        )

    def _gone(self, session: Session) -> RolloutError:
        """Return why our ticket is not there any more."""
        if not session.check():
            return place_lost(self.what, self._client, session)
        return LockLost(
            f"{self.what}: our place in the queue was taken from us",
            hint="somebody broke the lock in this moment; run again",
        )

    @property
    def _read_record(self) -> tuple[Any, ...]:
        return (requests.read(self.record),) if self.record else ()

    async def _news(self, view: _View, session: Session, seconds: float) -> None:
        """Return when one of those before may have left, or the time is over.

        Raises:
            Unreachable: Our lease has ended meanwhile.
        """
        tasks = {
            asyncio.ensure_future(until_deleted(self._client, view.before, view.seen_at + 1)),
            asyncio.ensure_future(session.lost.wait()),
        }
        try:
            done, _ = await asyncio.wait(
                tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if not session.check():
            raise place_lost(self.what, self._client, session)
        for task in done:
            task.result()

    async def _withdraw(self, session: Session, ours: Sequence[Any], *keys: str) -> None:
        """Delete what is ours; what cannot be deleted ends with its session, and that soon."""
        try:
            async with asyncio.timeout(_LEAVE_SECONDS):
                await self._client.txn(requests.txn(ours, map(requests.delete, keys)))
        except (RolloutError, TimeoutError):
            session.retire()


def _first_view(key: str, answer: TxnAnswer) -> _View | None:
    """Return what stands before a ticket that was just taken, if so much was read."""
    _, oldest, *record = answer.results
    keys = [one.key.decode() for one in oldest.kvs]
    if key not in keys:
        return None
    return _View(
        revision=answer.revision,
        before=tuple(keys[: keys.index(key)]),
        record=_value(record),
        seen_at=answer.revision,
    )


def entry_of(kv: Any) -> Entry:
    """Return a ticket as it was read."""
    return Entry(key=kv.key.decode(), revision=kv.create_revision, note=kv.value, lease=kv.lease)


def _value(found: list[Any]) -> bytes:
    return bytes(found[0].kvs[0].value) if found and found[0].kvs else b""


async def finish(call: Coroutine[Any, Any, T]) -> T:
    """Let a call run to its end; a cancellation is passed on only then."""
    task = asyncio.ensure_future(call)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return task.result()
    if not task.cancelled():
        task.exception()  # seen: the cancellation is what the caller hears of
    raise cancelled
