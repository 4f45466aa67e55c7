"""Flow runs that are suspended for an approval: found by what a person calls them, and answered.

Before: ``flows.approval`` suspended a run. After: Prefect starts it again with the answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC
from uuid import UUID

import httpx
from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import SetStateStatus

from rollwright.engine.approval.answering import SHORTEST, Wait
from rollwright.errors import Refused, Unreachable, excerpt
from rollwright.flows.approval import KEY, NAME_LENGTH, REASON_LENGTH
from rollwright.rollouts.approving import Verdict, brief

PAGE = 200
"""Runs that Prefect gives at once."""

_TAG = "rollout:"


async def suspended_runs(name: str = "", *, cluster: str = "") -> tuple[Wait, ...]:
    """Return the flow runs that wait for an approval under a name.

    Args:
        name: Of a rollout or a flow run, or id of a flow run or a plan, or how it begins; empty
            for all.
        cluster: Only those of this cluster; empty for every one.

    Raises:
        Unreachable: The Prefect server does not answer.
    """
    async with _connected() as client:
        runs = await _paused(client)
    return tuple(
        _wait(run)
        for run in runs
        if _plan_of(run) and _is_called(run, name) and _is_on(run, cluster)
    )


async def _paused(client: PrefectClient) -> list[FlowRun]:
    paused = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED]))
    )
    found: list[FlowRun] = []
    while True:
        page = await client.read_flow_runs(flow_run_filter=paused, limit=PAGE, offset=len(found))
        found += page
        if len(page) < PAGE:
            return found


def _plan_of(run: FlowRun) -> str:
    """Return the plan that a run waits with; empty if it waits for something else."""
    key = (run.state.state_details.pause_key or "") if run.state else ""
    match = KEY.fullmatch(key)
    return match[2] if match else ""


def _is_called(run: FlowRun, name: str) -> bool:
    if not name or name in {run.name, str(run.id), *_after(_TAG, run.tags)}:
        return True
    start = name.removeprefix("sha256:")
    ids = (str(run.id), _plan_of(run))
    return len(start) >= SHORTEST and any(one.startswith(start) for one in ids)


def _is_on(run: FlowRun, cluster: str) -> bool:
    clusters = list(_after("cluster:", run.tags))
    return not cluster or not clusters or cluster in clusters


def _after(prefix: str, tags: Iterable[str]) -> Iterable[str]:
    return (tag.removeprefix(prefix) for tag in tags if tag.startswith(prefix))


def _wait(run: FlowRun) -> Wait:
    plan = _plan_of(run)
    rollout = next(iter(_after(_TAG, run.tags)), run.name)
    since = run.state.timestamp if run.state else run.created
    assert since is not None  # noqa: S101  (a paused run has a state)
    return Wait(
        rollout=rollout,
        name=str(run.id),
        words=f"flow run {run.name!r} with plan {brief(plan)}",
        since_at=since.astimezone(UTC),
        plan_id=plan,
        run=str(run.id),
    )


async def answer_run(wait: Wait, verdict: Verdict, *, actor: str, reason: str = "") -> str:
    """Resume a flow run with a person's answer; return a sentence that says so.

    Raises:
        Refused: It does not wait any more, or Prefect does not take the answer.
        Unreachable: The Prefect server does not answer.
    """
    form = {
        "approve": verdict is Verdict.APPROVED,
        "name": actor[:NAME_LENGTH],
        "reason": excerpt(reason, REASON_LENGTH),
    }
    async with _connected() as client:
        answer = await client.resume_flow_run(UUID(wait.run), run_input=form)
    # NB: a refusal comes with a status of success, too.
    if answer.status is not SetStateStatus.ACCEPT:
        why = getattr(answer.details, "reason", "") or answer.status.value
        raise Refused(
            f"{wait.rollout}: flow run {wait.run} was not resumed: {why}",
            hint="look at its page in Prefect; somebody may have answered, or it took too long",
        )
    return f"{wait.rollout}: plan {brief(wait.plan_id)} is {verdict}; {wait.words} is resumed"


@asynccontextmanager
async def _connected() -> AsyncIterator[PrefectClient]:
    try:
        async with get_client() as client:
            yield client
    except (httpx.HTTPError, OSError) as error:
        raise Unreachable(
            f"the Prefect server does not answer: {type(error).__name__}",
            hint="PREFECT_API_URL says where it is",
        ) from error
    except RuntimeError as error:
        raise Unreachable(f"the Prefect server does not answer: {excerpt(str(error))}") from error
