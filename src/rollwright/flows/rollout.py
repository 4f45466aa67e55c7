"""One rollout as a flow: the walk with its stages as tasks, and a run name.

Before: a person, a schedule or a webhook started the flow run.
After: the flow run has the state that the report says; its artifacts have plan and report.

Deploy it as ``rollwright.flows.rollout:rollout``. Parameters are names, never manifests.
"""

from __future__ import annotations

from typing import cast

from prefect import flow
from prefect.client.schemas.objects import State

from rollwright.engine.custody.desired import in_order
from rollwright.engine.walk import walk
from rollwright.flows.approval import suspending
from rollwright.flows.dispatched import Request, answered
from rollwright.flows.endings import state_of_report
from rollwright.flows.flow_runs import Asked, naming, telling_revision, trigger_of
from rollwright.flows.stopping import until_stopped
from rollwright.flows.working import ended, opened
from rollwright.rollouts.report import Report
from rollwright.tasks import TASKS


@flow(name="rollout", flow_run_name=naming("rollout"), persist_result=False)
async def rollout(  # noqa: PLR0913  (the form that a person fills in to start a run)
    file: str,
    *,
    allow_prune: bool = False,
    actor: str = "",
    revision: str = "",
    cluster: str = "",
    trigger: str = "",
    sequence: int = 0,
    pending: str = "",
    at: str = "",
) -> Report:
    """Bring one declared rollout to one revision.

    Awaiting the flow gives the report of a run that succeeded and raises the error of one that
    did not; with ``return_state=True`` it gives the state.

    Args:
        file: Path of a rollout's document, or of the folder of a ``rollout.yaml``.
        allow_prune: Let the guards on the number of deletes pass.
        actor: Who asked; whoever runs this process if empty.
        revision: The source revision that is asked for; empty for what the source has now.
        cluster: A cluster of site.toml instead of the rollout's own target.
        trigger: Id of the delivery that a receiver took in; empty if a person or a schedule asks.
        sequence: What the receiver got when it moved the desired revision; 0 if it did not.
        pending: Name of the instance whose noted request it answers; empty if none is.
        at: Where what the request brought stands among the values, dotted.
    """
    asked = Asked(actor=actor, revision=revision, trigger=trigger, sequence=sequence)

    async def body() -> State[Report]:
        async with opened(file, cluster) as (loaded, site):
            spec = loaded.spec
            stages = telling_revision(TASKS.allowing_prune() if allow_prune else TASKS)
            if pending:
                return await answered(loaded, site, stages, Request(pending, trigger, at))
            placed = await in_order(site, spec, trigger_of(spec, asked))
            return state_of_report(
                await until_stopped(site, walk(spec, placed, site, suspending(stages, placed)))
            )

    return cast("Report", await ended(file, body))
