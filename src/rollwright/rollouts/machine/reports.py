"""What became of a run as JSON: the contract with programs.

Before: ``concluding`` made the report. After: ``-o json`` prints it, and sinks take it along.
"""

from __future__ import annotations

from rollwright.rollouts.machine import forms
from rollwright.rollouts.machine.plans import conflict_form, rollback_form, summary_form
from rollwright.rollouts.machine.statuses import object_status_form
from rollwright.rollouts.machine.values import (
    API_VERSION,
    instant,
    maybe_instant,
    reasons_form,
    ref_form,
    seconds_between,
)
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.report import ChangeResult, Report, StepResult


def report_form(report: Report) -> forms.ReportForm:
    """Return the record of a run as JSON."""
    trigger = report.trigger
    return {
        "apiVersion": API_VERSION,
        "kind": "Report",
        "rollout": report.rollout,
        "cluster": report.cluster,
        "runId": report.run_id,
        "revision": report.revision,
        "outcome": report.outcome.value,
        "message": report.message,
        "hint": report.hint,
        "startedAt": instant(report.started_at),
        "endedAt": instant(report.ended_at),
        "durationSeconds": seconds_between(report.started_at, report.ended_at),
        "trigger": {
            "id": trigger.id,
            "kind": trigger.kind,
            "actor": trigger.actor,
            "receivedAt": instant(trigger.received_at),
            "revision": trigger.revision,
        },
        "plan": _carried_out(report.plan),
        "steps": [_step_result(result) for result in report.results],
        "statuses": [object_status_form(status) for status in report.statuses],
        "calls": dict(report.calls),
        "rollback": _rolled_back(report.rollback) if report.rollback else None,
    }


def _carried_out(plan: Plan) -> forms.CarriedOutForm:
    return {
        "id": plan.id,
        "source": plan.source,
        "summary": summary_form(plan),
        "kept": reasons_form(plan.kept.items()),
        "notes": list(plan.notes),
        "rollback": rollback_form(plan),
    }


def _rolled_back(report: Report) -> forms.RolledBackForm:
    return {
        "runId": report.run_id,
        "revision": report.revision,
        "outcome": report.outcome.value,
        "message": report.message,
        "hint": report.hint,
        "endedAt": instant(report.ended_at),
        "plan": _carried_out(report.plan),
        "steps": [_step_result(result) for result in report.results],
        "statuses": [object_status_form(status) for status in report.statuses],
    }


def _step_result(result: StepResult) -> forms.StepResultForm:
    return {
        "name": result.step,
        "outcome": result.outcome.value,
        "message": result.message,
        "startedAt": maybe_instant(result.started_at),
        "endedAt": maybe_instant(result.ended_at),
        "durationSeconds": seconds_between(result.started_at, result.ended_at),
        "changes": [_change_result(change) for change in result.changes],
        "logs": dict(result.logs),
    }


def _change_result(result: ChangeResult) -> forms.ChangeResultForm:
    return {
        "object": ref_form(result.ref),
        "operation": result.operation.value,
        "outcome": result.outcome.value,
        "message": result.message,
        "hint": result.hint,
        "uid": result.uid,
        "resourceVersion": result.resource_version,
        "conflicts": [conflict_form(conflict) for conflict in result.conflicts],
        "status": object_status_form(result.status) if result.status else None,
        "startedAt": maybe_instant(result.started_at),
        "endedAt": maybe_instant(result.ended_at),
        "durationSeconds": seconds_between(result.started_at, result.ended_at),
    }
