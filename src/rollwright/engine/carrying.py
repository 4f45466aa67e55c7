"""A plan carried out under a lock that is held: begin, waves, finish.

Before: ``walk`` has the lock. After: the report is told, or the run is rolled back first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial

from rollwright.engine.custody.desired import giving_way
from rollwright.engine.custody.lock_audit import takeover_kept
from rollwright.engine.returning.undoing import undo, undo_first
from rollwright.engine.run import stopping, stopping_in_time
from rollwright.engine.site import Site
from rollwright.engine.stages import Stages
from rollwright.engine.stepping.hooks import remove_left, run_failure_hooks
from rollwright.errors import ClusterError
from rollwright.plugins.contracts import Lock
from rollwright.rollouts.concluding import cancelled, conclude, overdue, superseded
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.report import Outcome, Report, StepResult, must_stop
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.trigger import Trigger

_INVALID, _UNREACHABLE = 2, 3
_SERVER_ERRORS = 500


async def carry_out_locked(
    spec: RolloutSpec, plan: Plan, trigger: Trigger, site: Site, stages: Stages, lock: Lock
) -> Report:
    """Carry out a plan under a lock, and return what became of it; nobody is told yet.

    Raises:
        Refused: The state changed since the plan was made, or a hold forbids it.
        LockLost: Our lease may be gone; the journal stays open for the next run.
    """
    async with takeover_kept(site.store, spec, lock, actor=trigger.actor):
        with nothing_begun():
            run = await stages.begin(site, spec, plan, trigger, lock)
    async with AsyncExitStack() as held:
        held.push_async_callback(run.observer.close)
        await held.enter_async_context(stopping(run, site.stop, lock.lost))
        await held.enter_async_context(stopping_in_time(run, spec.timeout))
        await held.enter_async_context(giving_way(run, site, trigger))
        results: tuple[StepResult, ...] = ()
        undone = await undo_first(run)
        for wave in run.plan.waves if all(map(_may_go_on, undone)) else ():
            results += await stages.execute(site, run, wave)
            if must_stop(plan, results):
                break
        results += await run_failure_hooks(run, results, partial(stages.execute, site, run))
        results = (*undone, *results)
        results += await undo(run, results)
        results += await remove_left(run, results)
        calls = await site.calls(spec)
        report = conclude(plan, trigger, results, run_id=run.id, calls=calls)
        report = cancelled(report, site.stop.by)
        if run.is_overdue and spec.timeout is not None:
            report = overdue(report, spec.timeout)
        if run.newer is not None:
            report = superseded(report, str(run.newer))
        return await stages.finish(site, run, report)


def _may_go_on(result: StepResult) -> bool:
    """Whether objects go back after a step that undoes: unless a person cancels, they do."""
    return result.outcome is not Outcome.CANCELLED


@contextmanager
def nothing_begun() -> Iterator[None]:
    """Let refusals of the server say that no run has failed: nothing was begun.

    What it refuses lies in the document or in the rights; what it cannot answer is as if the
    cluster were not there.
    """
    try:
        yield
    except ClusterError as error:
        error.exit_code = _UNREACHABLE if error.status >= _SERVER_ERRORS else _INVALID
        raise
