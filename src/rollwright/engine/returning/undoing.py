"""Steps that run because a rollout goes back: ``onRollback`` of its groups.

Before: a step failed, and the rollout asks to be rolled back; or a rollback begins.
After: the objects go back to a former revision, as ``rollback`` plans it.

After a failure they run inside the failed run, under its journal. A rollback that somebody asks
for, or that follows a run that was killed, runs those of the set that it leaves before anything
else. Last group first; only groups that had begun count. One that fails is reported, and the
objects go back all the same. What they meet is not what was live when the plan was made, so their
objects are looked at again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from rollwright.engine.progress import Note
from rollwright.engine.run import Run
from rollwright.engine.stepping.steps import execute_step
from rollwright.errors import LockLost, RolloutError
from rollwright.plugins.contracts import GetRequest
from rollwright.rollouts.change import Change, Operation
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.plan import Plan, Step, Wave
from rollwright.rollouts.report import Outcome, StepResult, is_good
from rollwright.rollouts.saved.saved_plan import map_changes
from rollwright.rollouts.spec import OnFailure
from rollwright.rollouts.steps.carriers import is_plugins
from rollwright.rollouts.steps.late import decide_again, decide_late

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
    return await _undo_groups(run, groups)


async def undo_first(run: Run) -> tuple[StepResult, ...]:
    """Run the steps of the set that a rollback leaves, before anything else of the rollback.

    Raises:
        LockLost: Our lease may be gone.
    """
    if run.plan.rollback is None or not run.plan.undo:
        return ()
    done = await _undo_groups(run, {wave.steps[0].group for wave in run.plan.undo})
    touched = {
        change.ref
        for result in done
        for change in result.changes
        if change.operation is not Operation.KEEP
    }
    if touched:
        run.plan = await _as_they_are(run, run.plan, touched)
    return done


async def _undo_groups(run: Run, groups: Collection[str]) -> tuple[StepResult, ...]:
    done: list[StepResult] = []
    for wave in reversed(run.plan.undo):
        if wave.steps[0].group in groups and not run.stop.is_set():
            run.tell(Note(f"going back through group {wave.steps[0].group!r}"))
            done += await _undo_group(run, wave)
    return tuple(done)


async def _as_they_are(run: Run, plan: Plan, touched: Collection[ObjectRef]) -> Plan:
    """Return the plan of a rollback after its first steps: what they changed is written again."""
    found = {
        change.ref: await _found(run, change) for change in plan.changes if change.ref in touched
    }
    return map_changes(
        plan, lambda one: decide_again(one, found[one.ref]) if one.ref in found else one
    )


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
    if is_plugins(step) or step.done_by:
        return step
    changes = [await _decided(run, step, change) for change in step.changes]
    return replace(step, changes=tuple(changes))


async def _decided(run: Run, step: Step, change: Change) -> Change:
    return decide_late(step, change, await _found(run, change))


async def _found(run: Run, change: Change) -> LiveObject | None:
    found = await run.cluster.get(GetRequest(ref=change.ref, api_version=change.api_version))
    return found.keyed(run.salt) if found else None
