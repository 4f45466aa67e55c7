"""What is live of a rollout in words: the worst object first, then what is remembered.

Before: ``overview`` says what is live. After: ``status`` prints the lines.
"""

from __future__ import annotations

from collections.abc import Iterator

from rollwright.rollouts.describe.approvals import question_lines, waiting_lines
from rollwright.rollouts.describe.lines import Line, Tone, short
from rollwright.rollouts.overview import Overview
from rollwright.rollouts.pruning.marks import describe_removal
from rollwright.rollouts.state import RolloutState
from rollwright.rollouts.status import ObjectStatus, Status
from rollwright.rollouts.steps.memory import reported_steps


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
    if overview.is_new:
        yield Line(f"{overview.rollout}{where}: was never rolled out", Tone.WARNING)
    else:
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
