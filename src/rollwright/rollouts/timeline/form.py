"""The timeline of the last runs as JSON: the contract with programs.

Before: ``timeline`` has the bars. After: ``status --timeline -o json`` prints it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from typing_extensions import TypedDict

from rollwright.rollouts.machine.forms import schema_of_form
from rollwright.rollouts.machine.values import API_VERSION, instant
from rollwright.rollouts.timeline.bars import Bar, Timeline


class BarForm(TypedDict):
    """From when to when something went on, and how it ended."""

    kind: str
    """``group``, ``step`` or ``object``."""
    name: str
    outcome: str
    startedAt: str | None
    """Null for what was never begun."""
    endedAt: str | None
    durationSeconds: float | None
    message: str
    """Why it did not succeed."""


class RunForm(TypedDict):
    """One run: its bars in the order of the plan."""

    runId: str
    revision: int
    rolledBackTo: int | None
    outcome: str
    startedAt: str
    endedAt: str
    durationSeconds: float
    bars: list[BarForm]
    leftOut: int
    """Objects that had no room in the record."""


class TimelineForm(TypedDict):
    """The last run; if it went back from one that failed, that one before it."""

    apiVersion: str
    kind: str
    rollout: str
    runs: list[RunForm]


def timeline_form(rollout: str, runs: Sequence[Timeline]) -> TimelineForm:
    """Return the last runs as JSON."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Timeline",
        "rollout": rollout,
        "runs": [_run(one) for one in runs],
    }


def timeline_schema() -> dict[str, Any]:
    """Return the JSON Schema of ``form``."""
    return schema_of_form("Timeline", TimelineForm, (BarForm, RunForm, TimelineForm))


def _run(one: Timeline) -> RunForm:
    return {
        "runId": one.run_id,
        "revision": one.revision,
        "rolledBackTo": one.rolled_back_to or None,
        "outcome": one.outcome,
        "startedAt": instant(one.started_at),
        "endedAt": instant(one.ended_at),
        "durationSeconds": round(one.duration.total_seconds(), 3),
        "bars": [_bar(bar) for bar in one.bars],
        "leftOut": one.left_out_count,
    }


def _bar(bar: Bar) -> BarForm:
    took = bar.duration
    return {
        "kind": bar.kind.value,
        "name": bar.name,
        "outcome": bar.outcome,
        "startedAt": _instant(bar.started_at),
        "endedAt": _instant(bar.ended_at),
        "durationSeconds": None if took is None else round(took.total_seconds(), 3),
        "message": bar.message,
    }


def _instant(at: datetime | None) -> str | None:
    return instant(at) if at else None
