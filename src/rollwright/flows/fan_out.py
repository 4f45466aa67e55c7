"""One rollout to many clusters as a flow: a child flow run for each.

Before: somebody named clusters of site.toml, or labels of them.
After: the flow run ends as the fan-out did; each cluster's run has a page of its own.

A child flow run per cluster, not a task: a cluster's run has waves, artifacts, a state and a
cancel of its own, and its own bound of a hundred task runs. Prefect counts each as a task run of
the parent, so beyond ``MAX_CHILDREN`` clusters go without a page.

Deploy it as ``rollwright.flows.fan_out:fan_out``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

from prefect import flow
from prefect.client.schemas.objects import State, StateType
from prefect.runtime import flow_run as runtime
from prefect.utilities.urls import url_for

from rollwright.engine.documents import LoadedRollout, load_rollout
from rollwright.engine.fan_out import (
    choose_targets,
    failure_of,
    make_pace,
    result_of,
    run_here,
)
from rollwright.engine.fan_out import fan_out as go_through
from rollwright.engine.site import Site
from rollwright.engine.stages import DIRECT
from rollwright.errors import RolloutError
from rollwright.flows.endings import state_of_fleet
from rollwright.flows.flow_runs import Asked, trigger_of
from rollwright.flows.rollout import rollout
from rollwright.flows.stopping import until_stopped
from rollwright.flows.working import ended, opened
from rollwright.rollouts.fleet import TargetStatus
from rollwright.rollouts.fleet_report import FleetReport, TargetResult
from rollwright.rollouts.report import Report
from rollwright.rollouts.trigger import Trigger
from rollwright.tasks import publish_fleet

MAX_CHILDREN = 90
"""Clusters that get a flow run of their own."""


def _run_name() -> str:
    file = str(runtime.parameters.get("file") or "")
    try:
        return f"fan out {load_rollout(file).spec.name}"
    except RolloutError:
        return f"fan out {file}"


@flow(name="fan-out", flow_run_name=_run_name, persist_result=False)
async def fan_out(  # noqa: PLR0913  (the form that a person fills in to start a run)
    file: str,
    *,
    clusters: list[str] | None = None,
    selector: dict[str, str] | None = None,
    serial: list[int | str] | None = None,
    max_failures: int | str = 0,
    min_success: int | str = 0,
    soak: str = "0s",
    max_concurrency: int | str = "100%",
    revision: str = "",
    actor: str = "",
    allow_prune: bool = False,
) -> FleetReport:
    """Carry one rollout out in many clusters, batch by batch.

    Args:
        file: Path of a rollout's document, or of the folder of a ``rollout.yaml``.
        clusters: Clusters of site.toml, in the order they are to be dealt with.
        selector: Labels of further clusters.
        serial: Sizes of the batches, such as ``[1, "10%", "50%"]``; the last one repeats.
        max_failures: Failures that are tolerated: a number or per cent.
        min_success: How many of a batch must succeed: a number or per cent.
        soak: How long a cluster must stay good before it counts, such as ``10m``.
        max_concurrency: Clusters in work at the same time.
        revision: The source revision that is asked for; empty for what the source has now.
        actor: Who asked; whoever runs this process if empty.
        allow_prune: Let the guards on the number of deletes pass.
    """

    async def body() -> State[FleetReport]:
        pace = make_pace(
            serial=serial or (),
            max_failures=max_failures,
            min_success=min_success,
            soak=soak,
            max_concurrency=max_concurrency,
        )
        async with opened(file) as (loaded, site):
            targets = choose_targets(site, clusters or (), selector)
            asked = _Child(file, {"allow_prune": allow_prune, "actor": actor, "revision": revision})
            run = partial(_run, site, asked, frozenset(targets[:MAX_CHILDREN]))
            report = await until_stopped(site, go_through(site, loaded, targets, pace, run=run))
        await publish_fleet(report)
        return state_of_fleet(report)

    return cast("FleetReport", await ended(file, body))


@dataclass(frozen=True)
class _Child:
    """How the child flow runs are called."""

    file: str
    options: Mapping[str, Any]


async def _run(
    site: Site, child: _Child, with_page: frozenset[str], there: LoadedRollout
) -> TargetResult:
    """Carry the rollout out in one cluster."""
    cluster = there.spec.target.cluster
    if cluster not in with_page:
        stages = DIRECT.allowing_prune() if child.options["allow_prune"] else DIRECT
        return await run_here(site, there, stages=stages, trigger=_trigger(there, child))
    # Prefect's types do not know that an async flow gives its state when asked to.
    call = cast("Callable[..., Awaitable[State[Report]]]", rollout)
    state = await call(child.file, cluster=cluster, return_state=True, **child.options)
    return await _result(cluster, state)


def _trigger(there: LoadedRollout, child: _Child) -> Trigger:
    asked = Asked(actor=child.options["actor"], revision=child.options["revision"])
    return trigger_of(there.spec, asked)


async def _result(cluster: str, state: State[Report]) -> TargetResult:
    details = state.state_details
    url = url_for("flow-run", obj_id=details.flow_run_id) if details.flow_run_id else None
    if state.type is StateType.COMPLETED:
        return replace(result_of(cluster, await state.aresult()), url=url or "")
    if state.type is StateType.FAILED:
        error: Any = await state.aresult(raise_on_failure=False)
        if isinstance(error, Exception):
            return replace(failure_of(cluster, error), url=url or "")
    words = state.message or f"its flow run ended as {state.name}"
    return TargetResult(
        cluster=cluster, batch=0, status=TargetStatus.FAILED, message=words, exit_code=1,
        url=url or "",
    )  # fmt: skip
