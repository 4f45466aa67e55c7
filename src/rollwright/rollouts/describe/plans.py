"""Plans, reports and what is live in words, for terminals, logs and artifacts.

Before: ``planning`` made a plan, ``report`` concluded a run, ``overview`` says what is live.
After: ``cli`` colors the lines; a Prefect artifact and a log take them as they are.

Values of Secrets are not here: ``diff`` already replaced them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import unified_diff
from typing import Any

import orjson

from rollwright.rollouts.blast import DATA_LOST, summed_up
from rollwright.rollouts.describe import lines
from rollwright.rollouts.describe.approvals import question_lines, waiting_lines
from rollwright.rollouts.describe.steps import (
    failure_lines,
    step_lines,
    step_result_lines,
    undo_lines,
)
from rollwright.rollouts.diff import ABSENT, Conflict, FieldChange
from rollwright.rollouts.field_reasons import MIGRATION, SERVER
from rollwright.rollouts.overview import Overview
from rollwright.rollouts.plan import STAYS, Change, Guard, Operation, Plan, Prediction, Wave
from rollwright.rollouts.pruning.marks import describe_removal
from rollwright.rollouts.report import ChangeResult, Outcome, Report
from rollwright.rollouts.state import RolloutState
from rollwright.rollouts.status import ObjectStatus, Status
from rollwright.rollouts.steps.memory import reported_steps

Line = lines.Line
Tone = lines.Tone

VALUE_LENGTH = 72
"""Characters of a value that a line may show."""

FIELDS_SHOWN = 20
"""Fields of one object that are shown."""

NOTES_REPEATED = 2
"""At so many objects a note is repeated; at more it is told once."""

_TEXT_LINES_SHOWN = 16

_TONES = {Outcome.SUCCEEDED: Tone.GOOD, Outcome.SUPERSEDED: Tone.WARNING}
"""Every other outcome is bad."""


_MARKS = {
    Operation.CREATE: ("+", Tone.ADDED),
    Operation.UPDATE: ("~", Tone.CHANGED),
    Operation.ADOPT: ("»", Tone.CHANGED),
    Operation.REPLACE: ("±", Tone.REMOVED),
    Operation.PRUNE: ("-", Tone.REMOVED),
    Operation.KEEP: ("=", Tone.QUIET),
}
_VERBS = {
    Operation.CREATE: "to create",
    Operation.UPDATE: "to update",
    Operation.ADOPT: "to adopt",
    Operation.REPLACE: "to replace",
    Operation.PRUNE: "to delete",
}
_DONE = {
    Operation.CREATE: "created",
    Operation.UPDATE: "updated",
    Operation.ADOPT: "adopted",
    Operation.REPLACE: "replaced",
    Operation.PRUNE: "deleted",
}


def describe_plan(plan: Plan) -> tuple[Line, ...]:
    """Return a plan for people: what sums it up first, then wave by wave."""
    return tuple(_plan_lines(plan))


def _plan_lines(plan: Plan) -> Iterator[Line]:
    where = f" on {plan.cluster}" if plan.cluster else ""
    yield Line(f"plan for {plan.rollout}{where}{_back(plan)}: {summary(plan)}", Tone.TITLE)
    yield Line(f"source {short(plan.source)}   plan {short(plan.id)}", Tone.QUIET, 1)
    yield from _risk_lines(plan)
    for guard in plan.guards:
        if guard.is_breached or (guard.limit == STAYS and guard.message):
            yield _guard_line(guard)
    common = _common_notes(plan)
    if plan.rollback:
        yield from undo_lines(plan)
    for wave in plan.waves:
        yield from _wave_lines(wave, common)
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


def _back(plan: Plan) -> str:
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
    unchanged = counts[Operation.KEEP] - waits
    if unchanged:
        parts.append(f"{unchanged} unchanged")
    if hooks := sum(step.hook is not None for step in plan.steps):
        parts.append(f"{hooks} hook{'' if hooks == 1 else 's'} to run")
    return ", ".join(parts) or "nothing"


def _wave_lines(wave: Wave, common: Collection[str] = ()) -> Iterator[Line]:
    if any(step.group for step in wave.steps):
        yield from step_lines(wave, lambda change: _change_lines(change, common))
        return
    changes = [change for step in wave.steps for change in step.changes]
    shown = [change for change in changes if change.writes or not change.is_settled]
    if not shown:
        return
    yield Line(f"{wave.name}:", Tone.TITLE)
    for change in shown:
        yield from _change_lines(change, common)
    if rest := len(changes) - len(shown):
        yield Line(f"= {rest} unchanged", Tone.QUIET, 1)


def _change_lines(change: Change, common: Collection[str] = ()) -> Iterator[Line]:
    mark, tone = _MARKS[change.operation]
    why = change.why
    if not change.writes and change.status is not None:
        mark, tone = "…", Tone.WARNING
        why = f"is {change.status.status}: {change.status.message or change.status.reason}"
    yield Line(f"{mark} {change.ref}  {why}", tone, 1)
    for field in change.fields[:FIELDS_SHOWN]:
        yield from field_lines(field)
    if (more := len(change.fields) - FIELDS_SHOWN) > 0:
        yield Line(f"… and {more} more fields", Tone.QUIET, 3)
    yield from (_conflict_line(conflict) for conflict in change.conflicts)
    for note in change.notes:
        if note not in common:
            yield Line(f"note: {note}", Tone.QUIET, 3)
    if change.writes and change.prediction is Prediction.NONE:
        yield Line("not predicted", Tone.WARNING, 3)


_RULED = {
    "take": "takes {path} from {owner}",
    "leave": "leaves {path} to {owner}",
    "adopt": "adopts {path} as {owner} has it",
    "fail": "may not take {path} from {owner}",
}


def _conflict_line(conflict: Conflict) -> Line:
    owner = conflict.manager
    owner += f" ({conflict.subresource})" if conflict.subresource else ""
    owner += f", since {conflict.since:%Y-%m-%d %H:%M:%SZ}" if conflict.since else ""
    text = _RULED.get(conflict.action, _RULED["take"]).format(path=conflict.path, owner=owner)
    if conflict.theirs is not ABSENT and conflict.ours is not ABSENT:
        text += f": theirs {shown(conflict.theirs)}, ours {shown(conflict.ours)}"
    if conflict.action == "take" and conflict.is_person:
        return Line(f"note: {text}", Tone.QUIET, 3)
    return Line(text, Tone.BAD if conflict.action == "fail" else Tone.WARNING, 3)


def field_lines(field: FieldChange) -> Iterator[Line]:
    """Yield one field that differs: before and after, a text line by line."""
    old, new = field.old, field.new
    is_text = isinstance(old, str) and isinstance(new, str) and "\n" in old + new
    if is_text:
        yield Line(f"{field.path}:", Tone.PLAIN, 3)
        yield from _text_lines(old, new)
    elif old is ABSENT:
        yield Line(f"+ {field.path}: {shown(new)}{_by(field)}", Tone.ADDED, 3)
    elif new is ABSENT:
        yield Line(f"- {field.path}: {shown(old)}{_by(field)}", Tone.REMOVED, 3)
    else:
        yield Line(f"{field.path}: {shown(old)} → {shown(new)}{_by(field)}", Tone.PLAIN, 3)


_BY = {
    SERVER: "  (by the server: a default, or admission)",
    MIGRATION: "  (taken over, and not declared)",
}


def _by(field: FieldChange) -> str:
    """Say of what nobody declared whose doing it is (PL-42)."""
    return _BY.get(field.by, "")


def _text_lines(old: str, new: str) -> Iterator[Line]:
    lines = list(unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=1))[2:]
    tones = {"+": Tone.ADDED, "-": Tone.REMOVED}
    for line in lines[:_TEXT_LINES_SHOWN]:
        yield Line(line[: VALUE_LENGTH + 20], tones.get(line[:1], Tone.QUIET), 4)
    if (more := len(lines) - _TEXT_LINES_SHOWN) > 0:
        yield Line(f"… and {more} more lines", Tone.QUIET, 4)


def shown(value: Any) -> str:
    """Return a value as JSON, cut to a line."""
    text = orjson.dumps(value).decode()
    return text if len(text) <= VALUE_LENGTH else text[: VALUE_LENGTH - 1] + "…"


def short(digest: str) -> str:
    """Return a digest or revision short enough to read: ``path@sha256:4f3c0a…``."""
    head, colon, tail = digest.rpartition(":")
    is_hex = len(tail) > 16 and all(letter in "0123456789abcdef" for letter in tail)
    return f"{head}{colon}{tail[:12]}" if is_hex else digest


def describe_report(report: Report) -> tuple[Line, ...]:
    """Return what became of a run: the worst first, then counts."""
    return tuple(_report_lines(report))


def _report_lines(report: Report) -> Iterator[Line]:
    seconds = (report.ended_at - report.started_at).total_seconds()
    where = f" on {report.cluster}" if report.cluster else ""
    tone = _TONES.get(report.outcome, Tone.BAD)
    title = f"{report.rollout}{where}{_back(report.plan)} {report.outcome}: {report.message}"
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


def describe_status(overview: Overview) -> tuple[Line, ...]:
    """Return what is live of a rollout: the worst object first."""
    return tuple(_overview_lines(overview))


def health_tone(status: Status) -> Tone:
    """Return the tone of a verdict."""
    if status is Status.CURRENT:
        return Tone.GOOD
    is_passing = status in {Status.IN_PROGRESS, Status.SUSPENDED, Status.TERMINATING}
    return Tone.WARNING if is_passing else Tone.BAD


def _overview_lines(overview: Overview) -> Iterator[Line]:
    where = f" on {overview.cluster}" if overview.cluster else ""
    count = len(overview.statuses)
    nouns = "object" if count == 1 else "objects"
    title = f"{overview.rollout}{where}: {overview.health}, {count} {nouns}"
    yield Line(title, health_tone(overview.health))
    yield from _memory_lines(overview)
    width = max((len(one.status) for one in overview.statuses), default=0)
    for one in overview.statuses:
        yield from _object_lines(one, width)


def _memory_lines(overview: Overview) -> Iterator[Line]:
    state = overview.state
    if last := state.last:
        seconds = (last.ended_at - last.started_at).total_seconds()
        when = f"{last.ended_at:%Y-%m-%d %H:%M:%SZ}"
        by = f" by {last.actor}" if last.actor else ""
        words = f"revision {last.number} {last.outcome} at {when}{by}, in {seconds:.1f} s"
        yield Line(words, Tone.QUIET, 1)
        yield Line(f"source {short(last.source)}", Tone.QUIET, 1)
        if last.url and not state.journal:
            yield Line(f"run {last.url}", Tone.QUIET, 1)
    if journal := state.journal:
        began = f"{journal.started_at:%Y-%m-%d %H:%M:%SZ}"
        words = f"run {journal.run_id} of {journal.owner}, begun {began},"
        now = "is at work" if overview.is_running else "did not end; roll out again to resume"
        yield Line(f"{words} {now}", Tone.WARNING, 1)
        if journal.url:
            yield Line(f"run {journal.url}", Tone.QUIET, 1)
    yield from waiting_lines(overview.waiting)
    yield from question_lines(overview.rollout, overview.questions)
    yield from _taken_lines(overview)
    for step, words in reported_steps(state.extra).items():
        yield Line(f"{step} {words}", Tone.WARNING, 1)
    if removal := state.removal:
        yield Line(describe_removal(removal), Tone.BAD, 1)
    yield from _staying_lines(state)


def _staying_lines(state: RolloutState) -> Iterator[Line]:
    """Say what is held, and what stays although nobody wants it."""
    if hold := state.hold:
        since = f"{hold.since_at:%Y-%m-%d %H:%M:%SZ}"
        at = f" at revision {hold.revision}" if hold.revision else ""
        yield Line(f"held{at} by {hold.actor} since {since}: {hold.reason}", Tone.WARNING, 1)
        if hold.source:
            words = (
                "until released" if hold.is_total else f"not to be applied: {short(hold.source)}"
            )
            yield Line(words, Tone.QUIET, 2)
    for entry in state.inventory:
        if entry.why_kept:
            yield Line(f"stays: {entry.ref} ({entry.why_kept})", Tone.WARNING, 1)


def _taken_lines(overview: Overview) -> Iterator[Line]:
    if taken := overview.state.taken_by_last:
        when = f"{taken.at:%Y-%m-%d %H:%M:%SZ}"
        yield Line(f"{taken.kind} at {when}: {taken.message}", Tone.QUIET, 1)


def _object_lines(one: ObjectStatus, width: int) -> Iterator[Line]:
    is_good = one.status is Status.CURRENT
    why = "" if is_good else f"  {one.message or one.reason}"
    tone = Tone.PLAIN if is_good else health_tone(one.status)
    yield Line(f"{one.status:{width}}  {one.ref}{why}", tone, 1)
    if is_good:
        return
    for evidence in one.evidence:
        words = f"{evidence.kind}/{evidence.name}: {evidence.text}".removesuffix(": ")
        yield Line(words, Tone.QUIET, 3)
    for warning in one.warnings:
        yield Line(f"warning: {warning.text}", Tone.WARNING, 3)


def text(lines: Iterable[Line]) -> str:
    """Return lines as plain text."""
    return "\n".join(str(line) for line in lines) + "\n"
