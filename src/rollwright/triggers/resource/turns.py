"""Which key is due: many events of one key within a moment are one reason to look (TR-09).

Before: watches told changes. After: the listener takes one key after another.

A key is due a moment after the *first* of its events, so that one that never rests has its turn
all the same. Nothing but keys is remembered here: however many events come, it holds each once.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from time import monotonic


@dataclass(frozen=True, slots=True)
class Turn:
    """A key that is to be looked at.

    Attributes:
        key: Of the main resource.
        origin: What else than the object itself is the reason, and makes it a single one: then
            there is a run even if the object is as it was.
        gone: UID of the object that was deleted; ``None`` if none was.
    """

    key: str
    origin: str = ""
    gone: str | None = None

    def joined(self, newer: Turn) -> Turn:
        """Return one turn for two reasons."""
        gone = self.gone if newer.gone is None else newer.gone
        return Turn(self.key, newer.origin or self.origin, gone)


@dataclass(slots=True)
class Turns:
    """Keys with the instant from which they are due, in order.

    All wait equally long, so that the first of the keys is always the first to be due.
    """

    debounce: float
    _due: dict[str, tuple[float, Turn]] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def ask(self, turn: Turn) -> None:
        """Ask for a turn; one that waits already keeps its instant."""
        former = self._due.get(turn.key)
        if former is None:
            self._due[turn.key] = (monotonic() + self.debounce, turn)
        else:
            self._due[turn.key] = (former[0], former[1].joined(turn))
        self._news.set()

    def __len__(self) -> int:
        return len(self._due)

    async def take(self) -> Turn:
        """Return the next key as soon as one is due."""
        while not self._due:
            self._news.clear()
            await self._news.wait()
        key, (due, _turn) = next(iter(self._due.items()))
        await asyncio.sleep(max(0.0, due - monotonic()))
        return self._due.pop(key)[1]
