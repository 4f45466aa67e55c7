"""How many requests may be on their way to one cluster at once.

Starts at 32, learns: one more for every 20 good answers, half as many after a 429 or a timeout,
never below 2 nor above 64 (P1). There is no rate limit of our own unless a site sets one: the
server knows better what it can bear, and says so with 429.
"""

from __future__ import annotations

import asyncio
from collections import deque
from enum import Enum, auto

START, FLOOR, CEILING = 32, 2, 64
ANSWERS_PER_STEP = 20


class Answer(Enum):
    """What an answer says about the load of the server."""

    GOOD = auto()
    OVERLOADED = auto()
    """429, or none in time."""
    SILENT = auto()
    """Says nothing about the load: a refusal, an error, a cancellation."""


class InFlightLimiter:
    """Admits requests, first come, first served."""

    def __init__(self, *, start: int = START, floor: int = FLOOR, ceiling: int = CEILING) -> None:
        self._ceiling = max(ceiling, 1)
        self._floor = min(floor, self._ceiling)
        self._limit = max(self._floor, min(start, self._ceiling))
        self._in_flight = 0
        self._good_count = 0
        self._epoch = 0
        self._waiters: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        """How many may be on their way now."""
        return self._limit

    @property
    def in_flight(self) -> int:
        """How many are on their way."""
        return self._in_flight

    async def acquire(self) -> int:
        """Wait for a place; return the ticket to hand to ``release``."""
        if self._in_flight < self._limit and not self._waiters:
            self._in_flight += 1
            return self._epoch
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._in_flight -= 1
            self._admit()
            raise
        return self._epoch

    def release(self, ticket: int, answer: Answer) -> None:
        """Give the place back, and learn from the answer."""
        self._in_flight -= 1
        if answer is Answer.GOOD:
            self._grow()
        elif answer is Answer.OVERLOADED:
            self._shrink(ticket)
        self._admit()

    def _grow(self) -> None:
        self._good_count += 1
        if self._good_count >= ANSWERS_PER_STEP:
            self._good_count = 0
            self._limit = min(self._limit + 1, self._ceiling)

    def _shrink(self, ticket: int) -> None:
        # 32 refusals of one burst say one thing: those sent before the last halving are ignored.
        if ticket != self._epoch:
            return
        self._epoch += 1
        self._good_count = 0
        self._limit = max(self._limit // 2, self._floor)

    def _admit(self) -> None:
        while self._waiters and self._in_flight < self._limit:
            waiter = self._waiters.popleft()
            if not waiter.done():
                self._in_flight += 1
                waiter.set_result(None)
