"""Carrying out the steps of declared groups: objects, plugins, checks, retries.

Before: the plan's wave says what runs together and what each step waits for.
After: the results go into the report; what must not run twice is in the journal.

Steps that run together all run to their end, whatever becomes of the others (DOC-9). A step that
failed ends its group and the run, unless it says ``continueOnError`` (DOC-10). Only errors that
can pass are tried again; a server's no is final (RT-05).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from rollwright.engine.progress import StepBegan, StepEnded
from rollwright.engine.run import Run
from rollwright.engine.stepping.graphs import by_graph
from rollwright.engine.stepping.hooks import HookAction
from rollwright.engine.stepping.plugins import by_plugin
from rollwright.engine.stepping.step_journal import note_begun, note_done
from rollwright.engine.writing import objects
from rollwright.errors import LockLost
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.plan import Step, Wave
from rollwright.rollouts.report import Outcome, StepResult, is_good
from rollwright.rollouts.steps.carriers import is_noted, is_plugins

FENCED_FOR = timedelta(seconds=1)
"""How long a look at the fence counts inside one group."""


def is_grouped(wave: Wave) -> bool:
    """Whether a wave comes from declared groups."""
    return any(step.group for step in wave.steps)


async def execute_steps(run: Run, wave: Wave) -> tuple[StepResult, ...]:
    """Carry out the steps of a wave, together as far as their ``needs`` allow.

    Raises:
        LockLost: Our lease may be gone, or a later run has raised the fence; everything under
            way has ended.
    """
    await _check_fence(run, wave)
    walk = _Walk(run=run, wave=wave)
    return await walk.carry_out()


async def _check_fence(run: Run, wave: Wave) -> None:
    """Look at the fence before each group, and inside one as time goes by.

    Looking before each of many small steps would cost as much as the steps; that our own lease
    is not over is checked before every write all the same.
    """
    group, now = wave.steps[0].group, run.now()
    if run.fenced is not None and run.fenced[0] == group and now - run.fenced[1] < FENCED_FOR:
        return
    await run.fence.check(wave)
    run.fenced = (group, now)


@dataclass(kw_only=True)
class _Walk:
    """The steps of one wave while they are carried out."""

    run: Run
    wave: Wave
    ready: dict[ObjectRef, asyncio.Future[bool]] = field(default_factory=dict)
    tasks: dict[str, asyncio.Task[StepResult | None]] = field(default_factory=dict)

    async def carry_out(self) -> tuple[StepResult, ...]:
        loop = asyncio.get_running_loop()
        steps = self.wave.steps
        if len(steps) > 1:
            refs = (change.ref for step in steps for change in step.changes)
            self.ready = {ref: loop.create_future() for ref in refs}
        # NB: in the order of the wave, so that a step finds the tasks that it waits for.
        for step in steps:
            self.tasks[step.name] = asyncio.create_task(self._when_ready(step))
        outcomes = await asyncio.gather(*self.tasks.values(), return_exceptions=True)
        errors = [one for one in outcomes if isinstance(one, BaseException)]
        if errors:
            raise next((one for one in errors if isinstance(one, LockLost)), errors[0])
        return tuple(one for one in outcomes if isinstance(one, StepResult))

    async def _when_ready(self, step: Step) -> StepResult | None:
        """Carry a step out after those it needs; ``None`` if one of them forbids it."""
        try:
            for name in step.needs:
                if name in self.tasks and not await self._is_good(name):
                    return None
            return await execute_step(self.run, step, self.ready, self._forgiven(step))
        finally:
            for change in step.changes:
                if (future := self.ready.get(change.ref)) and not future.done():
                    future.set_result(False)

    def _forgiven(self, step: Step) -> frozenset[ObjectRef]:
        """Return the objects of the other steps that may fail: they hold nobody up (DOC-10)."""
        others = (one for one in self.wave.steps if one.continue_on_error and one is not step)
        return frozenset(change.ref for one in others for change in one.changes)

    async def _is_good(self, name: str) -> bool:
        result = await asyncio.shield(self.tasks[name])
        step = next(one for one in self.wave.steps if one.name == name)
        return result is not None and (is_good(result) or step.continue_on_error)


async def execute_step(
    run: Run,
    step: Step,
    ready: dict[ObjectRef, asyncio.Future[bool]] | None = None,
    forgiven: frozenset[ObjectRef] = frozenset(),
) -> StepResult:
    """Carry out one step of a group.

    Args:
        run: The run.
        step: The step.
        ready: Whether dependants of an object may start, of all steps that run together.
        forgiven: Objects that may fail without holding up what needs them.

    Raises:
        LockLost: Our lease may be gone; requests in flight have ended.
    """
    run.tell(StepBegan(step))
    started_at = run.now()
    if run.plan.rollback is None and not step.done_by and _has_undo(run, step):
        await note_begun(run, step)  # so that a rollback after a crash knows of the group
    if step.done_by:
        result = _done_before(step, started_at)
    elif step.hook is not None:
        hook = HookAction(owner=run, by_objects=lambda one: by_graph(run, one, {}, started_at))
        result = await by_plugin(run, step, hook)
    elif is_plugins(step):
        result = await by_plugin(run, step)
    else:
        result = await by_graph(run, step, ready or {}, started_at, forgiven)
    if result.outcome is Outcome.SUCCEEDED and (is_noted(step) or result.is_reported):
        await note_done(run, step, result.message if result.is_reported else "")
    result = replace(result, step=step.name, started_at=started_at, ended_at=run.now())
    run.tell(StepEnded(result))
    return result


def _has_undo(run: Run, step: Step) -> bool:
    """Whether the step is of a group that has steps for a rollback, or is such a step."""
    return any(wave.steps[0].group == step.group for wave in run.plan.undo)


def _done_before(step: Step, now: datetime) -> StepResult:
    changes = (objects.begun(change, now) for change in step.changes)
    return StepResult(
        step=step.name,
        outcome=Outcome.SUCCEEDED,
        changes=tuple(replace(one, message=f"was done by run {step.done_by}") for one in changes),
        message=f"was done by run {step.done_by}",
    )
