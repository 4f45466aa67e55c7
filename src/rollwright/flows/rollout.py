"""One rollout as a flow: the walk with its stages as tasks, and a run name.

Before: a person, a schedule or a webhook started the flow run.
After: the flow run has the state that the report says; its artifact has the report.

Deploy it as ``rollwright.flows.rollout:rollout``. Parameters are names, never manifests.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

from prefect import flow, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.context import FlowRunContext
from prefect.logging import get_run_logger
from prefect.runtime import flow_run as runtime

from rollwright.engine.documents import load_rollout
from rollwright.engine.site import actor_here, open_site
from rollwright.engine.walk import walk
from rollwright.errors import RolloutError
from rollwright.flows.endings import state_of_error, state_of_report
from rollwright.rollouts.report import Report
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.trigger import Trigger
from rollwright.tasks import TASKS
from rollwright.tasks.stage import log_defect


def _run_name() -> str:
    file = str(runtime.parameters.get("file", ""))
    try:
        spec = load_rollout(file).spec
    except RolloutError:
        return f"rollout {file}"
    return f"rollout {spec.name} -> {spec.target.cluster or 'current context'}"


@flow(name="rollout", flow_run_name=_run_name, persist_result=False)
async def rollout(
    file: str, *, allow_prune: bool = False, actor: str = "", revision: str = ""
) -> Report:
    """Bring one declared rollout to one revision.

    Awaiting the flow gives the report of a run that succeeded and raises the error of one that
    did not; with ``return_state=True`` it gives the state.

    Args:
        file: Path of a rollout's document, or of the folder of a ``rollout.yaml``.
        allow_prune: Let the guards on the number of deletes pass.
        actor: Who asked; whoever runs this process if empty.
        revision: The source revision that is asked for; empty for what the source has now.
    """
    # Prefect takes a returned state as that of the run, and gives its data to who awaits.
    return cast(
        "Report", await _ended(file, allow_prune=allow_prune, actor=actor, revision=revision)
    )


async def _ended(file: str, *, allow_prune: bool, actor: str, revision: str) -> State[Report]:
    try:
        loaded = load_rollout(file)
        run = _flow_run()
        await _tag(run, loaded.spec)
        stages = TASKS.allowing_prune() if allow_prune else TASKS
        trigger = _trigger(run, loaded.spec, actor=actor, revision=revision)
        async with open_site(loaded) as site:
            return state_of_report(await walk(loaded.spec, trigger, site, stages))
    except Exception as error:  # noqa: BLE001  (the state has it, and awaiting the flow raises it)
        log_defect(error)
        return state_of_error(error)


def _flow_run() -> FlowRun:
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        raise RuntimeError("a flow's body runs in a flow run")
    return context.flow_run


def _trigger(run: FlowRun, spec: RolloutSpec, *, actor: str, revision: str) -> Trigger:
    """Return the trigger; a retry of the same flow run is the same trigger."""
    return Trigger(
        id=str(run.id),
        kind="schedule" if run.auto_scheduled else "manual",
        rollout=spec.name,
        actor=actor or actor_here(),
        received_at=datetime.now(UTC),
        revision=revision,
    )


async def _tag(run: FlowRun, spec: RolloutSpec) -> None:
    """Tag the flow run with rollout and cluster, so that Prefect's pages can filter by them."""
    tags = {*run.tags, f"rollout:{spec.name}"}
    if spec.target.cluster:
        tags.add(f"cluster:{spec.target.cluster}")
    try:
        async with get_client() as client:
            await client.update_flow_run(run.id, tags=sorted(tags))
    except Exception as error:  # noqa: BLE001  (a label is no reason to stop a rollout)
        get_run_logger().warning("the flow run was not tagged: %s", type(error).__name__)
