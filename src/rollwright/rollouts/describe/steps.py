"""Groups and steps in words: what each will do, and what became of it.

Before: ``steps.stepping`` planned the steps; ``report`` has their results.
After: ``plans`` and ``reports`` put the lines among theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

from rollwright.rollouts.change import Change, Operation
from rollwright.rollouts.describe.lines import Line, Tone
from rollwright.rollouts.plan import Plan, Planned, Step, Wave
from rollwright.rollouts.report import Outcome, Report, StepResult

ChangeLines = Callable[[Change], Iterator[Line]]

_MARKS = {
    Outcome.SUCCEEDED: ("✓", Tone.GOOD),
    Outcome.FAILED: ("✗", Tone.BAD),
    Outcome.TIMED_OUT: ("✗", Tone.BAD),
}
_IDLE = ("-", Tone.QUIET)


def step_lines(wave: Wave, running: Collection[str], change_lines: ChangeLines) -> Iterator[Line]:
    """Yield the steps of a wave: what each does, to what, and when it has succeeded.

    Args:
        wave: The steps that run together.
        running: Names of the steps whose plugin acts.
        change_lines: What is said of one object.
    """
    if len(wave.steps) > 1:
        yield Line(f"{wave.name}, {len(wave.steps)} steps together:", Tone.TITLE)
    for step in wave.steps:
        yield Line(f"{step.name}: {_deed(step)}", Tone.TITLE)
        if step.done_by:
            yield Line(f"= was done by run {step.done_by}", Tone.QUIET, 1)
            continue
        yield from _object_lines(step, change_lines, is_run=step.name in running)
        yield from _rule_lines(step)


def _deed(step: Step) -> str:
    return (step.plugin.words if step.plugin else "") or step.action


def _object_lines(step: Step, change_lines: ChangeLines, *, is_run: bool) -> Iterator[Line]:
    shown = [one for one in step.changes if is_run or one.writes or not one.is_settled]
    for change in shown:
        yield from change_lines(change)
    rest = [one for one in step.changes if one not in shown]
    if not rest:
        return
    reasons = {_why_kept(one) for one in rest}
    why = f" ({reasons.pop()})" if len(reasons) == 1 else ""
    yield Line(f"= {len(rest)} unchanged{why}", Tone.QUIET, 1)


def _why_kept(change: Change) -> str:
    is_plugins = change.operation is Operation.RUN
    return "the last run did it, and nothing has changed" if is_plugins else change.why


def _rule_lines(step: Step) -> Iterator[Line]:
    """Say when the step has succeeded, when it has failed, and what follows then."""
    for check in step.success:
        yield Line(f"then: {_named(check)}", Tone.QUIET, 1)
    for check in step.failure:
        yield Line(f"watched for failure: {_named(check)}", Tone.QUIET, 1)
    rules = [
        f"takes {step.timeout.total_seconds():g} s at most" if step.timeout else "",
        f"is tried again {step.retry_count} times" if step.retry_count else "",
        "the run goes on if it fails" if step.continue_on_error else "",
    ]
    if words := "; ".join(filter(None, rules)):
        yield Line(words, Tone.QUIET, 1)


def _named(check: Planned) -> str:
    return check.words or check.name


def undo_lines(plan: Plan) -> Iterator[Line]:
    """Yield what runs only if the rollout is rolled back, the last group first.

    In a rollback it runs before anything else.
    """
    when, tone = ("first", Tone.TITLE) if plan.rollback else ("if rolled back", Tone.QUIET)
    for wave in reversed(plan.undo):
        for step in wave.steps:
            done = f" (was done by run {step.done_by})" if step.done_by else ""
            yield Line(f"{when}, {step.name}: {_deed(step)}{done}", tone)


def failure_lines(plan: Plan) -> Iterator[Line]:
    """Yield the hooks that run only if the run fails."""
    for wave in plan.on_failure:
        for step in wave.steps:
            yield Line(f"if the run fails, {step.name}: {_deed(step)}", Tone.QUIET)


def step_result_lines(report: Report) -> Iterator[Line]:
    """Yield what became of each step of the groups; nothing for a rollout without any."""
    grouped = _grouped(report.plan)
    for result in report.results:
        if result.step in grouped:
            mark, tone = _MARKS.get(result.outcome, _IDLE)
            why = f": {result.message}" if result.message else ""
            yield Line(f"{mark} {result.step} {result.outcome}{_took(result)}{why}", tone, 1)


def _grouped(plan: Plan) -> frozenset[str]:
    waves = (*plan.undo, *plan.on_failure)
    undo: Iterable[Step] = (step for wave in waves for step in wave.steps)
    return frozenset(step.name for step in (*plan.steps, *undo) if step.group)


def _took(result: StepResult) -> str:
    if result.started_at is None or result.ended_at is None:
        return ""
    return f" in {(result.ended_at - result.started_at).total_seconds():.1f} s"
