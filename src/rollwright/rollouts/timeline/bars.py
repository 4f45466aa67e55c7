"""When what happened in a run: a bar for each group, step and object.

Before: a run has ended, and its report is there; or its record was kept with the state.
After: ``status --timeline`` prints it; ``svg`` draws it.

The state keeps the records of the last runs, so that they can be looked at when their process is
gone: names, outcomes, times, and the reasons of what failed, bounded in number and length.
"""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import msgspec

from rollwright.errors import excerpt
from rollwright.rollouts.change import Operation
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.report import ChangeResult, Outcome, Report, StepResult
from rollwright.rollouts.state import Revision, RolloutState

KEPT_RUNS = 3
"""Of how many runs records are kept: a failed one, and going back from it."""

KEPT_BARS = 1000
"""How many bars a record holds; of more objects those that failed and those that took longest."""

_KEY = "timeline/"
_LIMIT_BYTES = 4 * 1024 * 1024
_NOTICED = timedelta(milliseconds=50)
_BAD = frozenset({Outcome.FAILED, Outcome.TIMED_OUT, Outcome.CANCELLED})
_WORST = (Outcome.CANCELLED, Outcome.FAILED, Outcome.TIMED_OUT, Outcome.NOT_STARTED)


class BarKind(StrEnum):
    """What a bar stands for; each is part of the kind before it."""

    GROUP = "group"
    STEP = "step"
    OBJECT = "object"

    @property
    def depth(self) -> int:
        """How far it is indented."""
        return list(BarKind).index(self)


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """From when to when something went on, and how it ended.

    ``started_at`` is ``None`` for what was never begun. ``message`` is kept of what did not
    succeed.
    """

    kind: BarKind
    name: str
    outcome: str
    started_at: datetime | None = None
    ended_at: datetime | None = None
    message: str = ""

    @property
    def duration(self) -> timedelta | None:
        """How long it took; ``None`` for what was never begun."""
        if self.started_at is None or self.ended_at is None:
            return None
        return self.ended_at - self.started_at


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """One run: its bars in the order of the plan, each group before its steps and objects.

    ``left_out_count`` counts the objects that had no room in the record.
    """

    rollout: str
    run_id: str
    revision: int
    outcome: str
    started_at: datetime
    ended_at: datetime
    bars: tuple[Bar, ...] = ()
    left_out_count: int = 0
    rolled_back_to: int = 0

    @property
    def duration(self) -> timedelta:
        """How long all of it took."""
        return self.ended_at - self.started_at


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    name: str
    steps: tuple[StepResult, ...]


def timeline_of(report: Report, *, ended_at: datetime | None = None, revision: int = 0) -> Timeline:
    """Return the timeline of a run.

    Args:
        report: What became of it.
        ended_at: When it ended, if the report does not know yet.
        revision: Number under which it is remembered, if the report does not know yet.
    """
    bars = [bar for group in _groups(report) for bar in _group_bars(group)]
    kept = _fitting(bars)
    back = report.plan.rollback
    return Timeline(
        rollout=report.rollout,
        run_id=report.run_id,
        revision=revision or report.revision,
        outcome=report.outcome.value,
        started_at=report.started_at,
        ended_at=ended_at or report.ended_at,
        bars=kept,
        left_out_count=len(bars) - len(kept),
        rolled_back_to=back.revision if back else 0,
    )


def _groups(report: Report) -> Iterator[_Group]:
    """Yield neighboring steps of one group together, in their order."""
    names = _group_names(report.plan)
    name, steps = "", list[StepResult]()
    for result in report.results:
        found = names.get(result.step, "")
        if steps and found != name:
            yield _Group(name=name, steps=tuple(steps))
            steps = []
        name = found
        steps.append(result)
    if steps:
        yield _Group(name=name, steps=tuple(steps))


def _group_names(plan: Plan) -> Mapping[str, str]:
    """Return the group of each step; where none is declared, its wave, if that says more."""
    undo = {step.name: f"onRollback {step.group}" for wave in plan.undo for step in wave.steps}
    undo |= {step.name: step.group for wave in plan.on_failure for step in wave.steps}
    steps = [(step, wave.name) for wave in plan.waves for step in wave.steps]
    return undo | {
        step.name: step.group or (wave if wave != step.name else "") for step, wave in steps
    }


def _group_bars(group: _Group) -> Iterator[Bar]:
    steps = [bar for step in group.steps for bar in _step_bars(step)]
    if group.name:
        started_at, ended_at = _span(steps)
        yield Bar(
            kind=BarKind.GROUP, name=group.name, outcome=_worst(group.steps),
            started_at=started_at, ended_at=ended_at,
        )  # fmt: skip
    yield from steps


