"""Carrying out one step: the graph inside it, many requests at a time.

Before: the journal is open and names everything that may be written.
After: the results go into the report and into the inventory.

A change starts as soon as everything it waits for is applied and Current. When one fails, what
depends on it is skipped and nothing new is started; what is under way runs to its own verdict
(OR-90, OR-101). One task per change is only bookkeeping: the cluster port bounds how many
requests are in flight.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from rollwright.engine.progress import Applied, ChangeEnded, StepBegan, StepEnded
from rollwright.engine.run import Run
from rollwright.engine.waiting.waiter import Subject, Waited
from rollwright.engine.writing import objects
from rollwright.errors import LockLost, RolloutError
from rollwright.rollouts.change import Change, Operation
from rollwright.rollouts.health.table import has_behavior
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.plan import Step, Wave
from rollwright.rollouts.premises import is_crd
from rollwright.rollouts.report import ChangeResult, Outcome, StepResult, step_outcome

_GOOD = Outcome.SUCCEEDED


async def execute_wave(run: Run, wave: Wave) -> tuple[StepResult, ...]:
    """Carry out the steps of a wave, one after another as their ``needs`` say.

    Raises:
        LockLost: Our lease may be gone, or a later run has raised the fence.
    """
    await run.fence.check(wave)
    results: list[StepResult] = []
    for step in wave.steps:
        if any(result.outcome is not _GOOD for result in results):
            break
        results.append(await execute_step(run, step))
    return tuple(results)


async def execute_step(run: Run, step: Step) -> StepResult:
    """Carry out one step.

    Raises:
        LockLost: Our lease may be gone; requests in flight have ended.
    """
    run.tell(StepBegan(step))
    started_at = run.now()
    graph = Graph(run=run, step=step)
    changes = await graph.carry_out()
    result = StepResult(
        step=step.name,
        outcome=step_outcome(changes),
        changes=changes,
        started_at=started_at,
        ended_at=run.now(),
    )
    run.tell(StepEnded(result))
    return result


@dataclass(kw_only=True)
class Graph:
    """The changes of one step while they are carried out.

    ``ready`` may hold those of steps that run beside this one.
    """

    run: Run
    step: Step
    ready: dict[ObjectRef, asyncio.Future[bool]] = field(default_factory=dict)
    """Whether dependants may start: true once Current, or once a health rule unblocks them."""
    forgiven: frozenset[ObjectRef] = frozenset()
    """Objects of other steps that may fail without holding up what needs them."""
    gates: dict[str, asyncio.Task[ObjectRef | None]] = field(default_factory=dict)
    has_failed: bool = False
    was_cancelled: bool = False

    @property
    def stop(self) -> asyncio.Event:
        """Set when waiting has no more sense."""
        return self.run.stop

    async def carry_out(self) -> tuple[ChangeResult, ...]:
        """Carry every change out, each after what it waits for."""
        loop = asyncio.get_running_loop()
        for change in self.step.changes:
            self.ready.setdefault(change.ref, loop.create_future())
        self.gates = {
            gate.id: asyncio.create_task(self._first_bad(gate.members)) for gate in self.step.gates
        }
        self.run.observer.expect((one.api_version, one.ref) for one in self.step.changes)
        tasks = [asyncio.create_task(self._carry(change)) for change in self.step.changes]
        try:
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            for gate in self.gates.values():
                gate.cancel()
            await asyncio.gather(*self.gates.values(), return_exceptions=True)
        errors = [one for one in outcomes if isinstance(one, BaseException)]
        if errors:
            raise errors[0]
        return tuple(one for one in outcomes if isinstance(one, ChangeResult))

    async def _carry(self, change: Change) -> ChangeResult:
        result = objects.begun(change, self.run.now())
        try:
            result = await self._when_ready(change, result)
        except LockLost as error:
            self.run.stop.set()
            result = replace(result, outcome=Outcome.CANCELLED, message=error.message)
            raise
        except RolloutError as error:
            result = objects.failed(result, error)
        except BaseException:
            # Whoever waits for this change must not wait for ever.
            result = replace(result, outcome=Outcome.CANCELLED, message="the run broke off")
            raise
        finally:
            result = replace(result, ended_at=self.run.now())
            self.has_failed |= result.outcome in {Outcome.FAILED, Outcome.TIMED_OUT}
            self.was_cancelled |= result.outcome is Outcome.CANCELLED
            _settle(self.ready[change.ref], is_good=result.outcome is _GOOD)
            self.run.tell(ChangeEnded(result))
        return result

    async def _when_ready(self, change: Change, result: ChangeResult) -> ChangeResult:
        cause = await self._blocked_by(change)
        if cause is not None and not self.was_cancelled:
            message = f"because {cause} did not succeed"
            return replace(result, outcome=Outcome.SKIPPED, message=message)
        if self.run.stop.is_set() or self.was_cancelled:
            return replace(result, outcome=Outcome.CANCELLED, message="the run was cancelled")
        if self.has_failed:
            message = "another object failed first"
            return replace(result, outcome=Outcome.NOT_STARTED, message=message)
        return await self.act(change, replace(result, started_at=self.run.now()))

    async def act(self, change: Change, result: ChangeResult) -> ChangeResult:
        """Carry out a change that waits for nothing any more."""
        if change.operation is Operation.PRUNE:
            return await objects.prune(self.run, change, result)
        return await self._apply(change, result)

    async def _blocked_by(self, change: Change) -> ObjectRef | None:
        """Wait for everything the change needs; return what did not succeed."""
        if bad := await self._first_bad(edge.ref for edge in change.needs):
            return bad
        for gate in change.gates:
            if bad := await asyncio.shield(self.gates[gate]):
                return bad
        return None

    async def _first_bad(self, refs: Iterable[ObjectRef]) -> ObjectRef | None:
        bad = None
        for ref in refs:
            is_good = await self.ready[ref] if ref in self.ready else True
            if not is_good and bad is None and ref not in self.forgiven:
                bad = ref
        return bad

    async def _apply(self, change: Change, result: ChangeResult) -> ChangeResult:
        live: LiveObject | None = None
        if change.writes:
            with self.run.observer.writing():
                written = await objects.write(self.run, change)
            if isinstance(written, Waited):
                return objects.ended(result, written)
            live = written
            self.run.tell(Applied(change))
            result = objects.with_facts(result, live)
        else:
            result = objects.kept_facts(result, change)
            if change.is_settled and not _must_soak(self.run, change):
                return result
        return await self.wait(change, result, live)

    def subject(self, change: Change, live: LiveObject | None) -> Subject:
        """Return what a change is waited for with."""
        return Subject(
            ref=change.ref,
            api_version=change.api_version,
            applied_at=self.run.now(),
            manifest=change.wanted,
            live=live,
            is_ours=change.writes or change.is_owned,
            unblock=lambda: _settle(self.ready[change.ref], is_good=True),
        )

    async def wait(
        self, change: Change, result: ChangeResult, live: LiveObject | None
    ) -> ChangeResult:
        """Wait until the object is as it has to be."""
        waited = await self.run.observer.wait(self.subject(change, live), self.stop)
        is_new_kind = change.wanted is not None and is_crd(change.wanted.body)
        if waited.outcome is _GOOD and is_new_kind and change.wanted is not None:
            await self.run.cluster.establish(change.wanted.body)
        if live is not None and waited.live is not None:
            result = objects.with_later_version(result, live, waited.live)
        return objects.ended(result, waited)


def _must_soak(run: Run, change: Change) -> bool:
    """Whether a run that was killed wrote the object, and nobody saw it stay Current since."""
    is_new = change.is_owned and not change.is_remembered and not change.is_skipped
    return is_new and bool(run.spec.health.soak) and has_behavior(*change.ref.group_kind)


def _settle(future: asyncio.Future[bool], *, is_good: bool) -> None:
    if not future.done():
        future.set_result(is_good)
