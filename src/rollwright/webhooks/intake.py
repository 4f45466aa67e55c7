"""What a delivery goes through, from its address to the note that somebody has to look.

Before: ``app`` has a request. After: an answer that says nothing of what there is (WH-10), and a
line in the log.

The body is read when it is known that there is a receiver, and that it may take one more. What is
answered with 202 is noted: no crash loses it.

Only who shows its origin uses up what a receiver takes. Who does not is counted apart: it is
answered with 429 in the end, and keeps nobody else from being heard.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rollwright.errors import Forged, InvalidDocument, RolloutError
from rollwright.plugins.contracts import Delivery, Firing, Ignored
from rollwright.webhooks.audit import Entry, Tell
from rollwright.webhooks.book import Book
from rollwright.webhooks.rates import Rates
from rollwright.webhooks.replays import Replays
from rollwright.webhooks.room import Guest, Room

if TYPE_CHECKING:
    from rollwright.engine.listening.listener import Listened, Listening

BODY_SECONDS = 20.0
"""For the whole body: who sends slower than that holds a place for nothing."""
READ_SECONDS = 5.0
"""Until its origin is shown and its rollouts are found: a Prefect server may be asked for that."""
NOTE_SECONDS = 5.0
"""Until what came in has to be noted; forges wait ten seconds for an answer."""
ROOM_BODIES = 4
"""How many bodies of the largest size there is room for at a time."""
_TYPES = ("application/json", "application/x-www-form-urlencoded", "text/plain", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it came.

    Attributes:
        id: The last part of its path.
        headers: Names in lower case.
        body: Its parts, as they come in.
        source: Address of the sender.
    """

    id: str
    headers: Mapping[str, str] = field(repr=False)
    body: AsyncIterator[bytes] = field(repr=False)
    source: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered: a status, seconds to wait, and whether the connection ends."""

    status: int
    wait: int = 0
    closes: bool = False


class _TooLargeError(Exception):
    """The body is longer than it may be."""


class _NoRoomError(Exception):
    """Others hold the room that the body wants."""


@dataclass(kw_only=True)
class Intake:
    """Takes deliveries in.

    Attributes:
        listening: The triggers at work.
        book: Who is behind which address.
        rates: How many a receiver takes.
        max_body: Bytes of a delivery.
        tell: Called with what became of each.
        replays: Those that were answered lately.
        strangers: How many a receiver refuses before it is told that these were enough.
        room: What bodies may take together.
        now: The instant, aware.
    """

    listening: Listening
    book: Book
    rates: Rates
    max_body: int
    tell: Tell
    replays: Replays = field(default_factory=Replays)
    strangers: Rates = field(init=False)
    room: Room = field(init=False)
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        """Give strangers what the receivers have."""
        rates = self.rates
        self.strangers = Rates(per_minute=rates.per_minute, burst=rates.burst, now=rates.now)
        self.room = Room(ROOM_BODIES * self.max_body)

    async def take(self, request: Request) -> Answer:
        """Take a delivery; whatever goes wrong is an answer."""
        entry = Entry(source=request.source)
        try:
            answer = await self._take(request, entry)
        except Exception as error:  # noqa: BLE001  (a defect ends no receiver; its words may hold anything)
            entry.outcome, entry.reason = "failed", f"unexpected {type(error).__name__}"
            answer = Answer(500, closes=True)
        entry.status = answer.status
        with contextlib.suppress(OSError, ValueError):  # nobody reads the log: that ends nothing
            self.tell(entry)
        return answer

    async def _take(self, request: Request, entry: Entry) -> Answer:
        listened = await self.book.find(request.id)
        if listened is None:
            entry.outcome = "unknown"
            return Answer(404, closes=True)
        entry.receiver = listened.name
        if wait := self.rates.wait(listened.name):
            return _throttled(entry, wait)
        if problem := self._problem_of_head(request.headers):
            entry.outcome = "too large" if problem.status == 413 else "unreadable"
            return problem
        with self.room.guest() as guest:
            return await self._whole(listened, request, guest, entry)

    async def _whole(
        self, listened: Listened, request: Request, guest: Guest, entry: Entry
    ) -> Answer:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await self._body(request, guest)
        except _TooLargeError:
            entry.outcome = "too large"
            return Answer(413, closes=True)
        except _NoRoomError:
            entry.outcome = "no room"
            return Answer(503, wait=5, closes=True)
        except TimeoutError:
            entry.outcome = "too slow"
            return Answer(408, closes=True)
        except ConnectionError:
            entry.outcome = "broken off"
            return Answer(400, closes=True)
        return await self._read(listened, request, body, entry)

    def _problem_of_head(self, headers: Mapping[str, str]) -> Answer | None:
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in _TYPES and not kind.endswith("+json"):
            return Answer(415, closes=True)
        if headers.get("content-encoding", "identity").lower() != "identity":
            return Answer(415, closes=True)
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self.max_body:
            return Answer(413, closes=True)
        return None

    async def _body(self, request: Request, guest: Guest) -> bytes:
        body = bytearray()
        async for part in request.body:
            body += part
            if len(body) > self.max_body:
                raise _TooLargeError
            if not guest.may_grow_to(len(body)):
                raise _NoRoomError
        return bytes(body)

    async def _read(
        self, listened: Listened, request: Request, body: bytes, entry: Entry
    ) -> Answer:
        def ignored(why: Ignored) -> None:
            entry.reason, entry.event, entry.delivery = why.reason, why.event, why.delivery

        delivery = Delivery(
            headers=request.headers,
            body=body,
            received_at=self.now(),
            remote=request.source,
            path=request.id,
            ignored=ignored,
        )
        firings: tuple[Firing, ...] | None = None
        try:
            async with asyncio.timeout(READ_SECONDS):
                firings = await self.listening.read(listened, delivery)
        except Forged as error:
            entry.outcome, entry.reason = "forged", error.message
            wait = self.strangers.take(listened.name)
            return Answer(429, wait=math.ceil(wait)) if wait else Answer(403)
        except InvalidDocument as error:
            entry.outcome, entry.reason = "unreadable", error.message
        except (RolloutError, TimeoutError) as error:
            entry.outcome, entry.reason = "failed", str(error) or "it took too long to read"
            return Answer(503, wait=10)
        if wait := self.rates.take(listened.name):
            return _throttled(entry, wait)
        return Answer(400) if firings is None else await self._note(listened, firings, entry)

    async def _note(self, listened: Listened, firings: tuple[Firing, ...], entry: Entry) -> Answer:
        prefix = f"{listened.name}:"
        if not firings:
            entry.outcome = "ignored"
            return Answer(202)
        entry.delivery = " ".join(one.id.removeprefix(prefix) for one in firings)
        ids = [id_ for one in firings for id_ in (one.id, one.fingerprint)]
        try:
            async with asyncio.timeout(NOTE_SECONDS), self.replays.claimed(ids) as is_new:
                if not is_new:
                    entry.outcome = "repeated"
                    return Answer(200)
                taken = [await self.listening.accept(listened, one) for one in firings]
        except (RolloutError, OSError, TimeoutError) as error:
            entry.outcome, entry.reason = "not noted", str(error) or type(error).__name__
            return Answer(503, wait=10)
        entry.outcome, entry.rollouts = "accepted", sum(map(len, taken))
        return Answer(202)


def _throttled(entry: Entry, wait: float) -> Answer:
    entry.outcome = "throttled"
    return Answer(429, wait=math.ceil(wait), closes=True)
