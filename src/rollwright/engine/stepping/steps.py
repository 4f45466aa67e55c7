"""Carrying out the steps of declared groups: objects, plugins, checks, retries.

Before: the plan's wave says what runs together and what each step waits for.
After: the results go into the report; what must not run twice is in the journal.

Steps that run together all run to their end, whatever becomes of the others (DOC-9). A step that
failed ends its group and the run, unless it says ``continueOnError`` (DOC-10). Only errors that
can pass are tried again; a server's no is final (RT-05).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import orjson

from rollwright.engine.progress import Applied, Note, StepBegan, StepEnded
from rollwright.engine.run import Run
from rollwright.engine.stepping.answers import StepAnswers
from rollwright.engine.stepping.checking import Examination, StepChecks, make_checks
from rollwright.engine.stepping.hooks import HookAction
from rollwright.engine.stepping.step_journal import begun_at, note_begun, note_done
from rollwright.engine.waiting.waiter import Look, Subject
from rollwright.engine.writing import objects
from rollwright.engine.writing.again import Again
from rollwright.engine.writing.execute import Graph
from rollwright.engine.writing.object_actions import delete_object, write_object
from rollwright.errors import LockLost, RolloutError
from rollwright.plugins.contracts import Action, ActionRequest, SqlReport, time_limit
from rollwright.rollouts.health import WaitVerdict
from rollwright.rollouts.hiding import hidden_texts
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.plan import Change, Operation, Step, Wave, Way
from rollwright.rollouts.premises import is_crd
from rollwright.rollouts.report import ChangeResult, Outcome, StepResult, is_good, step_outcome
from rollwright.rollouts.steps.stepping import is_noted, is_plugins

_GOOD = Outcome.SUCCEEDED
_PAUSE = "Pause"
_WAIT = "Wait"
_GRACE = timedelta(seconds=5)
"""How much longer than its time an action may take before it is cut off."""

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
        hook = HookAction(owner=run, by_objects=lambda one: _by_graph(run, one, {}, started_at))
        result = await _by_plugin(run, step, hook)
    elif is_plugins(step):
        result = await _by_plugin(run, step)
    else:
        result = await _by_graph(run, step, ready or {}, started_at, forgiven)
    if result.outcome is _GOOD and (is_noted(step) or result.is_reported):
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
        outcome=_GOOD,
        changes=tuple(replace(one, message=f"was done by run {step.done_by}") for one in changes),
        message=f"was done by run {step.done_by}",
    )


# ------------------------------------------------------------------ objects


async def _by_graph(
    run: Run,
    step: Step,
    ready: dict[ObjectRef, asyncio.Future[bool]],
    started_at: datetime,
    forgiven: frozenset[ObjectRef] = frozenset(),
) -> StepResult:
    deadline = started_at + step.timeout if step.timeout else None
    try:
        checks = make_checks(
            step, _builder(run), limit=run.spec.health.timeout, deadline=deadline,
            report=_reporter(run),
        )  # fmt: skip
    except RolloutError as error:
        return _broken(step, error)
    graph = StepGraph(run=run, step=step, ready=ready, forgiven=forgiven, checks=checks)
    changes = await graph.carry_out()
    if changes and all(one.outcome is Outcome.SKIPPED for one in changes):
        return replace(_idle(step, Outcome.NOT_STARTED, changes[0].message), changes=changes)
    outcome, reported = step_outcome(changes), "; ".join(graph.reported.values())
    message = reported if outcome is _GOOD else ""
    return StepResult(
        step=step.name, outcome=outcome, changes=changes, message=message,
        is_reported=bool(message),
    )  # fmt: skip


def _reporter(run: Run) -> Callable[[SqlReport], Awaitable[None]] | None:
    site = run.site
    if site is None:
        return None

    async def report(told: SqlReport) -> None:
        from rollwright.engine.inputs.databases import execute  # noqa: PLC0415  (few runs need one)

        run.lock.check()
        await execute(site, told.database, told.statement)

    return report


def _builder(run: Run) -> Callable[[str, str, Mapping[str, Any]], Any]:
    site = run.site

    def build(group: str, name: str, options: Mapping[str, Any]) -> Any:
        if site is None:
            raise RolloutError(f"no {group.removesuffix('s')} {name!r}: the run has no site")
        return site.registry.build(group, name, options)

    return build


@dataclass(kw_only=True)
class StepGraph(Graph):
    """The objects of one step: other ways to write them, and checks before they count as done."""

    checks: StepChecks
    broken: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a check failed: nobody goes on waiting."""
    broken_by: str = ""
    reported: dict[ObjectRef, str] = field(default_factory=dict)
    """What was told of objects that had failed, instead of failing (DOC-34)."""

    @property
    def stop(self) -> asyncio.Event:
        """Set when a check failed, or the run stops."""
        return self.broken

    async def carry_out(self) -> tuple[ChangeResult, ...]:
        """Carry the changes out; a stop of the run ends what waits here, too."""
        following = asyncio.create_task(self._follow())
        try:
            return await super().carry_out()
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _follow(self) -> None:
        await self.run.stop.wait()
        self.broken.set()

    async def act(self, change: Change, result: ChangeResult) -> ChangeResult:
        """Carry out a change; try it again after errors that can pass."""
        again = Again(self.run, self.step.retry_count, self.checks.deadline)
        done: ChangeResult = await again.until_done(lambda: self._act_once(change, result))
        return done

    async def _act_once(self, change: Change, result: ChangeResult) -> ChangeResult:
        if self.checks.deadline is not None and self.run.now() >= self.checks.deadline:
            return _late(result, self.step)
        if change.operation is Operation.PRUNE:
            return await delete_object(self.run, change, result, must_wait=self.step.must_wait)
        live: LiveObject | None = None
        if change.writes:
            with self.run.observer.writing():
                written = await write_object(self.run, self.step, change)
            if isinstance(written, LiveObject):
                live = written
                self.run.tell(Applied(change))
                result = objects.with_facts(result, live)
            elif written.outcome is not _GOOD:
                return objects.ended(result, written)
            else:
                result = replace(result, message=written.message)
        else:
            result = objects.kept_facts(result, change)
        return await self._until_good(change, result, live)

    async def _until_good(
        self, change: Change, result: ChangeResult, live: LiveObject | None
    ) -> ChangeResult:
        is_nothing = change.way is Way.DELETE or (change.is_skipped and not self.step.has_checks)
        # NB: objects of a new kind can only be sent once the kind is served.
        is_new_kind = change.wanted is not None and is_crd(change.wanted.body)
        must_wait = self.step.must_wait or self.step.has_checks or is_new_kind
        if is_nothing or not must_wait:
            return result
        if not change.writes and change.is_settled and not self.step.has_checks:
            return result
        result = await self.wait(change, result, live)
        if told := self.reported.get(change.ref):
            return replace(result, message=told)
        if result.outcome is Outcome.CANCELLED and self.broken_by and not self.run.stop.is_set():
            message = f"because a check of {self.broken_by} failed"
            return replace(result, outcome=Outcome.SKIPPED, message=message)
        return result

    def subject(self, change: Change, live: LiveObject | None) -> Subject:
        """Return what a change is waited for with, under the checks of the step."""
        subject = super().subject(change, live)
        is_made = self.step.action != _WAIT
        if is_made and not self.step.has_checks and self.checks.deadline is None:
            return subject
        exam = Examination(checks=self.checks, started_at=subject.applied_at, must_be_there=is_made)

        async def look(seen: Look) -> WaitVerdict:
            verdict = await exam.look(seen)
            if exam.reported:
                self.reported[change.ref] = exam.reported
            if exam.has_failed and not self.broken.is_set():
                self.broken_by = str(change.ref)
                self.broken.set()
            return verdict

        # NB: successors wait for the checks, too: health alone unblocks nobody here.
        return replace(subject, look=look, unblock=lambda: None)


