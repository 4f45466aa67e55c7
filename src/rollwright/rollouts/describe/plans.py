"""Plans in words, for terminals, logs and artifacts: what sums one up, then wave by wave.

Before: ``planning`` made a plan; ``changes`` has the words for one object.
After: ``cli`` colors the lines; a Prefect artifact and a log take them as they are.

Values of Secrets are not here: ``diff`` already replaced them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from rollwright.rollouts.blast import DATA_LOST, summed_up
from rollwright.rollouts.change import Operation, Prediction
from rollwright.rollouts.describe.changes import change_lines
from rollwright.rollouts.describe.lines import Line, Tone, short
from rollwright.rollouts.describe.steps import failure_lines, step_lines, undo_lines
from rollwright.rollouts.plan import STAYS, Guard, Plan, Wave
from rollwright.rollouts.steps.carriers import actions_to_run

NOTES_REPEATED = 2
"""At so many objects a note is repeated; at more it is told once."""


_VERBS = {
    Operation.CREATE: "to create",
    Operation.UPDATE: "to update",
    Operation.ADOPT: "to adopt",
    Operation.REPLACE: "to replace",
    Operation.PRUNE: "to delete",
}


def describe_plan(plan: Plan) -> tuple[Line, ...]:
    """Return a plan for people: what sums it up first, then wave by wave."""
    return tuple(_plan_lines(plan))


def _plan_lines(plan: Plan) -> Iterator[Line]:
    where = f" on {plan.cluster}" if plan.cluster else ""
    yield Line(f"plan for {plan.rollout}{where}{back(plan)}: {summary(plan)}", Tone.TITLE)
    yield Line(f"source {short(plan.source)}   plan {short(plan.id)}", Tone.QUIET, 1)
    yield from _risk_lines(plan)
    for guard in plan.guards:
        if guard.is_breached or (guard.limit == STAYS and guard.message):
            yield _guard_line(guard)
    common = _common_notes(plan)
    if plan.rollback:
        yield from undo_lines(plan)
    running = {step.name for step in actions_to_run(plan)}
    for wave in plan.waves:
        yield from _wave_lines(wave, running, common)
    yield from failure_lines(plan)
    if not plan.rollback:
        yield from undo_lines(plan)
    for effect in plan.blast:
        tone = Tone.BAD if effect.is_data_lost or effect.is_unknown else Tone.WARNING
        yield Line(f"{effect.rule} {effect}", tone)
    yield from _closing_lines(plan, common)


def _closing_lines(plan: Plan, common: Mapping[str, int]) -> Iterator[Line]:
    """Say what stays, what is forgotten, and what else a reviewer must know."""
    for ref, why in sorted(plan.kept.items()):
        yield Line(f"stays: {ref} ({why})", Tone.WARNING)
    for ref, why in sorted(plan.forgotten.items()):
        yield Line(f"dropped from the inventory: {ref} ({why})", Tone.QUIET)
    for note, count in common.items():
        yield Line(f"note: {count} objects: {note}", Tone.QUIET)
    for note in plan.notes:
        yield Line(f"note: {note}", Tone.QUIET)


def _common_notes(plan: Plan) -> Mapping[str, int]:
    """Return the notes that stand at so many objects that they are told once, with the number."""
    counts = Counter(note for change in plan.changes if change.writes for note in change.notes)
    return {note: count for note, count in counts.items() if count > NOTES_REPEATED}


def _risk_lines(plan: Plan) -> Iterator[Line]:
    """Say first what a reviewer must not miss (PL-43)."""
    for words in summed_up(plan):
        is_loss = words.startswith(DATA_LOST)
        yield Line(words, Tone.BAD if is_loss else Tone.REMOVED, 1)
    if count := sum(one.writes and one.prediction is Prediction.NONE for one in plan.changes):
        noun = "object" if count == 1 else "objects"
        yield Line(f"{count} {noun} cannot be predicted", Tone.WARNING, 1)


def back(plan: Plan) -> str:
    """Return what stands behind the name of a rollout that goes back; else nothing."""
    return f" (rollback to revision {plan.rollback.revision})" if plan.rollback else ""


def _guard_line(guard: Guard) -> Line:
    if guard.waived_by:
        return Line(f"{guard.message}; allowed by {guard.waived_by}", Tone.WARNING)
    return Line(guard.message, Tone.BAD if guard.is_breached else Tone.WARNING)


def summary(plan: Plan) -> str:
    """Return the counts of a plan in one line."""
    counts = Counter(change.operation for change in plan.changes)
    parts = [f"{counts[one]} {words}" for one, words in _VERBS.items() if counts[one]]
    waits = sum(1 for change in plan.changes if not change.writes and not change.is_settled)
    if waits:
        parts.append(f"{waits} to wait for")
    actions = actions_to_run(plan)
    unchanged = counts[Operation.KEEP] - waits + (0 if actions else counts[Operation.RUN])
    if unchanged:
        parts.append(f"{unchanged} unchanged")
    if count := len(actions):
        parts.append(f"{count} action{'' if count == 1 else 's'} to run")
    if hooks := sum(step.hook is not None for step in plan.steps):
        parts.append(f"{hooks} hook{'' if hooks == 1 else 's'} to run")
    return ", ".join(parts) or "nothing"


def _wave_lines(
    wave: Wave, running: Collection[str], common: Collection[str] = ()
) -> Iterator[Line]:
    if any(step.group for step in wave.steps):
        yield from step_lines(wave, running, lambda change: change_lines(change, common))
        return
    changes = [change for step in wave.steps for change in step.changes]
    shown = [change for change in changes if change.writes or not change.is_settled]
    if not shown:
        return
    yield Line(f"{wave.name}:", Tone.TITLE)
    for change in shown:
        yield from change_lines(change, common)
    if rest := len(changes) - len(shown):
        yield Line(f"= {rest} unchanged", Tone.QUIET, 1)
