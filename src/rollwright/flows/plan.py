"""What a rollout would change, as a flow: the walk stopped before anybody approves.

Before: somebody wants to know, or a schedule looks whether the source has moved on.
After: nothing was changed; the run's artifacts show the plan.

Deploy it as ``rollwright.flows.plan:plan``.
"""

from __future__ import annotations

from typing import cast

from prefect import flow
from prefect.client.schemas.objects import State

from rollwright.engine.walk import prepare
from rollwright.flows.endings import state_of_plan
from rollwright.flows.flow_runs import Asked, naming, telling_revision, trigger_of
from rollwright.flows.stopping import until_stopped
from rollwright.flows.working import ended, opened
from rollwright.rollouts.plan import Plan
from rollwright.tasks import TASKS


@flow(name="plan", flow_run_name=naming("plan"), persist_result=False)
async def plan(file: str, *, revision: str = "", cluster: str = "", actor: str = "") -> Plan:
    """Show what a rollout would change, and change nothing.

    Args:
        file: Path of a rollout's document, or of the folder of a ``rollout.yaml``.
        revision: The source revision that is asked for; empty for what the source has now.
        cluster: A cluster of site.toml instead of the rollout's own target.
        actor: Who asked; whoever runs this process if empty.
    """

    async def body() -> State[Plan]:
        async with opened(file, cluster) as (loaded, site):
            spec, stages = loaded.spec, telling_revision(TASKS, "plan")
            trigger = trigger_of(spec, Asked(actor=actor, revision=revision))
            prepared = await until_stopped(site, prepare(spec, trigger, site, stages))
            return state_of_plan(prepared.plan)

    return cast("Plan", await ended(file, body))
