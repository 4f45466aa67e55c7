"""What an interrupted run has done already, and what the next one goes on with.

Before: the journal has the steps that were begun, and those that are done.
After: ``stepping`` passes over what is done; ``engine.beginning`` opens a journal that knows of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rollwright.rollouts.change import Change, Operation, Way
from rollwright.rollouts.plan import Plan, Step
from rollwright.rollouts.state import Journal, RolloutState
from rollwright.rollouts.steps.course import Course
from rollwright.rollouts.steps.memory import SETTLED, settled_digest

UNDO = "/onRollback/"
"""What stands between the name of a group and that of its step for a rollback."""


@dataclass(frozen=True, kw_only=True)
class Resumed:
    """What an interrupted run has done of the same steps, and what the last good run left.

    Attributes:
        run_id: Of the interrupted run; empty if there is none that goes on.
        done: Digests of the steps that it carried out, by their names.
        is_settled: Whether the last run did all of this, and ended well.
    """

    run_id: str = ""
    done: Mapping[str, str] = field(default_factory=dict)
    is_settled: bool = False


def resumed(state: RolloutState | None, course: Course, wanted_digest: str) -> Resumed:
    """Return what earlier runs have done of this course."""
    if state is None:
        return Resumed()
    journal = state.journal
    if journal is None:
        is_known = state.extra.get(SETTLED) == settled_digest(course.digest, wanted_digest)
        return Resumed(is_settled=is_known)
    if journal.digest != wanted_digest or journal.rolled_back_to or had_turned_back(journal):
        return Resumed()
    done = {one.step: one.digest for one in journal.done}
    return Resumed(run_id=journal.goes_on_from or journal.run_id, done=done)


def passed_over(plan: Plan, state: RolloutState | None) -> Plan:
    """Return a plan in which steps that its interrupted run has carried out are done."""
    journal = state.journal if state else None
    if journal is None or not journal.done or journal.plan_id != plan.id:
        return plan
    if had_turned_back(journal):
        return plan
    done = {(one.step, one.digest) for one in journal.done}
    run_id = journal.goes_on_from or journal.run_id

    def passed(step: Step) -> Step:
        if (step.name, step.digest) not in done:
            return step
        changes = tuple(already_done(one, run_id) for one in step.changes)
        return replace(step, done_by=run_id, is_settled=True, changes=changes)

    waves = (replace(wave, steps=tuple(map(passed, wave.steps))) for wave in plan.waves)
    return replace(plan, waves=tuple(waves))


def going_on(state: RolloutState | None, plan: Plan) -> dict[str, Any]:
    """Return what a new journal takes over of that of the run which this one goes on from."""
    journal = state.journal if state else None
    if journal is None:
        return {}
    known = set(_going_on_with(plan, journal))
    if not known:
        return {}
    return {
        "goes_on_from": journal.goes_on_from or journal.run_id,
        "done": tuple(one for one in journal.done if (one.step, one.digest) in known),
        "begun": tuple(one for one in journal.begun if (one.step, one.digest) in known),
    }


def _going_on_with(plan: Plan, journal: Journal) -> Iterator[tuple[str, str]]:
    """Yield names and digests of the steps that a run may have begun for the run of the journal."""
    back = plan.rollback
    is_same = journal.rolled_back_to == (back.revision if back else 0)
    if back is None:
        is_same = is_same and journal.digest == plan.wanted_digest
    if is_same and not had_turned_back(journal):
        yield from ((step.name, step.digest) for step in plan.steps if step.group)
    # NB: of a run that has turned back, a rollback goes on with nothing but that.
    if back is not None and (is_same or had_turned_back(journal)):
        yield from ((step.name, step.digest) for wave in plan.undo for step in wave.steps)


def had_turned_back(journal: Journal) -> bool:
    """Whether a run had failed and begun to undo what it did: then it cannot be gone on with."""
    return not journal.rolled_back_to and any(UNDO in one.step for one in journal.begun)


def already_done(change: Change, run_id: str) -> Change:
    """Keep what the interrupted run has done; the inventory learns nothing new of it."""
    return replace(
        change, operation=Operation.KEEP, why=f"was done by run {run_id}", is_owned=False,
        is_skipped=True, fields=(), conflicts=(), follows="", way=Way.NONE,
    )  # fmt: skip
