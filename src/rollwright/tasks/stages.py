"""Which stage becomes which task.

Before: ``engine.stages`` has the stages as plain functions.
After: ``walk`` calls the tasks exactly as it would call those.

``approve`` is no task: an approval suspends the flow run, which only the flow's body may do.
Stages that read are tried again when their error says so; those that write are not, because the
journal, not Prefect, says what is done.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import ParamSpec, TypeVar

from rollwright.engine import operations
from rollwright.engine.run import Run
from rollwright.engine.site import Site
from rollwright.engine.stages import DIRECT, Stages
from rollwright.rollouts.describe.plans import summary
from rollwright.rollouts.drift.find import Drift
from rollwright.rollouts.plan import Plan, Wave
from rollwright.rollouts.report import Report, StepResult
from rollwright.tasks import endings
from rollwright.tasks.artifact import publish
from rollwright.tasks.plan_artifacts import publish_drift, publish_plan
from rollwright.tasks.stage import Ending, run_stage

P = ParamSpec("P")
T = TypeVar("T")

RETRY_DELAYS = (1.0, 5.0, 15.0)
"""Seconds before each further attempt at a stage that reads."""


def as_tasks(stages: Stages, *, delays: Sequence[float] = RETRY_DELAYS) -> Stages:
    """Return the same stages; each call of one is a task run.

    Args:
        stages: What is run.
        delays: Seconds before each further attempt at a stage that reads.
    """
    return replace(
        stages,
        fetch=_task("fetch", stages.fetch, endings.of_checkout, delays),
        render=_task("render", stages.render, endings.of_wanted, delays),
        load_state=_task("state", stages.load_state, endings.of_state, delays),
        read_live=_task("read", stages.read_live, endings.of_live, delays),
        forecast=_task("forecast", stages.forecast, endings.of_forecast, delays),
        show=_plan_task(stages),
        begin=_task("begin", stages.begin, endings.of_run),
        execute=_wave_task(stages),
        finish=_task("finish", stages.finish, endings.of_finished),
        tell=_feedback_task(stages),
    )


def _task(
    name: str,
    stage: Callable[P, Awaitable[T]],
    ending: Callable[[T], Ending],
    delays: Sequence[float] = (),
) -> Callable[P, Awaitable[T]]:
    async def run(*args: P.args, **kwargs: P.kwargs) -> T:
        return await run_stage(name, partial(stage, *args, **kwargs), ending, delays=delays)

    return run


def _plan_task(stages: Stages) -> Callable[[Site, Plan], Awaitable[None]]:
    async def show(site: Site, plan: Plan) -> None:
        async def shown() -> None:
            await stages.show(site, plan)
            await publish_plan(plan, cluster_of(site, plan))

        await run_stage("plan", shown, lambda _none: Ending(summary(plan)))

    return show


def _wave_task(
    stages: Stages,
) -> Callable[[Site, Run, Wave], Awaitable[tuple[StepResult, ...]]]:
    async def execute(site: Site, run: Run, wave: Wave) -> tuple[StepResult, ...]:
        call = partial(stages.execute, site, run, wave)
        return await run_stage(wave.name, call, endings.of_wave, is_wave=True)

    return execute


def _feedback_task(stages: Stages) -> Callable[[Site, Report], Awaitable[Report]]:
    async def tell(site: Site, report: Report) -> Report:
        async def feedback() -> Report:
            told = await stages.tell(site, report)
            await publish(told, cluster_of(site, told.plan))
            return told

        return await run_stage("feedback", feedback, endings.of_report)

    return tell


def cluster_of(site: Site, plan: Plan) -> str:
    """Return the cluster that a rollout names as its target; empty for the current context."""
    rollout = site.rollout
    if rollout is not None and rollout.spec.name == plan.rollout:
        return rollout.spec.target.cluster
    return plan.cluster if plan.cluster in site.loaded.file.clusters else ""


async def find_drift(site: Site, name: str, cluster: str) -> Drift:
    """Return what differs from the last rollout, found as a task run."""

    async def found() -> Drift:
        drift = await operations.drift(site, name, cluster=cluster)
        await publish_drift(drift, cluster)
        return drift

    return await run_stage("drift", found, endings.of_drift, delays=RETRY_DELAYS)


TASKS = as_tasks(DIRECT)
"""The stages as Prefect tasks."""
