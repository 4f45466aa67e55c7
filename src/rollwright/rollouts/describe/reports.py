"""What became of a run in words: the outcome, what failed and why, what was done, counted.

Before: ``concluding`` made the report. After: ``cli``, artifacts and feedback print the lines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from rollwright.rollouts.change import Operation
from rollwright.rollouts.describe.lines import Line, Tone
from rollwright.rollouts.describe.plans import back
from rollwright.rollouts.describe.steps import step_result_lines
from rollwright.rollouts.report import ChangeResult, Outcome, Report

_TONES = {Outcome.SUCCEEDED: Tone.GOOD, Outcome.SUPERSEDED: Tone.WARNING}
"""Every other outcome is bad."""


_DONE = {
    Operation.CREATE: "created",
    Operation.UPDATE: "updated",
    Operation.ADOPT: "adopted",
    Operation.REPLACE: "replaced",
    Operation.PRUNE: "deleted",
    Operation.RUN: "run",
}


def describe_report(report: Report) -> tuple[Line, ...]:
    """Return what became of a run: the worst first, then counts."""
    return tuple(_report_lines(report))


def _report_lines(report: Report) -> Iterator[Line]:
    seconds = (report.ended_at - report.started_at).total_seconds()
    where = f" on {report.cluster}" if report.cluster else ""
    tone = _TONES.get(report.outcome, Tone.BAD)
    title = f"{report.rollout}{where}{back(report.plan)} {report.outcome}: {report.message}"
    yield Line(title, tone)
    yield from step_result_lines(report)
    for failure in report.failures:
        yield from _failure_lines(failure)
    yield from _skipped_lines(report.changes)
    if report.hint and not report.failures:
        yield Line(f"hint: {report.hint}", Tone.WARNING, 1)
    number = f"revision {report.revision}, " if report.revision else ""
    yield Line(f"{number}{counts(report)} in {seconds:.1f} s", Tone.QUIET, 1)
    if report.calls:
        yield Line(f"API requests: {_calls(report)}", Tone.QUIET, 1)
    if report.rollback is not None:
        yield from _report_lines(report.rollback)


def counts(report: Report) -> str:
    """Return what was done, counted."""
    done = Counter(
        change.operation for change in report.changes if change.outcome is Outcome.SUCCEEDED
    )
    parts = [f"{done[one]} {words}" for one, words in _DONE.items() if done[one]]
    kept = done[Operation.KEEP]
    if not report.results:
        kept = sum(1 for change in report.plan.changes if not change.writes)
    counted = ", ".join([*parts, *([f"{kept} unchanged"] if kept else [])])
    # What was written and did not become well is begun, not undone.
    return counted or ("nothing finished" if report.results else "nothing done")


def _calls(report: Report) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in report.calls.items() if count)


def _failure_lines(failure: ChangeResult) -> Iterator[Line]:
    yield Line(f"✗ {failure.ref}  {failure.message}", Tone.BAD, 1)
    status = failure.status
    for evidence in status.evidence if status else ():
        text = f": {evidence.text}" if evidence.text else ""
        yield Line(f"{evidence.kind}/{evidence.name}{text}", Tone.QUIET, 3)
    if failure.hint:
        yield Line(f"hint: {failure.hint}", Tone.WARNING, 3)


def _skipped_lines(changes: Iterable[ChangeResult]) -> Iterator[Line]:
    idle = {Outcome.SKIPPED, Outcome.NOT_STARTED, Outcome.CANCELLED}
    for change in changes:
        if change.outcome in idle and change.operation is not Operation.KEEP:
            yield Line(f"- {change.ref}  {change.outcome}: {change.message}", Tone.QUIET, 1)
