from __future__ import annotations

import asyncio

from rollwright.engine.custody.queueing import told_if_long
from rollwright.engine.progress import Note, Progress


async def test_a_long_wait_is_told_once():
    told: list[Progress] = []
    async with told_if_long(told.append, "waits for a place", patience=0):
        for _ in range(5):
            await asyncio.sleep(0)

    assert told == [Note("waits for a place")]


async def test_a_short_wait_is_not_told():
    told: list[Progress] = []
    async with told_if_long(told.append, "waits for a place"):
        await asyncio.sleep(0)

    assert told == []
