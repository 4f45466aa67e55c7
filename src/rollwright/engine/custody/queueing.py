"""Telling whoever looks on that a run stands in a queue.

Before: ``Site`` asks for a lock, ``Limits`` for a place; others have them.
After: the run goes on, or is refused when its patience ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from rollwright.engine.progress import Listener, Note

PATIENCE: Final = 2.0
"""Seconds of silence: most waits are shorter, and a person needs no word of them."""


@asynccontextmanager
async def told_if_long(
    tell: Listener, words: str, *, patience: float = PATIENCE
) -> AsyncIterator[None]:
    """Tell the words once, if what is inside has not ended by then."""

    async def later() -> None:
        await asyncio.sleep(patience)
        tell(Note(words))

    task = asyncio.ensure_future(later())
    try:
        yield
    finally:
        task.cancel()
