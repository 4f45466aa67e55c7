"""What differs from the last rollout, as a flow: for a schedule.

Before: somebody may have changed objects by hand.
After: the state says whether; nothing was changed. An automation may act on ``Drifted``.

Deploy it as ``rollwright.flows.drift:drift``.
"""

from __future__ import annotations

from typing import cast

from prefect import flow
from prefect.client.schemas.objects import State

from rollwright.flows.endings import state_of_drift
from rollwright.flows.flow_runs import naming
from rollwright.flows.stopping import until_stopped
from rollwright.flows.working import ended, opened
from rollwright.rollouts.drift.find import Drift
from rollwright.tasks import find_drift


@flow(name="drift", flow_run_name=naming("drift"), persist_result=False)
async def drift(file: str, *, cluster: str = "") -> Drift:
    """Show what in the cluster differs from the last rollout, and who changed it.

    Args:
        file: Path of a rollout's document, or of the folder of a ``rollout.yaml``.
        cluster: A cluster of site.toml instead of the rollout's own target.
    """

    async def body() -> State[Drift]:
        async with opened(file, cluster) as (loaded, site):
            spec = loaded.spec
            looking = find_drift(site, spec.name, spec.target.cluster)
            return state_of_drift(await until_stopped(site, looking))

    return cast("Drift", await ended(file, body))
