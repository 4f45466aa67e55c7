"""Deliveries that were answered lately: the same one again means nothing (WH-06).

Before: a delivery showed its origin. After: it is noted, or was before.

An id counts from the moment that its delivery is noted. The same delivery that comes in meanwhile
waits for that: where the note cannot be written, it is the one that tries again.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

KEPT_SECONDS = 600.0
MOST = 100_000


@dataclass(slots=True, kw_only=True)
class Replays:
    """Ids, each remembered for some time. Only genuine deliveries get here."""

    seconds: float = KEPT_SECONDS
    now: Callable[[], float] = monotonic
    _seen: OrderedDict[str, float] = field(default_factory=OrderedDict)
    _in_hand: dict[str, asyncio.Event] = field(default_factory=dict)

    @asynccontextmanager
    async def claimed(self, ids: Iterable[str]) -> AsyncIterator[bool]:
        """Give whether none of the ids was there; they are remembered unless the block fails."""
        those = tuple(one for one in ids if one)
        while others := [self._in_hand[one] for one in those if one in self._in_hand]:
            await others[0].wait()
        self._forget()
        if any(one in self._seen for one in those):
            yield False
            return
        ended = asyncio.Event()
        self._in_hand.update(dict.fromkeys(those, ended))
        try:
            yield True
            self._seen.update(dict.fromkeys(those, self.now()))
        finally:
            for one in those:
                self._in_hand.pop(one, None)
            ended.set()

    def _forget(self) -> None:
        oldest = self.now() - self.seconds
        while self._seen:
            first = next(iter(self._seen))
            if self._seen[first] > oldest and len(self._seen) <= MOST:
                break
            del self._seen[first]
