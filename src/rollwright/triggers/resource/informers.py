"""What is there of the watched kinds: one list-watch per kind and selector.

Before: ``options`` names what is watched. After: the newest objects are at hand, and whoever
subscribed is told of each change.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from rollwright.errors import ClusterError
from rollwright.plugins.contracts import Cluster, EventType, ListRequest
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.triggering.keys import key_of

Told: TypeAlias = Callable[[ListRequest, LiveObject | None, LiveObject | None], None]
"""Called with the request, the object before, and after; ``None`` where there is none."""


@dataclass(kw_only=True)
class Informer:
    """The objects that one request selects, by their keys."""

    request: ListRequest
    objects: dict[str, LiveObject] = field(default_factory=dict)
    is_synced: bool = False

    async def follow(self, cluster: Cluster, told: Told, synced: Callable[[], None]) -> None:
        """Watch for ever; what is there at first is told to nobody."""
        async for event in cluster.watch(self.request):
            if event.type is EventType.SYNCED:
                self.is_synced = True
                synced()
            elif event.object is not None:
                before, after = self._take(event.type, event.object)
                if self.is_synced:
                    told(self.request, before, after)
        raise ClusterError(f"the watch of {self.request.kind} ended", retryable=True)

    def _take(
        self, kind: EventType, live: LiveObject
    ) -> tuple[LiveObject | None, LiveObject | None]:
        key = key_of(live.ref.namespace, live.ref.name)
        if kind is EventType.DELETED:
            return self.objects.pop(key, None) or live, None
        before = self.objects.get(key)
        self.objects[key] = live
        return before, live


class Informers:
    """All that a trigger watches; what several resources ask for alike is watched once."""

    def __init__(self, requests: Iterable[ListRequest]) -> None:
        self._all: Mapping[ListRequest, Informer] = {
            request: Informer(request=request) for request in requests
        }

    @property
    def is_synced(self) -> bool:
        """Whether everything that is there is known."""
        return all(one.is_synced for one in self._all.values())

    def of(self, request: ListRequest) -> Mapping[str, LiveObject]:
        """Return what a request selects, by its keys."""
        return self._all[request].objects

    @asynccontextmanager
    async def following(self, cluster: Cluster, told: Told) -> AsyncIterator[asyncio.Future[None]]:
        """Watch everything while inside, from when all of it is known.

        Gives a future that holds why a watch cannot go on.

        Raises:
            RolloutError: Something cannot be watched at all.
        """
        broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        ready = asyncio.Event()

        def synced() -> None:
            if self.is_synced:
                ready.set()

        following = [one.follow(cluster, told, synced) for one in self._all.values()]
        tasks = [asyncio.create_task(_telling(one, broken)) for one in following]
        tasks.append(asyncio.create_task(_waiting(ready)))
        try:
            await asyncio.wait([tasks[-1], broken], return_when=asyncio.FIRST_COMPLETED)
            if broken.done():
                broken.result()
            yield broken
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if broken.done():
                broken.exception()  # it was told, or whoever was inside has left
            broken.cancel()


async def _waiting(event: asyncio.Event) -> None:
    await event.wait()


async def _telling(following: Coroutine[Any, Any, None], broken: asyncio.Future[None]) -> None:
    """Tell why a watch cannot go on."""
    try:
        await following
    except Exception as error:  # noqa: BLE001  (whoever waits for events must not wait for ever)
        if not broken.done():
            broken.set_exception(error)
