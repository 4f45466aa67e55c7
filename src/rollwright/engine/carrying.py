"""A plan carried out under a lock that is held: begin, waves, finish.

Before: ``walk`` has the lock. After: the report is told, or the run is rolled back first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial

from rollwright.engine.hooks import remove_left, run_failure_hooks
from rollwright.engine.lock_audit import takeover_kept
from rollwright.engine.run import stopping, stopping_in_time
from rollwright.engine.site import Site
from rollwright.engine.stages import Stages
from rollwright.engine.undoing import undo
from rollwright.errors import ClusterError
from rollwright.plugins.contracts import Lock
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.report import Report, StepResult, conclude, must_stop, overdue
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
    async with takeover_kept(site, spec, lock, actor=trigger.actor):
        with nothing_begun():
            run = await stages.begin(site, spec, plan, trigger, lock)
    async with AsyncExitStack() as held:
        held.push_async_callback(run.observer.close)
        await held.enter_async_context(stopping(run, site.stop, lock.lost))
        await held.enter_async_context(stopping_in_time(run, spec.timeout))
        results: tuple[StepResult, ...] = ()
        for wave in plan.waves:
            results += await stages.execute(site, run, wave)
            if must_stop(plan, results):
                break
        results += await run_failure_hooks(run, results, partial(stages.execute, site, run))
        results += await undo(run, results)
        results += await remove_left(run, results)
        calls = await site.calls(spec)
        report = conclude(plan, trigger, results, run_id=run.id, calls=calls)
        if run.is_overdue and spec.timeout is not None:
            report = overdue(report, spec.timeout)
        return await stages.finish(site, run, report)


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
