"""Steps that run because a rollout goes back: ``onRollback`` of its groups.

Before: a step failed, and the rollout asks to be rolled back.
After: the objects go back to the last good revision, as ``rollback`` plans it.

They run inside the failed run, under its journal, last group first; only groups that had begun
count. One that fails is reported and changes nothing more. What they meet is not what was live
when the plan was made, so their objects are looked at again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rollwright.engine.progress import Note
from rollwright.engine.run import Run
from rollwright.engine.steps import execute_step
from rollwright.errors import LockLost, RolloutError
from rollwright.plugins.contracts import GetRequest
from rollwright.rollouts.plan import Change, Step, Wave
from rollwright.rollouts.report import Outcome, StepResult, is_good
from rollwright.rollouts.spec import OnFailure
from rollwright.rollouts.steps.late import decide_late
from rollwright.rollouts.steps.stepping import is_plugins

_BAD = frozenset({Outcome.FAILED, Outcome.TIMED_OUT})


def must_undo(run: Run, results: Sequence[StepResult]) -> bool:
    """Whether steps for a rollback are to run: the run failed, and is to be rolled back."""
    is_asked = run.spec.on_failure is OnFailure.ROLLBACK and run.plan.rollback is None
    forgiven = {step.name for step in run.plan.steps if step.continue_on_error}
    has_failed = any(one.outcome in _BAD and one.step not in forgiven for one in results)
    return bool(run.plan.undo) and is_asked and (has_failed or run.is_overdue)


async def undo(run: Run, results: Sequence[StepResult]) -> tuple[StepResult, ...]:
    """Run the steps for a rollback of every group that had begun, the last one first.

    Raises:
        LockLost: Our lease may be gone.
    """
    if not must_undo(run, results):
        return ()
    if run.is_overdue and not run.lock.lost.is_set():
        run.stop.clear()  # the time is over for going forward only
    begun = {one.step for one in results if one.outcome is not Outcome.NOT_STARTED}
    groups = {step.group for step in run.plan.steps if step.name in begun}
    done: list[StepResult] = []
    for wave in reversed(run.plan.undo):
        if wave.steps[0].group in groups and not run.stop.is_set():
            run.tell(Note(f"going back through group {wave.steps[0].group!r}"))
            done += await _undo_group(run, wave)
    return tuple(done)


async def _undo_group(run: Run, wave: Wave) -> list[StepResult]:
    done: list[StepResult] = []
    for step in wave.steps:
        try:
            result = await execute_step(run, await _as_it_is(run, step))
        except LockLost:
            raise
        except RolloutError as error:
            result = StepResult(step=step.name, outcome=Outcome.FAILED, message=error.message)
        done.append(result)
        if not is_good(result) and not step.continue_on_error:
            break
    return done


async def _as_it_is(run: Run, step: Step) -> Step:
    """Return the step with what becomes of its objects as they are now."""
    if is_plugins(step):
        return step
    changes = [await _decided(run, step, change) for change in step.changes]
    return replace(step, changes=tuple(changes))


async def _decided(run: Run, step: Step, change: Change) -> Change:
    found = await run.cluster.get(GetRequest(ref=change.ref, api_version=change.api_version))
    return decide_late(step, change, found.keyed(run.salt) if found else None)
