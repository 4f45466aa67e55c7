"""How many may do something at once, in a cluster, a site, or all clusters of one label.

Before: ``site.toml`` declares ``[limits.rollouts]`` or ``[limits.renders]``.
After: ``Site.lock`` holds a place beside the rollout's lock, ``Site.rendering`` one for a render.

The lock comes first and the place second: who waits for a lock takes no place from others, and
who waits for a place keeps only others of the same rollout waiting. Who loses its place has lost
its lock too: it stops before its next write.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any, Protocol

from rollwright.engine.custody.queueing import told_if_long
from rollwright.engine.progress import Listener, ignore
from rollwright.engine.site_blocks import resolved_entry
from rollwright.engine.site_file import LimitEntry, LoadedSite
from rollwright.errors import InvalidSpec, Problem
from rollwright.plugins.contracts import Cluster, Lock, LockOwner, LockRecord
from rollwright.plugins.registry import Registry

ROLLOUTS, RENDERS = "rollouts", "renders"

_USUAL_SCOPE = {ROLLOUTS: "cluster", RENDERS: "site"}  # a render needs no cluster


class Places(Protocol):
    """What a lock plugin's ``limit(name, places)`` returns."""

    def hold(
        self, key: str, *, owner: LockOwner, wait: timedelta | None
    ) -> AbstractAsyncContextManager[Lock]:
        """Hold one of the places while inside."""
        ...

    async def close(self) -> None:
        """Give back what the connection holds."""
        ...


class Limits:
    """The limits of one site; their services are made when they are first needed."""

    def __init__(
        self,
        loaded: LoadedSite,
        registry: Registry,
        cluster_named: Callable[[str], Awaitable[Cluster]],
        tell: Listener = ignore,
    ) -> None:
        self._tell = tell
        self._loaded = loaded
        self._registry = registry
        self._cluster_named = cluster_named
        self._services: dict[str, Places] = {}

    @asynccontextmanager
    async def entered(
        self, name: str, cluster: str, owner: LockOwner, wait: timedelta | None
    ) -> AsyncIterator[Lock | None]:
        """Hold a place while inside; ``None`` where nothing is limited.

        Args:
            name: ``ROLLOUTS`` or ``RENDERS``.
            cluster: The target, as site.toml names it.
            owner: Who asks.
            wait: How long to wait; ``None`` waits for ever.

        Raises:
            LockHeld: All places are still taken.
            InvalidSpec: The lock plugin keeps no limits.
        """
        entry: LimitEntry | None = getattr(self._loaded.file.limits, name)
        if entry is None:
            yield None
            return
        service = self._service(name, entry)
        key = await self._scope(name, entry, cluster)
        words = f"waiting for a place: [limits.{name}] lets in {entry.max} at once"
        async with AsyncExitStack() as stack:
            async with told_if_long(self._tell, words):
                holding = service.hold(key, owner=owner, wait=wait)
                place = await stack.enter_async_context(holding)
            yield place

    @asynccontextmanager
    async def beside(
        self, lock: Lock, cluster: str, owner: LockOwner, wait: timedelta | None
    ) -> AsyncIterator[Lock]:
        """Hold a place for a rollout beside its lock; the two are lost together."""
        async with AsyncExitStack() as stack:
            async with _kept_while(lock):
                entering = self.entered(ROLLOUTS, cluster, owner, wait)
                place = await stack.enter_async_context(entering)
            if place is None:
                yield lock
                return
            yield await stack.enter_async_context(_lost_together(lock, place))

    async def close(self) -> None:
        """Close every service."""
        services = tuple(self._services.values())
        self._services.clear()
        for service in services:
            await service.close()

    def _service(self, name: str, entry: LimitEntry) -> Places:
        if name not in self._services:
            self._services[name] = self._plugin(name, entry).limit(name, entry.max)
        return self._services[name]

    def _plugin(self, name: str, entry: LimitEntry) -> Any:
        default = self._loaded.file.locks["default"]
        use, options = entry.use or default.name, entry.options
        if use == default.name and not options:
            options = default.options
        where = str(self._loaded.path or "site.toml")
        plugin = self._registry.build(
            "locks", use, options, where=where, path=f"limits.{name}.with"
        )
        if not callable(getattr(plugin, "limit", None)):
            message = f"locks of kind {use!r} keep no limits"
            problem = Problem(where=where, path=f"limits.{name}", message=message)
            raise InvalidSpec(
                [problem], hint=f'say which do: [limits.{name}] use = "etcd", with its endpoints'
            )
        return plugin

    async def _scope(self, name: str, entry: LimitEntry, cluster: str) -> str:
        """Return whose places these are; everybody who shares them says the same."""
        per = entry.per or _USUAL_SCOPE[name]
        if per == "site":
            return f"site {self._loaded.file.name}"
        if per == "cluster":
            return f"cluster {await (await self._cluster_named(cluster)).identity()}"
        known = self._loaded.file.clusters.get(cluster)
        known = await resolved_entry(known, cluster) if known else None
        # Clusters without the label share the places of those without it.
        return f"{per}={known.labels.get(per, '') if known else ''}"


class _Both:
    """A rollout's lock and its place; what is lost with one is lost with the other."""

    def __init__(self, lock: Lock, place: Lock) -> None:
        self._lock, self._place = lock, place
        self.lost = asyncio.Event()

    @property
    def key(self) -> str:
        """What is locked."""
        return self._lock.key

    @property
    def token(self) -> int:
        """The fencing token of the lock."""
        return self._lock.token

    @property
    def taken_from(self) -> LockRecord | None:
        """The holder of the lock before us, if it never gave it back."""
        return self._lock.taken_from

    def check(self) -> None:
        """Raise ``LockLost`` if either may be gone."""
        self._lock.check()
        self._place.check()


@asynccontextmanager
async def _kept_while(lock: Lock) -> AsyncIterator[None]:
    """Leave the queue as soon as the lock is lost, not when it is our turn.

    Raises:
        LockLost: It was lost inside.
    """
    waiting = asyncio.current_task()
    is_lost = False

    async def look_out() -> None:
        nonlocal is_lost
        await lock.lost.wait()
        is_lost = True
        if waiting is not None:
            waiting.cancel()

    task = asyncio.ensure_future(look_out())
    try:
        yield
    except asyncio.CancelledError:
        # Somebody else may have cancelled us too: then that counts.
        if is_lost and waiting is not None and waiting.uncancel() == 0:
            lock.check()
        raise
    finally:
        task.cancel()


@asynccontextmanager
async def _lost_together(lock: Lock, place: Lock) -> AsyncIterator[Lock]:
    both = _Both(lock, place)

    async def tell(one: Lock) -> None:
        await one.lost.wait()
        both.lost.set()

    tasks = [asyncio.ensure_future(tell(one)) for one in (lock, place)]
    try:
        yield both
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
