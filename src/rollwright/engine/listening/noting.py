"""Firings on their way into the store: whoever comes while one is written shares the next write.

Before: a trigger fired, or a burst of deliveries came in.
After: what is acknowledged is noted; a burst of a thousand costs a handful of writes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from rollwright.engine.listening.pending import Pending, keep
from rollwright.engine.site import Site


@dataclass(slots=True)
class _Writer:
    """Notes of one instance."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    wanted: Pending | None = None
    asked: int = 0
    written: int = 0
    kept: Pending | None = None
    kept_for: str = ""


@dataclass(kw_only=True)
class Noting:
    """Notes what is asked for.

    Attributes:
        site: Whose stores keep it.
        kept: Called with what was noted.
    """

    site: Site
    kept: Callable[[Pending], Awaitable[None]]
    _writers: dict[str, _Writer] = field(default_factory=dict)

    async def note(self, pending: Pending) -> Pending | None:
        """Return what is noted now, this one or a newer one; ``None`` if it was answered before.

        Raises:
            RolloutError: The store does not take it.
        """
        writer = self._writers.setdefault(pending.instance, _Writer())
        writer.wanted = pending
        writer.asked += 1
        mine = writer.asked
        async with writer.lock:
            if writer.written < mine and writer.wanted is not None:
                # Counted as written once it is: whoever shares a write that fails makes its own.
                covered, latest = writer.asked, writer.wanted
                writer.kept = await keep(self.site, latest)
                writer.written, writer.kept_for = covered, latest.firing.id
                if writer.kept is not None:
                    await self.kept(writer.kept)
            kept = writer.kept
            if kept is None and writer.kept_for != pending.firing.id:
                # Another one was answered before, this one was not.
                kept = await keep(self.site, pending)
        if not writer.lock.locked() and writer.asked == writer.written:
            self._writers.pop(pending.instance, None)
        return kept