def _late(result: ChangeResult, step: Step) -> ChangeResult:
    seconds = step.timeout.total_seconds() if step.timeout else 0
    message = f"step {step.name!r} took longer than {seconds:g} s"
    return replace(result, outcome=Outcome.TIMED_OUT, message=message)


# ------------------------------------------------------------------ plugins


async def _by_plugin(run: Run, step: Step, action: Action | None = None) -> StepResult:
    """Let a plugin carry the step out, in its time; the one that the step names by default."""
    try:
        options = orjson.loads(step.plugin.options) if step.plugin and step.plugin.options else {}
        mine: Action = action or _builder(run)("actions", step.action, options)
    except RolloutError as error:
        return _broken(step, error)
    if run.stop.is_set():
        return _idle(step, Outcome.CANCELLED, "the run was cancelled")
    limit = step.timeout or time_limit(mine, run.spec.health.timeout)
    await note_begun(run, step)
    request = _request(run, step, limit)
    again = Again(run, step.retry_count, _ends(run.now(), limit))
    try:
        result: StepResult = await again.until_done(
            lambda: _in_time(_acting(run, mine, request), limit)
        )
    except TimeoutError:
        return _idle(step, Outcome.TIMED_OUT, f"not within {limit.total_seconds():g} s")
    except LockLost:
        run.stop.set()
        raise
    except RolloutError as error:
        return _broken(step, error)
    except Exception as error:  # noqa: BLE001  (whatever a plugin does, the run has a report)
        # NB: its words may hold anything, values of Secrets too.
        return _idle(step, Outcome.FAILED, f"action {step.action} broke: {type(error).__name__}")
    return result


