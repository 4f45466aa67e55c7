"""A former revision brought back, as a flow.

Before: what is live is not good, and a person says so.
After: the former revision is live, and held until the source changes.

Deploy it as ``rollwright.flows.rollback:rollback``.
"""

from __future__ import annotations

from typing import cast

from prefect import flow
from prefect.client.schemas.objects import State

from rollwright.engine.returning.history import prepare_rollback, roll_back
from rollwright.engine.site import Site
from rollwright.flows.approval import suspending
from rollwright.flows.endings import state_of_report
from rollwright.flows.flow_runs import Asked, naming, trigger_of
from rollwright.flows.stopping import until_stopped
from rollwright.flows.working import ended, opened
from rollwright.rollouts.report import Report
from rollwright.rollouts.spec import RolloutSpec
from rollwright.tasks import TASKS


@flow(name="rollback", flow_run_name=naming("rollback"), persist_result=False)
async def rollback(
    file: str,
    *,
    to: int | None = None,
    reason: str = "",
    allow_prune: bool = False,
    actor: str = "",
    cluster: str = "",
) -> Report:
    """Go back to a former revision, and hold it until the source changes.

    Args:
        file: Path of a rollout's document, or of the folder of a ``rollout.yaml``.
        to: Number of the revision; by default the last success before the current one.
        reason: Why, for those who ask later.
        allow_prune: Let the guards on the number of deletes pass.
        actor: Who asked; whoever runs this process if empty.
        cluster: A cluster of site.toml instead of the rollout's own target.
    """
    stages = TASKS.allowing_prune() if allow_prune else TASKS

    async def walk(site: Site, spec: RolloutSpec) -> Report:
        prepared = await prepare_rollback(
            site, spec.name, to=to, declared=spec, reason=reason, stages=stages
        )
        trigger = trigger_of(spec, Asked(actor=actor))
        asking = suspending(stages, trigger)
        return await roll_back(site, prepared, actor=actor, stages=asking, url=trigger.url)

    async def body() -> State[Report]:
        async with opened(file, cluster) as (loaded, site):
            return state_of_report(await until_stopped(site, walk(site, loaded.spec)))

    return cast("Report", await ended(file, body))
