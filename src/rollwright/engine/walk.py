"""The walk of one run, written once.

The one-off command, Python callers and the Prefect flow all run this function; they differ in
the ``Stages`` they hand in. A dry run is the same walk stopped before ``approve``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass

from rollwright.engine.run import stopping
from rollwright.engine.site import Site
from rollwright.engine.stages import DIRECT, Stages
from rollwright.errors import ClusterError
from rollwright.rollouts.live import LiveSet
from rollwright.rollouts.manifest import ManifestSet
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.planning import candidates, make_plan
from rollwright.rollouts.report import Report, StepResult, conclude, must_stop
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.state import RolloutState
from rollwright.rollouts.trigger import Trigger

_INVALID, _UNREACHABLE = 2, 3
_SERVER_ERRORS = 500


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A plan, and what it was made of."""

    plan: Plan
    wanted: ManifestSet
    live: LiveSet
    state: RolloutState | None


async def prepare(
    spec: RolloutSpec, trigger: Trigger, site: Site, stages: Stages = DIRECT
) -> Prepared:
    """Make the plan of a rollout and change nothing: the walk up to ``approve``.

    Raises:
        RolloutError: Anything that keeps a plan from being made; nothing was changed.
    """
    with _nothing_begun():
        source = await stages.fetch(site, spec, trigger)
        wanted = await stages.render(site, spec, source, trigger)
        state = await stages.load_state(site, spec)
        live = await stages.read_live(site, spec, wanted, state)
        forecast = await stages.forecast(site, spec, candidates(wanted, live, state))
    plan = make_plan(spec, wanted, live, forecast, state)
    await stages.show(site, plan)
    return Prepared(plan=plan, wanted=wanted, live=live, state=state)


async def walk(spec: RolloutSpec, trigger: Trigger, site: Site, stages: Stages = DIRECT) -> Report:
    """Bring one declared rollout to one revision.

    Raises:
        Refused: A guard, an approval, a lock, or a world that moved on; nothing was changed.
        RolloutError: The plan could not be made; nothing was changed.
    """
    prepared = await prepare(spec, trigger, site, stages)
    plan = prepared.plan
    if plan.is_done:
        return await stages.tell(site, conclude(plan, trigger, (), calls=await site.calls(spec)))
    await stages.approve(site, spec, plan)
    return await carry_out(spec, plan, trigger, site, stages)


async def carry_out(
    spec: RolloutSpec, plan: Plan, trigger: Trigger, site: Site, stages: Stages = DIRECT
) -> Report:
    """Carry out a plan that was approved: the walk after ``approve``.

    Raises:
        Refused: Another run holds the lock, or changed the state since the plan was made.
        LockLost: Our lease may be gone; the journal stays open for the next run.
    """
    async with AsyncExitStack() as held:
        with _nothing_begun():
            lock = await held.enter_async_context(site.lock(spec, trigger))
            run = await stages.begin(site, spec, plan, trigger, lock)
        held.push_async_callback(run.observer.close)
        await held.enter_async_context(stopping(run, site.stop, lock.lost))
        results: tuple[StepResult, ...] = ()
        for wave in plan.waves:
            results += await stages.execute(site, run, wave)
            if must_stop(plan, results):
                break
        calls = await site.calls(spec)
        report = conclude(plan, trigger, results, run_id=run.id, calls=calls)
        report = await stages.finish(site, run, report)
    return await stages.tell(site, report)


@contextmanager
def _nothing_begun() -> Iterator[None]:
    """Let refusals of the server say that no run has failed: nothing was begun.

    What it refuses lies in the document or in the rights; what it cannot answer is as if the
    cluster were not there.
    """
    try:
        yield
    except ClusterError as error:
        error.exit_code = _UNREACHABLE if error.status >= _SERVER_ERRORS else _INVALID
        raise
