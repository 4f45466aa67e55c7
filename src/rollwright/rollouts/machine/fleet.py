"""A fan-out as JSON.

Before: ``fleet_report`` has the record. After: ``rollwright fan-out -o json`` prints it;
``rollwright schema FanOut`` says what it is like.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from rollwright.rollouts.fleet_report import FleetReport, TargetResult
from rollwright.rollouts.machine.forms import ReportForm, schema_of_form
from rollwright.rollouts.machine.reports import report_form
from rollwright.rollouts.machine.values import API_VERSION, instant


class TargetForm(TypedDict):
    """What became of one cluster."""

    cluster: str
    batch: int
    """From 1."""
    status: str
    """Succeeded, Failed, Skip (something newer is desired there) or ToApply (not begun)."""
    message: str
    hint: str
    url: str
    """Of a page about its run; empty if there is none."""
    report: ReportForm | None
    """The record of its run; null if it had none, or if its run has a page of its own."""


class FleetForm(TypedDict):
    """The record of a fan-out."""

    apiVersion: str
    kind: str
    rollout: str
    outcome: str
    """succeeded, succeeded-with-failures, stopped or cancelled."""
    message: str
    startedAt: str
    endedAt: str
    targets: list[TargetForm]
    """In the order of their batches."""


FORMS: Mapping[str, Any] = {"FanOut": FleetForm}
"""The kind of document that programs get."""


def fleet_schema() -> dict[str, Any]:
    """Return the JSON Schema of the record of a fan-out."""
    return schema_of_form("FanOut", FleetForm, (TargetForm,))


def fleet_form(report: FleetReport) -> FleetForm:
    """Return the record of a fan-out as JSON."""
    return {
        "apiVersion": API_VERSION,
        "kind": "FanOut",
        "rollout": report.rollout,
        "outcome": report.outcome.value,
        "message": report.message,
        "startedAt": instant(report.started_at),
        "endedAt": instant(report.ended_at),
        "targets": [_target(one) for one in report.results],
    }


def _target(one: TargetResult) -> TargetForm:
    return {
        "cluster": one.cluster,
        "batch": one.batch,
        "status": one.status.value,
        "message": one.message,
        "hint": one.hint,
        "url": one.url,
        "report": report_form(one.report) if one.report else None,
    }
