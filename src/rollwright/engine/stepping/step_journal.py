"""What the journal says of steps: begun, and done for good.

Before: a step that must not run twice begins, or has ended well.
After: a run that goes on from this one passes the step over, or knows since when it runs.

Steps whose repetition does no harm are not written down: applies find themselves done already.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from rollwright.engine.returning.holding import save_unless_written
from rollwright.engine.run import Run
from rollwright.rollouts.plan import Step
from rollwright.rollouts.state import AuditEntry, BegunStep, DoneStep, Journal, RolloutState


async def note_begun(run: Run, step: Step) -> None:
    """Write down that a step begins, unless an interrupted run has begun it before.

    Raises:
        StateConflict: Another run wrote the state although we hold the lock.
    """
    if begun_at(run, step) is None:
        at = run.now()
        begun = BegunStep(step=step.name, digest=step.digest, at=at)
        await _journal(run, lambda journal: replace(journal, begun=(*journal.begun, begun)))


def begun_at(run: Run, step: Step) -> datetime | None:
    """Return when a step began first, as far as the journal knows."""
    journal = run.state.journal
    begun = journal.begun if journal else ()
    times = (one.at for one in begun if (one.step, one.digest) == (step.name, step.digest))
    return next(times, None)


async def note_done(run: Run, step: Step, note: str = "") -> None:
    """Write down that a step is done, before anything else happens.

    Args:
        run: The run.
        step: The step.
        note: What is to be known of its end; empty for nothing.

    Raises:
        StateConflict: Another run wrote the state although we hold the lock.
    """
    done = DoneStep(step=step.name, digest=step.digest, note=note)
    await _journal(run, lambda journal: replace(journal, done=(*journal.done, done)))


async def note_audit(run: Run, entry: AuditEntry) -> None:
    """Write down what somebody did to a step, unless it stands there already.

    Raises:
        StateConflict: Another run wrote the state although we hold the lock.
    """

    def noted(state: RolloutState) -> RolloutState:
        return state if entry in state.audit else state.audited(entry)

    await _save(run, noted)


async def _journal(run: Run, change: Callable[[Journal], Journal]) -> None:
    def noted(state: RolloutState) -> RolloutState:
        journal = state.journal
        return replace(state, journal=change(journal)) if journal else state

    await _save(run, noted)


async def _save(run: Run, change: Callable[[RolloutState], RolloutState]) -> None:
    async with run.saving:
        run.lock.check()
        run.state = await save_unless_written(run, change)