async def _acting(run: Run, action: Action, request: ActionRequest) -> StepResult:
    """Let a plugin act; while it only lets time pass, a newer run may cancel this one (TR-10)."""
    is_pause = request.step.action == _PAUSE
    run.pausing += is_pause
    run.acting += not is_pause
    try:
        return await action.run(request)
    finally:
        run.pausing -= is_pause
        run.acting -= not is_pause


def _ends(now: datetime, limit: timedelta) -> datetime | None:
    try:
        return now + limit
    except OverflowError:
        return None  # as long as it likes


async def _in_time(running: Awaitable[StepResult], limit: timedelta) -> StepResult:
    seconds = min((limit + _GRACE).total_seconds() if limit < timedelta.max - _GRACE else 0, 1e9)
    async with asyncio.timeout(seconds or None):
        return await running


def _request(run: Run, step: Step, limit: timedelta) -> ActionRequest:
    site = run.site
    manifests = tuple(change.wanted for change in step.changes if change.wanted)
    every = (change.wanted for change in run.plan.changes if change.wanted)

    def must_stop() -> bool:
        if not run.stop.is_set():
            run.lock.check()
        return run.stop.is_set()

    return ActionRequest(
        step=step,
        cluster=run.cluster,
        rollout=run.spec.name,
        run_id=run.goes_on_from or run.id,
        manifests=manifests,
        must_stop=must_stop,
        tell=lambda line: run.tell(Note(f"{step.name}: {line}")),
        timeout=limit,
        begun_at=begun_at(run, step),
        ask=site.ask if site else None,
        answers=StepAnswers(owner=run, site=site, step=step) if site else None,
        hidden=hidden_texts(one.body for one in every),
        site=site.loaded.root if site else None,
        commands=site.loaded.file.plugins.commands if site else (),
    )


def _broken(step: Step, error: RolloutError) -> StepResult:
    """Return the result of a step that could not be carried out at all."""
    return _idle(step, Outcome.FAILED, error.message, error.hint or "")


def _idle(step: Step, outcome: Outcome, message: str, hint: str = "") -> StepResult:
    return StepResult(step=step.name, outcome=outcome, message=message, hint=hint)
