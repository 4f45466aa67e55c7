"""The end of a flow run whose server is gone: the rollout is over, and Prefect is not waited for.

Before: a flow's body has done its work.
After: Prefect is told how it ended. Where it does not answer, it would go on trying for minutes;
then it tries once more, and the log says where to look instead: the state has the run.
"""

from __future__ import annotations

import asyncio

import httpx
from prefect.context import SettingsContext, get_settings_context
from prefect.logging import get_run_logger
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES

TRIES = 3
WAIT_SECONDS = 2.0
"""How long each try waits for the server."""

LATER_RETRIES = 1
"""How often Prefect then tries to tell how the run ended; by default five times, 150 s."""


async def settle(rollout: str) -> None:
    """Give up on a server that is gone; called last in a flow's body.

    Args:
        rollout: Its name or file, for those who look for the run elsewhere.
    """
    if await _answers():
        return
    get_run_logger().error(
        "Prefect does not answer: how this run ended is missing in its record;"
        " `rollwright status %s` has it",
        rollout,
    )
    # NB: it stays for the rest of this flow run, whose own settings end with it.
    context = get_settings_context()
    fewer = context.settings.copy_with_update(updates={PREFECT_CLIENT_MAX_RETRIES: LATER_RETRIES})
    SettingsContext(profile=context.profile, settings=fewer).__enter__()


async def _answers() -> bool:
    url = PREFECT_API_URL.value()
    if not url:
        return True  # a server in this process
    async with httpx.AsyncClient(timeout=WAIT_SECONDS) as client:
        for attempt in range(TRIES):
            try:
                return (await client.get(f"{url}/health")).is_success
            except httpx.HTTPError:
                if attempt < TRIES - 1:
                    await asyncio.sleep(WAIT_SECONDS / 2)
    return False
