"""Why nobody takes a flow run: what to do about it, in words.

Before: a run waits longer in its queue than a worker needs to see it.
After: whoever listens reads what to start or to resume.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import FlowRun


async def why_untaken(client: PrefectClient, run: FlowRun) -> str:
    """Return why a flow run waits, and what to do; nothing is changed."""
    from prefect.exceptions import PrefectException  # noqa: PLC0415  (0.9 s)

    try:
        return await _why(client, run)
    except (PrefectException, httpx.HTTPError):
        return "look at its page"


async def _why(client: PrefectClient, run: FlowRun) -> str:
    pool, queue = run.work_pool_name, run.work_queue_name or "default"
    if not pool:
        return "its deployment has no work pool: deploy it with one, or serve it"
    if (await client.read_work_pool(pool)).is_paused:
        return f"work pool {pool!r} is paused: prefect work-pool resume {pool}"
    if (await client.read_work_queue_by_name(queue, work_pool_name=pool)).is_paused:
        return f"its queue is paused: prefect work-queue resume {queue} --pool {pool}"
    workers = await client.read_workers_for_work_pool(pool)
    if not any(one.status.value == "ONLINE" for one in workers):
        return f"no worker of pool {pool!r} is online: prefect worker start --pool {pool}"
    return f"the workers of pool {pool!r} are busy, or a limit of runs at a time is reached"
