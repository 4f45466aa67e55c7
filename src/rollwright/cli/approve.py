"""``rollwright approve`` and ``reject``: a person's word to what waits for it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from rollwright.cli.options import COMMON, Common
from rollwright.cli.output import printable, say
from rollwright.errors import RolloutError, Unreachable
from rollwright.rollouts.approving import Verdict

if TYPE_CHECKING:
    from rollwright.engine.approval.answering import Wait
    from rollwright.engine.site import Site


def approve(
    run: Annotated[str, Parameter(name="RUN")],
    /,
    *,
    reason: str = "",
    step: str = "",
    common: Common = COMMON,
) -> None:
    """Let what waits for a person go on: a plan, a flow run or a step.

    An approval is for exactly one plan. If the plan is another one by the time it is carried
    out, it is asked for again.

    Parameters
    ----------
    run
        A rollout or its file, the id or name of a flow run, a run, or the id of a plan.
    reason
        Why; it is kept with the decision.
    step
        The step, where several of a run wait.
    """
    asyncio.run(_answer(run, Verdict.APPROVED, reason, step, common))


def reject(
    run: Annotated[str, Parameter(name="RUN")],
    /,
    *,
    reason: str = "",
    step: str = "",
    common: Common = COMMON,
) -> None:
    """Refuse what waits for a person: a plan, a flow run or a step.

    Parameters
    ----------
    run
        A rollout or its file, the id or name of a flow run, a run, or the id of a plan.
    reason
        Why; whoever is refused reads it.
    step
        The step, where several of a run wait.
    """
    asyncio.run(_answer(run, Verdict.REJECTED, reason, step, common))


async def _answer(run: str, verdict: Verdict, reason: str, step: str, common: Common) -> None:
    from rollwright.cli.session import named
    from rollwright.engine.approval.answering import answer, the_one
    from rollwright.engine.operations import named_spec
    from rollwright.engine.site import actor_here

    async with named(run, common) as (site, rollout, cluster):
        suspended = await _suspended(rollout, cluster)
        noted = await _noted(site, rollout, cluster, may_fail=bool(suspended))
        runs = {one.run for one in suspended}
        waits = [*suspended, *(one for one in noted if one.run not in runs)]
        waits = [one for one in waits if not step or step in {one.step, _short(one.step)}]
        wait, actor = the_one(waits, run), actor_here()
        if wait in suspended:
            from rollwright.flows.suspended import answer_run

            told = await answer_run(wait, verdict, actor=actor, reason=reason)
        else:
            spec = named_spec(wait.rollout, cluster)
            told = await answer(site, spec, wait, verdict, actor=actor, reason=reason)
    sys.stdout.write(printable(f"{told}\n"))


def _short(step: str) -> str:
    return step.rpartition("/")[2]


async def _suspended(name: str, cluster: str) -> Sequence[Wait]:
    """Return the flow runs that wait; without a Prefect server there are none."""
    from rollwright.flows.connection import server_url

    if not server_url():
        return ()
    from rollwright.flows.suspended import suspended_runs

    try:
        return await suspended_runs(name, cluster=cluster)
    except Unreachable as error:
        say(f"Warning: {error.message}; only what is noted beside the state is looked at")
        return ()


async def _noted(site: Site, name: str, cluster: str, *, may_fail: bool) -> Sequence[Wait]:
    """Return what waits beside the state; whoever answers a flow run may not reach the store."""
    from rollwright.engine.approval.answering import find_waits

    try:
        return await find_waits(site, name, cluster=cluster)
    except RolloutError:
        if may_fail:
            return ()
        raise
