"""Following a run on standard error: a live picture on a terminal, plain lines elsewhere.

Before: the walk tells what happens. After: a person sees what is going on, and why it takes time.

``tracker`` counts, ``plain`` and ``live`` print; nothing here decides anything.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Protocol

from rollwright.cli.output import is_terminal
from rollwright.cli.progress.plain import PlainView
from rollwright.engine.progress import Progress

__all__ = ["View", "follow"]


class View(Protocol):
    """Something that shows a run while it goes on."""

    interval_seconds: float
    """How often ``tick`` wants to be called."""

    def take(self, progress: Progress) -> None:
        """Hear what happened."""
        ...

    def tick(self) -> None:
        """Show what gathered since the last time."""
        ...

    def pause(self) -> None:
        """Leave the terminal to somebody else until something happens again."""
        ...


@asynccontextmanager
async def follow(*, is_verbose: bool = False, view: View | None = None) -> AsyncIterator[View]:
    """Show a run while inside, in a view of its own kind if one is given."""
    view = view or _view(is_verbose=is_verbose)
    ticker = asyncio.create_task(_tick(view))
    try:
        yield view
    finally:
        ticker.cancel()
        with suppress(asyncio.CancelledError):
            await ticker
        view.pause()


def _view(*, is_verbose: bool) -> View:
    if is_terminal(sys.stderr) and os.environ.get("TERM", "") not in {"", "dumb"}:
        from rollwright.cli.progress.live import LiveView

        return LiveView()
    return PlainView(is_verbose=is_verbose)


async def _tick(view: View) -> None:
    while True:
        await asyncio.sleep(view.interval_seconds)
        view.tick()
