"""Putting artifacts into Prefect's record, and never failing a run because of it.

Before: a module beside this one made the text or the rows. After: the run's page shows them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

from prefect.logging import get_run_logger

TIMEOUT = timedelta(seconds=10)
"""How long a run waits for Prefect to take its artifacts; Prefect itself tries for minutes."""

LONGEST = 500_000
"""Characters of one artifact."""


async def publish_all(what: str, *artifacts: Awaitable[Any]) -> None:
    """Put artifacts into Prefect's record; that they cannot be put there fails no run.

    Args:
        what: What they show, for the log: ``the report``.
        artifacts: Under way; all of them at once.
    """
    try:
        async with asyncio.timeout(TIMEOUT.total_seconds()):
            await asyncio.gather(*artifacts)
    except Exception as error:  # noqa: BLE001  (feedback never fails a run)
        get_run_logger().warning("%s was not published: %s", what, type(error).__name__)


def fenced(words: str) -> str:
    """Return text as a block of Markdown that nothing in it can end."""
    if len(words) > LONGEST:
        words = f"{words[:LONGEST]}\n… and more\n"
    fence = "`" * (3 + max((len(run) for run in re.findall("`+", words)), default=0))
    return f"{fence}text\n{words}{fence}\n"


def look_at(rollout: str, cluster: str) -> str:
    """Return where to go on looking, as a line of Markdown."""
    place = f" --cluster {cluster}" if cluster else ""
    return f"What is live now: `rollwright status {rollout}{place}`\n"
