"""A step whose objects we write ourselves, each under the checks of the step.

Before: ``steps`` starts the step when those that it needs have ended.
After: the dependency graph of its objects is carried out; the checks decide when one is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from rollwright.engine.progress import Applied
from rollwright.engine.run import Run
from rollwright.engine.stepping.checking import Examination, StepChecks, make_checks
from rollwright.engine.stepping.endings import broken, idle
from rollwright.engine.stepping.plugins import builder
from rollwright.engine.waiting.waiter import Look, Subject
from rollwright.engine.writing import objects
from rollwright.engine.writing.again import Again
from rollwright.engine.writing.execute import Graph
from rollwright.engine.writing.object_actions import delete_object, write_object
from rollwright.errors import RolloutError
from rollwright.plugins.contracts import SqlReport
from rollwright.rollouts.change import Change, Operation, Way
from rollwright.rollouts.health import WaitVerdict
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.plan import Step
from rollwright.rollouts.premises import is_crd
from rollwright.rollouts.report import ChangeResult, Outcome, StepResult, step_outcome

_WAIT = "Wait"


async def by_graph(
    run: Run,
    step: Step,
    ready: dict[ObjectRef, asyncio.Future[bool]],
    started_at: datetime,
    forgiven: frozenset[ObjectRef] = frozenset(),
) -> StepResult:
    """Carry out the objects of a step, ordered by what they need.

    Args:
        run: The run.
        step: The step.
        ready: Whether dependants of an object may start, of all steps that run together.
        started_at: When the step began.
        forgiven: Objects that may fail without holding up what needs them.
    """
    deadline = started_at + step.timeout if step.timeout else None
    try:
        checks = make_checks(
            step, builder(run), limit=run.spec.health.timeout, deadline=deadline,
            report=_reporter(run),
        )  # fmt: skip
    except RolloutError as error:
        return broken(step, error)
    graph = StepGraph(run=run, step=step, ready=ready, forgiven=forgiven, checks=checks)
    changes = await graph.carry_out()
    if changes and all(one.outcome is Outcome.SKIPPED for one in changes):
        return replace(idle(step, Outcome.NOT_STARTED, changes[0].message), changes=changes)
    outcome, reported = step_outcome(changes), "; ".join(graph.reported.values())
    message = reported if outcome is Outcome.SUCCEEDED else ""
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
            elif written.outcome is not Outcome.SUCCEEDED:
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
