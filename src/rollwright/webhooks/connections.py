"""Connections whose other end has to hurry: the head of a request may not come for ever.

Before: somebody connected. After: ``app`` has a request, or the place is free again.

The server that is used waits for the first request without end, and for the rest of one's head,
too; the time for a body is ``intake``'s. Where every place is taken, whoever waits longest with
nothing to say makes way for the next one: idle connections keep nobody out.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
MOST = 200
"""Connections at a time."""


class HurriedProtocol(H11Protocol):
    """HTTP/1.1 with a limit on the time until a request's head is there."""

    head_seconds = HEAD_SECONDS
    most = MOST
    _limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a head."""
        self._make_way()
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._have()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Look whether the head is whole by now."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._have()

    def on_response_complete(self) -> None:
        """Wait for the next head; what is left of this body counts as waiting, too."""
        self._have()
        self._wait()
        super().on_response_complete()

    def _make_way(self) -> None:
        """Close the connection that waits longest, if there is no place for one more."""
        if len(self.connections) < self.most:
            return
        idle = [one for one in self.connections if isinstance(one, HurriedProtocol) and one.ends_at]
        if idle:
            longest = min(idle, key=lambda one: one.ends_at)
            self.connections.discard(longest)
            longest.transport.abort()

    @property
    def ends_at(self) -> float:
        """Until when it is waited for; zero while there is a request."""
        return self._limit.when() if self._limit is not None else 0.0

    def _wait(self) -> None:
        self._limit = self.loop.call_later(self.head_seconds, self._give_up)

    def _have(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
