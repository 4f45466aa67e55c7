"""One list-watch per kind, shared by everything that waits.

Before: ``observe`` has an object to wait for.
After: whoever subscribed is told of each change; the newest state is at hand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from rollwright.errors import ClusterError, RolloutError
from rollwright.plugins.contracts import Cluster, EventType, ListRequest
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import ObjectRef

FIRST_PAUSE_SECONDS = 0.25
PATIENCE = 5
"""How often a watch is begun again that could not even list; the port resumes all others."""


@dataclass(kw_only=True)
class SharedWatch:
    """The newest state of one kind.

    ``error`` is set when the watch cannot go on: the kind is not served, or we may not read it.
    """

    request: ListRequest
    objects: dict[ObjectRef, LiveObject] = field(default_factory=dict)
    is_synced: bool = False
    error: RolloutError | None = None
    listeners: list[Callable[[LiveObject | None, LiveObject | None], None]] = field(
        default_factory=list
    )
    """Called with the object before and after; both ``None`` for "look again"."""

    def tell(self, before: LiveObject | None, after: LiveObject | None) -> None:
        """Call every listener."""
        for listener in self.listeners:
            listener(before, after)


class Watches:
    """The list-watches of one run; each kind and scope is watched once."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._watches: dict[ListRequest, SharedWatch] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def of(
        self,
        request: ListRequest,
        listener: Callable[[LiveObject | None, LiveObject | None], None],
    ) -> SharedWatch:
        """Return the watch, started if it is new, with one more listener."""
        watch = self._watches.get(request)
        if watch is None:
            watch = self._watches[request] = SharedWatch(request=request)
            self._tasks.append(asyncio.create_task(self._follow(watch)))
        if listener not in watch.listeners:
            watch.listeners.append(listener)
        return watch

    async def _follow(self, watch: SharedWatch) -> None:
        watch.error = await self._why_ended(watch)
        watch.tell(None, None)

    async def _why_ended(self, watch: SharedWatch) -> RolloutError:
        for attempt in range(PATIENCE):
            try:
                await self._tell_all(watch)
            except RolloutError as error:
                if not error.retryable or attempt == PATIENCE - 1:
                    return error
                await asyncio.sleep(FIRST_PAUSE_SECONDS * 2**attempt)
            except Exception as error:  # noqa: BLE001  (whoever waits must not wait for ever)
                return ClusterError(f"the watch broke off: {type(error).__name__}: {error}")
            else:
                break
        return ClusterError("the watch ended")

    async def _tell_all(self, watch: SharedWatch) -> None:
        async for event in self._cluster.watch(watch.request):
            if event.type is EventType.SYNCED:
                watch.is_synced = True
                watch.tell(None, None)
            elif event.object is not None:
                self._take(watch, event.type, event.object)

    def _take(self, watch: SharedWatch, kind: EventType, live: LiveObject) -> None:
        before = watch.objects.get(live.ref)
        if kind is EventType.DELETED:
            watch.objects.pop(live.ref, None)
            watch.tell(before or live, None)
            return
        watch.objects[live.ref] = live
        watch.tell(before, live)

    async def synced(self, *, within_seconds: float) -> None:
        """Return when every watch has its first LIST or has failed, or when time is over."""
        settled = asyncio.Event()

        def look(_before: LiveObject | None, _after: LiveObject | None) -> None:
            if all(watch.is_synced or watch.error for watch in self._watches.values()):
                settled.set()

        for watch in self._watches.values():
            watch.listeners.append(look)
        look(None, None)
        try:
            await asyncio.wait_for(settled.wait(), within_seconds)
        except TimeoutError:
            return

    async def close(self) -> None:
        """End every watch."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        self._watches.clear()


def is_forbidden(error: RolloutError | None) -> bool:
    """Whether a watch ended because we have no right to it."""
    return isinstance(error, ClusterError) and error.status == 403
