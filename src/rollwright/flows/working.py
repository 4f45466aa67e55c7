"""What all flows share: open the site, tag the run, and end in a state that says how it went.

Before: Prefect calls a flow's body. After: the flow run has the state of its report or error.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Cancelled

from rollwright.engine.documents import LoadedRollout
from rollwright.engine.site import Site, open_site
from rollwright.flows.endings import state_of_error
from rollwright.flows.flow_runs import load, tag
from rollwright.flows.stopping import Stopped
from rollwright.flows.telling import settle
from rollwright.flows.unheard import go_on_unheard
from rollwright.tasks.stage import log_defect


@asynccontextmanager
async def opened(file: str, cluster: str = "") -> AsyncIterator[tuple[LoadedRollout, Site]]:
    """Read a rollout, tag the flow run with it, and open its site."""
    loaded = load(file, cluster)
    await tag(loaded.spec)
    async with open_site(loaded) as site:
        yield loaded, site


async def ended(rollout: str, body: Callable[[], Awaitable[State[Any]]]) -> Any:
    """Return the state that a flow's body gives; Prefect takes it as that of the run.

    Awaiting the flow gives the state's data, or raises it.

    Args:
        rollout: Name or file of the rollout.
        body: What the flow does.
    """
    go_on_unheard()
    try:
        state = await body()
    except Stopped:
        state = Cancelled(message="cancelled before anything was begun")
    except Exception as error:  # noqa: BLE001  (the state has it, and awaiting the flow raises it)
        log_defect(error)
        state = state_of_error(error)
    await settle(rollout)
    return state
