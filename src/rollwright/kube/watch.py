"""List, then watch, for ever: what changes, told once, whatever happens to the connection (K5).

Before: ``kinds`` found the kind; ``listing`` reads all of it.
After: ``engine`` waits for verdicts by these events.

A stream that ends or tears is resumed where it stood. When the server has forgotten that place
(410), everything is listed again and compared with what was told: only the difference is told.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TypeAlias

from rollwright.errors import ClusterError, RolloutError, Unreachable
from rollwright.kube.kinds import KIND_NOT_SERVED, KindCache
from rollwright.kube.listing import list_all
from rollwright.kube.objects import Event, read_event, read_metadata, read_object
from rollwright.kube.refusals import NO_SUCH_PATH, read_status, refusal
from rollwright.kube.request import Request, watch_request
from rollwright.kube.retry import backoff
from rollwright.kube.transport import Transport
from rollwright.plugins.contracts import EventType, ListRequest, ServedKind, WatchEvent
from rollwright.rollouts.live import LiveObject

SHORTEST, LONGEST = 240, 480
"""Seconds after which the server ends a watch; at random, so that not all end at once."""

GOOD_STREAM = 1.0
"""Seconds after which the end of a stream is no trouble."""

LONGEST_LINE = 2**25
TOLERATED = 3
"""Refusals in a row that a running watch outlives: a server that starts refuses for a moment."""

Place: TypeAlias = tuple[str, str]


@dataclass(slots=True)
class Told:
    """What was told so far, to tell nothing twice."""

    objects: dict[Place, LiveObject] = field(default_factory=dict)

    def replace(self, objects: Iterable[LiveObject]) -> Iterator[WatchEvent]:
        """Take a complete list; yield how it differs from what was told."""
        listed = {_place(one): one for one in objects}
        for place in [place for place in self.objects if place not in listed]:
            yield WatchEvent(type=EventType.DELETED, object=self.objects.pop(place))
        for one in listed.values():
            yield from self.put(one)

    def put(self, one: LiveObject) -> Iterator[WatchEvent]:
        """Take an object that is there; yield what is new about it."""
        place = _place(one)
        before = self.objects.get(place)
        if before is not None and before.uid != one.uid:
            yield WatchEvent(type=EventType.DELETED, object=before)
            before = None
        if before is not None and before.resource_version == one.resource_version:
            return
        self.objects[place] = one
        yield WatchEvent(type=EventType.MODIFIED if before else EventType.ADDED, object=one)

    def remove(self, one: LiveObject) -> Iterator[WatchEvent]:
        """Take an object that is gone."""
        if self.objects.pop(_place(one), None) is not None:
            yield WatchEvent(type=EventType.DELETED, object=one)


class Watch:
    """One list-watch; ``events`` runs until it is closed.

    Args:
        transport: Sends.
        kinds: Finds the kind.
        wanted: What to watch.
    """

    def __init__(self, transport: Transport, kinds: KindCache, wanted: ListRequest) -> None:
        self._transport, self._kinds, self._wanted = transport, kinds, wanted
        self._timing = transport.timing
        self._told = Told()
        self._resource_version = ""
        self._trouble_count = 0
        self._is_synced = False

    async def events(self) -> AsyncGenerator[WatchEvent, None]:
        """Yield what is there, ``SYNCED``, and then every change.

        Raises:
            ClusterError: The kind is not served, or the server refuses for good.
            Unreachable: The server does not answer the first LIST.
            Unauthorized: It does not know us.
        """
        while True:
            try:
                served = await self._kinds.find(self._wanted.api_version, self._wanted.kind)
                listing = await list_all(self._transport, served, self._wanted)
            except RolloutError as error:
                await self._endure(error)
                continue
            self._resource_version = listing.resource_version
            for event in self._told.replace(listing.objects):
                yield event
            self._is_synced = True
            yield WatchEvent(type=EventType.SYNCED)
            async with aclosing(self._follow(served)) as followed:
                async for event in followed:
                    yield event
            # 410: list again. Should that happen at once, time after time, then ever slower.
            self._trouble_count += 1
            if self._trouble_count > 1:
                await self._pause(None)

    async def _follow(self, served: ServedKind) -> AsyncGenerator[WatchEvent, None]:
        """Yield changes until the server has forgotten where we stood."""
        while True:
            started_at = self._timing.clock()
            try:
                async with aclosing(self._one_stream(served)) as stream:
                    async for event in stream:
                        yield event
            except RolloutError as error:
                self._forgive(started_at)
                if _is_gone(error):
                    return
                await self._endure(error, served)
                continue
            if not self._forgive(started_at):
                self._trouble_count += 1
                await self._pause(None)

    async def _one_stream(self, served: ServedKind) -> AsyncGenerator[WatchEvent, None]:
        request = watch_request(
            served,
            self._wanted,
            resource_version=self._resource_version,
            seconds=SHORTEST + int(self._timing.random() * (LONGEST - SHORTEST)),
        )
        async with self._transport.stream(request) as chunks, aclosing(lines(chunks)) as texts:
            async for line in texts:
                for event in self._take(read_event(line, request), served, request):
                    yield event

    def _take(self, event: Event, served: ServedKind, request: Request) -> Iterator[WatchEvent]:
        raw = bytes(event.object)
        if event.type == "ERROR":
            status = read_status(raw)
            raise refusal(request, (status.code if status else 0) or 500, raw)
        read = read_metadata if self._wanted.metadata_only else read_object
        one = read(raw, served, request)
        self._trouble_count = 0
        self._resource_version = one.resource_version or self._resource_version
        if event.type == "DELETED":
            yield from self._told.remove(one)
        elif event.type != "BOOKMARK":
            yield from self._told.put(one)

    def _forgive(self, started_at: float) -> bool:
        """Forget former trouble if the stream lived for a while; return whether it did."""
        is_long = self._timing.clock() - started_at >= GOOD_STREAM
        if is_long:
            self._trouble_count = 0
        return is_long

    async def _endure(self, error: RolloutError, served: ServedKind | None = None) -> None:
        """Pause after trouble that passes; raise what does not."""
        self._trouble_count += 1
        reason = error.reason if isinstance(error, ClusterError) else ""
        is_passing = error.retryable or self._trouble_count <= TOLERATED
        if not self._is_synced or not is_passing or reason == KIND_NOT_SERVED:
            raise error
        await self._pause(error)
        if reason == NO_SUCH_PATH and served is not None:
            await self._kinds.find_again(served)

    async def _pause(self, error: RolloutError | None) -> None:
        asked = error.retry_after_seconds if isinstance(error, ClusterError) else None
        if asked is None:
            chance = self._timing.random()
            asked = backoff(self._trouble_count, self._transport.patience, chance=chance)
        await self._timing.sleep(asked)


async def lines(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Cut chunks into lines, however long; a last line without its end was torn, and is left out.

    Raises:
        Unreachable: A line has no end within 32 MiB.
    """
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        first, *others = chunk.split(b"\n")
        parts.append(first)
        size += len(first)
        if size > LONGEST_LINE:
            raise Unreachable("a watch sent a line that does not end")
        if not others:
            continue
        whole = b"".join(parts)
        parts, size = [others[-1]], len(others[-1])
        for line in (whole, *others[:-1]):
            if line.strip():
                yield line


def _place(one: LiveObject) -> Place:
    return one.ref.namespace, one.ref.name


def _is_gone(error: RolloutError) -> bool:
    return isinstance(error, ClusterError) and error.status == 410