def _step_bars(step: StepResult) -> Iterator[Bar]:
    objects = [_object_bar(change) for change in step.changes if _is_worth_a_bar(change)]
    started_at, ended_at = _span(objects)
    yield Bar(
        kind=BarKind.STEP,
        name=step.step,
        outcome=step.outcome.value,
        started_at=step.started_at or started_at,
        ended_at=step.ended_at or ended_at,
        message=_reason(step.outcome, step.message),
    )
    yield from objects


def _is_worth_a_bar(change: ChangeResult) -> bool:
    """Whether anything happened to the object, or should have; thousands may just be kept."""
    if change.operation is not Operation.KEEP or change.outcome is not Outcome.SUCCEEDED:
        return True
    if change.started_at is None or change.ended_at is None:
        return False
    return change.ended_at - change.started_at > _NOTICED


def _object_bar(change: ChangeResult) -> Bar:
    return Bar(
        kind=BarKind.OBJECT,
        name=str(change.ref),
        outcome=change.outcome.value,
        started_at=change.started_at,
        ended_at=change.ended_at if change.started_at else None,
        message=_reason(change.outcome, change.message),
    )


def _reason(outcome: Outcome, message: str) -> str:
    return excerpt(message) if outcome is not Outcome.SUCCEEDED else ""


def _span(bars: Iterable[Bar]) -> tuple[datetime | None, datetime | None]:
    times = [(bar.started_at, bar.ended_at) for bar in bars if bar.started_at and bar.ended_at]
    if not times:
        return None, None
    return min(start for start, _ in times), max(end for _, end in times)


def _worst(steps: Iterable[StepResult]) -> str:
    outcomes = {step.outcome for step in steps}
    return next((one.value for one in _WORST if one in outcomes), Outcome.SUCCEEDED.value)


def _fitting(bars: list[Bar]) -> tuple[Bar, ...]:
    """Return the bars that a record has room for, in their order."""
    if len(bars) <= KEPT_BARS:
        return tuple(bars)
    ranked = sorted(range(len(bars)), key=lambda place: _rank(bars[place]))
    return tuple(bars[place] for place in sorted(ranked[:KEPT_BARS]))


def _rank(bar: Bar) -> tuple[int, bool, float]:
    took = bar.duration.total_seconds() if bar.duration else 0.0
    is_part = bar.kind is BarKind.OBJECT
    return is_part, is_part and bar.outcome not in _BAD, -took


def with_timeline(extra: Mapping[str, str], timeline: Timeline) -> Mapping[str, str]:
    """Return what a state keeps beside, with the record of one more run; the oldest go."""
    known = {key: value for key, value in extra.items() if not key.startswith(_KEY)}
    records = {number: extra[f"{_KEY}{number}"] for number in _numbers(extra)}
    records[timeline.revision] = _packed(timeline)
    latest = sorted(records)[-KEPT_RUNS:]
    return {**known, **{f"{_KEY}{number}": records[number] for number in latest}}


def _numbers(extra: Mapping[str, str]) -> list[int]:
    ends = (key.removeprefix(_KEY) for key in extra if key.startswith(_KEY))
    return sorted(int(end) for end in ends if end.isdecimal())


def _packed(timeline: Timeline) -> str:
    return b64encode(zlib.compress(msgspec.json.encode(timeline), level=6)).decode()


def _unpacked(text: str) -> Timeline | None:
    """Return what was kept; ``None`` for what is damaged, or of another version."""
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(b64decode(text, validate=True), _LIMIT_BYTES)
        return msgspec.json.decode(data, type=Timeline) if unpacker.eof else None
    except (ValueError, zlib.error, msgspec.MsgspecError):
        return None


def last_timelines(state: RolloutState) -> tuple[Timeline, ...]:
    """Return the last run; if it went back from one that failed, that one first."""
    kept = (_unpacked(state.extra[f"{_KEY}{number}"]) for number in _numbers(state.extra))
    known = [one for one in kept if one is not None and _is_remembered(one, state.revisions)]
    first = next((i for i in reversed(range(len(known))) if not known[i].rolled_back_to), 0)
    return tuple(known[first:])


def _is_remembered(timeline: Timeline, revisions: Iterable[Revision]) -> bool:
    return any(one.number == timeline.revision for one in revisions)


def seconds(duration: timedelta) -> str:
    """Return a duration for people: ``12.3 s``, ``2 m 05 s``, ``1 h 02 m``."""
    total = duration.total_seconds()
    if total < 100:
        return f"{total:.1f} s"
    minutes, rest = divmod(round(total), 60)
    hours, left = divmod(minutes, 60)
    return f"{hours} h {left:02d} m" if hours else f"{minutes} m {rest:02d} s"


def heading(timeline: Timeline) -> str:
    """Return what stands above the bars."""
    back = f" (rollback to {timeline.rolled_back_to})" if timeline.rolled_back_to else ""
    return (
        f"{timeline.rollout} revision {timeline.revision}{back}: {timeline.outcome},"
        f" {timeline.started_at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}, {seconds(timeline.duration)}"
    )
