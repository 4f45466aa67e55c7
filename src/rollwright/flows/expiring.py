"""A clock for approvals in Prefect: a run that nobody answers in time ends as refused.

Before: a flow run is about to be suspended. After: no process of ours waits, so Prefect itself
has to end the run: an automation does, one for each deployment.

Prefect's own timeout comes a little later, for a server that runs no automations: there the run
ends as failed, in Prefect's words.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.events.actions import ActionTypes, ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.logging import get_run_logger

from rollwright.rollouts.spec import format_duration

SHORTEST = timedelta(seconds=10)
"""Prefect watches no shorter absence of an event."""

GRACE = timedelta(minutes=5)
"""How much later Prefect's own timeout comes."""

TIMEOUT = timedelta(seconds=20)

# NB: not every event of the run: a heartbeat may come just after it was suspended.
_NEXT = (
    *("Resuming", "Scheduled", "Late", "Pending", "Running", "Retrying"),
    *("Cancelling", "Cancelled", "Failed", "Refused", "Crashed", "Completed"),
)


async def timeout_of(run: FlowRun, expires: timedelta) -> timedelta:
    """See to it that a run that stays suspended for so long is refused.

    Returns:
        The timeout to tell Prefect: a little more, unless that is all there is.
    """
    automation = _automation(str(run.deployment_id), max(expires, SHORTEST))
    try:
        async with asyncio.timeout(TIMEOUT.total_seconds()), get_client() as client:
            await _keep(client, automation)
    except Exception as error:  # noqa: BLE001  (Prefect's own timeout ends the run as well)
        name = type(error).__name__
        get_run_logger().warning("the approval has no other timeout than Prefect's: %s", name)
        return expires
    return expires + GRACE


async def _keep(client: PrefectClient, automation: AutomationCore) -> None:
    found = await client.read_automations_by_name(automation.name)
    if not found:
        await client.create_automation(automation)
    for one in found:
        if _does(one) != _does(automation):
            await client.update_automation(one.id, automation)


def _does(automation: AutomationCore) -> tuple[object, object]:
    """Return when an automation acts, and what it does; its parts get ids from the server."""
    return automation.trigger.model_dump(exclude={"id"}), automation.actions


def _automation(deployment: str, expires: timedelta) -> AutomationCore:
    words = format_duration(expires)
    refusing: list[ActionTypes] = [
        ChangeFlowRunState(
            state=StateType.FAILED,
            name="Refused",
            message=f"nobody answered the approval within {words}; nothing was changed;"
            " hint: run it again, and look at the plan as it is then",
            force=False,
        )
    ]
    return AutomationCore(
        name=f"rollwright: approvals of deployment {deployment}",
        description=f"Refuses a flow run that waits for an approval for {words}.",
        trigger=EventTrigger(
            after={"prefect.flow-run.Suspended"},
            expect={f"prefect.flow-run.{name}" for name in _NEXT},
            for_each={"prefect.resource.id"},
            # NB: tags that a run gets while it is running are not among what is related.
            match_related=ResourceSpecification({
                "prefect.resource.role": "deployment",
                "prefect.resource.id": f"prefect.deployment.{deployment}",
            }),
            posture=Posture.Proactive,
            threshold=1,
            within=expires,
        ),
        actions=refusing,
    )  # fmt: skip
