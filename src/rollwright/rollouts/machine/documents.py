"""Plans, reports and statuses as JSON: the contract with programs.

Before: ``planning`` made a plan, ``report`` concluded a run, ``overview`` says what is live.
After: ``-o json`` prints the values; ``rollwright schema`` prints their JSON Schemas.

Instants are RFC 3339 in UTC, durations seconds. Values of Secrets are not here: ``diff`` already
replaced them by digests. Within an API version fields are only added. The forms themselves stand
in ``forms``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from rollwright.rollouts.approving import ApprovalRequest, Question
from rollwright.rollouts.diff import ABSENT, Conflict, FieldChange
from rollwright.rollouts.machine import forms
from rollwright.rollouts.machine.steps import declared_form
from rollwright.rollouts.manifest import Manifest, ManifestSet, ObjectRef
from rollwright.rollouts.overview import Overview
from rollwright.rollouts.plan import Change, Edge, Gate, Guard, Operation, Plan, Step, Wave
from rollwright.rollouts.pruning.effects import Effect
from rollwright.rollouts.report import ChangeResult, Report, StepResult
from rollwright.rollouts.state import Hold, Journal, Removal, Revision
from rollwright.rollouts.status import ObjectStatus

API_VERSION = "rollwright.dev/v1alpha1"


def plan_form(plan: Plan) -> forms.PlanForm:
    """Return a plan as JSON."""
    form: forms.PlanForm = {
        "apiVersion": API_VERSION,
        "kind": "Plan",
        "rollout": plan.rollout,
        "cluster": plan.cluster,
        "clusterId": plan.cluster_id,
        "serverVersion": plan.server_version,
        "id": plan.id,
        "source": plan.source,
        "madeAt": instant(plan.made_at),
        "isDone": plan.is_done,
        "summary": _summary(plan),
        "guards": [_guard(guard) for guard in plan.guards],
        "waves": [_wave(wave) for wave in plan.waves],
        "kept": _reasons(plan.kept.items()),
        "forgotten": _reasons(plan.forgotten.items()),
        "blast": [_effect(effect) for effect in plan.blast],
        "allowed": list(plan.allowed),
        "notes": list(plan.notes),
        "rollback": _rollback(plan),
    }
    if plan.undo:
        form["undo"] = [_wave(wave) for wave in plan.undo]
    if plan.on_failure:
        form["onFailure"] = [_wave(wave) for wave in plan.on_failure]
    return form


def _effect(effect: Effect) -> forms.EffectForm:
    return {
        "rule": effect.rule,
        "object": ref_form(effect.ref),
        "text": effect.text,
        "counts": dict(effect.counts),
        "isDataLost": effect.is_data_lost,
        "isUnknown": effect.is_unknown,
    }


def removed_form(
    rollout: str, action: str, message: str, refs: Iterable[ObjectRef], removal: Removal | None
) -> forms.RemovedForm:
    """Return what became of a rollout that was marked, freed or forgotten as JSON."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Removal",
        "rollout": rollout,
        "action": action,
        "message": message,
        "objects": [ref_form(ref) for ref in refs],
        "removal": removal_form(removal) if removal else None,
    }


def removal_form(removal: Removal) -> forms.RemovalForm:
    """Return the mark of a rollout that is to be deleted as JSON."""
    return {
        "planId": removal.plan_id,
        "actor": removal.actor,
        "markedAt": instant(removal.marked_at),
        "dueAt": instant(removal.due_at),
        "protectedDueAt": instant(removal.protected_due_at),
    }


def _rollback(plan: Plan) -> forms.RollbackForm | None:
    back = plan.rollback
    return {"revision": back.revision, "reason": back.reason} if back else None


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
        "durationSeconds": _seconds(report.started_at, report.ended_at),
        "trigger": {
            "id": trigger.id,
            "kind": trigger.kind,
            "actor": trigger.actor,
            "receivedAt": instant(trigger.received_at),
            "revision": trigger.revision,
        },
        "plan": _carried_out(report.plan),
        "steps": [_step_result(result) for result in report.results],
        "statuses": [_status(status) for status in report.statuses],
        "calls": dict(report.calls),
        "rollback": _rolled_back(report.rollback) if report.rollback else None,
    }


def _carried_out(plan: Plan) -> forms.CarriedOutForm:
    return {
        "id": plan.id,
        "source": plan.source,
        "summary": _summary(plan),
        "kept": _reasons(plan.kept.items()),
        "notes": list(plan.notes),
        "rollback": _rollback(plan),
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
        "statuses": [_status(status) for status in report.statuses],
    }


def status_form(overview: Overview) -> forms.StatusForm:
    """Return what is live of one rollout as JSON."""
    state = overview.state
    return {
        "apiVersion": API_VERSION,
        "kind": "Status",
        "rollout": overview.rollout,
        "cluster": overview.cluster,
        "clusterId": state.cluster_id,
        "health": overview.health.value,
        "readAt": instant(overview.read_at),
        "revision": revision_form(state.last) if state.last else None,
        "interrupted": journal_form(state.journal) if state.journal else None,
        "hold": hold_form(state.hold) if state.hold else None,
        "removal": removal_form(state.removal) if state.removal else None,
        "approval": approval_form(overview.waiting) if overview.waiting else None,
        "questions": [question_form(one) for one in overview.questions],
        "objects": [_status(status) for status in overview.statuses],
        "survivors": _reasons((e.ref, e.why_kept) for e in state.inventory if e.why_kept),
    }


def question_form(question: Question) -> forms.QuestionForm:
    """Return a step that waits for a person as JSON."""
    return {"step": question.step, "question": question.question, "since": question.at}


def approval_form(request: ApprovalRequest) -> forms.ApprovalForm:
    """Return a plan that waits for an approval as JSON."""
    return {
        "planId": request.plan_id,
        "reason": request.reason,
        "summary": request.summary,
        "revision": request.revision,
        "trigger": request.trigger,
        "askedBy": request.asked_by,
        "askedAt": instant(request.asked_at),
        "expiresAt": instant(request.expires_at),
        "run": request.run,
        "runName": request.run_name,
    }


def objects_form(wanted: ManifestSet, rollout: dict[str, Any]) -> dict[str, Any]:
    """Return rendered objects by their keys, and the document that declares them.

    A key that stands twice is numbered, so that no object is lost.
    """
    objects: dict[str, Any] = {}
    for manifest in wanted:
        objects[_free_key(manifest, objects)] = manifest.body
    return {"objects": objects, "rollout": rollout}


def _free_key(manifest: Manifest, taken: dict[str, Any]) -> str:
    key, number = manifest.key or str(manifest.ref), 1
    while (name := key if number == 1 else f"{key}#{number}") in taken:
        number += 1
    return name


def list_form(kind: str, items: list[Any]) -> dict[str, Any]:
    """Return a table as JSON: ``kind`` names what the items are, such as ``LockList``."""
    return {"apiVersion": API_VERSION, "kind": kind, "items": items}


def instant(at: datetime) -> str:
    """Return an instant as RFC 3339 in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def ref_form(ref: ObjectRef) -> forms.RefForm:
    """Return the identity of an object as JSON."""
    return {"group": ref.group, "kind": ref.kind, "namespace": ref.namespace, "name": ref.name}


def _maybe(at: datetime | None) -> str | None:
    return instant(at) if at else None


def _seconds(begin: datetime | None, end: datetime | None) -> float | None:
    return round((end - begin).total_seconds(), 3) if begin and end else None


def _summary(plan: Plan) -> forms.SummaryForm:
    counts = Counter(change.operation for change in plan.changes)
    return {
        "create": counts[Operation.CREATE],
        "update": counts[Operation.UPDATE],
        "adopt": counts[Operation.ADOPT],
        "replace": counts[Operation.REPLACE],
        "prune": counts[Operation.PRUNE],
        "keep": counts[Operation.KEEP],
    }


def _guard(guard: Guard) -> forms.GuardForm:
    return {
        "id": guard.id,
        "limit": guard.limit,
        "value": guard.value,
        "isBreached": guard.is_breached,
        "message": guard.message,
        "waivedBy": guard.waived_by,
        "isWaivable": guard.is_waivable,
    }


def _wave(wave: Wave) -> forms.WaveForm:
    return {"name": wave.name, "steps": [_step(step) for step in wave.steps]}


def _step(step: Step) -> forms.StepForm:
    form: forms.StepForm = {
        "name": step.name,
        "action": step.action,
        "needs": list(step.needs),
        "gates": [_gate(gate) for gate in step.gates],
        "changes": [_change(change) for change in step.changes],
    }
    if step.group:
        form["declared"] = declared_form(step)
    if step.hook is not None:
        form["hook"] = {
            "phase": step.hook.phase,
            "weight": step.hook.weight,
            "object": ref_form(step.hook.ref),
        }
    return form


def _gate(gate: Gate) -> forms.GateForm:
    members = [ref_form(member) for member in gate.members]
    return {"id": gate.id, "rule": gate.rule, "members": members}


def _change(change: Change) -> forms.ChangeForm:
    return {
        "object": ref_form(change.ref),
        "apiVersion": change.api_version,
        "operation": change.operation.value,
        "why": change.why,
        "origin": _origin(change.wanted),
        "live": _live(change),
        "wantedDigest": change.wanted.digest if change.wanted else None,
        "prediction": change.prediction.value,
        "predictedDigest": change.predicted_digest,
        "fields": [field_form(one) for one in change.fields],
        "conflicts": [_conflict(conflict) for conflict in change.conflicts],
        "takesOver": list(change.taken_over),
        "ignored": list(change.ignored),
        "wave": change.wave,
        "level": change.level,
        "needs": [_edge(edge) for edge in change.needs],
        "gates": list(change.gates),
        "status": _status(change.status) if change.status else None,
        "isImmutable": change.is_immutable,
        "isHealthSkipped": change.is_skipped,
        "isOwned": change.is_owned,
        "propagation": change.propagation,
        "notes": list(change.notes),
    }


def _origin(wanted: Manifest | None) -> forms.OriginForm | None:
    if wanted is None:
        return None
    return {"key": wanted.key, "file": wanted.origin.file, "line": wanted.origin.line}


def _live(change: Change) -> forms.LiveForm | None:
    if not change.live_uid:
        return None
    return {"uid": change.live_uid, "resourceVersion": change.live_resource_version}


def field_form(one: FieldChange) -> forms.FieldForm:
    """Return one field that differs as JSON."""
    form: forms.FieldForm = {"path": one.path}
    if one.old is not ABSENT:
        form["old"] = one.old
    if one.new is not ABSENT:
        form["new"] = one.new
    if one.by:
        form["by"] = one.by
    return form


def _conflict(conflict: Conflict) -> forms.ConflictForm:
    form: forms.ConflictForm = {
        "path": conflict.path,
        "manager": conflict.manager,
        "message": conflict.message,
        "operation": conflict.operation,
        "subresource": conflict.subresource,
        "since": _maybe(conflict.since),
        "action": conflict.action,
    }
    if conflict.theirs is not ABSENT:
        form["theirValue"] = conflict.theirs
    if conflict.ours is not ABSENT:
        form["ourValue"] = conflict.ours
    return form


def _edge(edge: Edge) -> forms.EdgeForm:
    return {"object": ref_form(edge.ref), "rule": edge.rule}


def _reasons(pairs: Any) -> list[forms.ReasonForm]:
    return [{"object": ref_form(ref), "why": why} for ref, why in sorted(pairs)]


def _status(status: ObjectStatus) -> forms.ObjectStatusForm:
    return {
        "object": ref_form(status.ref),
        "status": status.status.value,
        "reason": status.reason,
        "message": status.message,
        "rule": status.rule,
        "since": _maybe(status.since),
        "warnings": [{"code": one.code, "text": one.text} for one in status.warnings],
        "evidence": [
            {"kind": one.kind, "name": one.name, "uid": one.uid, "text": one.text}
            for one in status.evidence
        ],
    }


def _step_result(result: StepResult) -> forms.StepResultForm:
    return {
        "name": result.step,
        "outcome": result.outcome.value,
        "message": result.message,
        "startedAt": _maybe(result.started_at),
        "endedAt": _maybe(result.ended_at),
        "durationSeconds": _seconds(result.started_at, result.ended_at),
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
        "conflicts": [_conflict(conflict) for conflict in result.conflicts],
        "status": _status(result.status) if result.status else None,
        "startedAt": _maybe(result.started_at),
        "endedAt": _maybe(result.ended_at),
        "durationSeconds": _seconds(result.started_at, result.ended_at),
    }


def revision_form(revision: Revision) -> forms.RevisionForm:
    """Return one run of the history as JSON."""
    return {
        "number": revision.number,
        "source": revision.source,
        "digest": revision.digest,
        "outcome": revision.outcome,
        "actor": revision.actor,
        "startedAt": instant(revision.started_at),
        "endedAt": instant(revision.ended_at),
        "durationSeconds": _seconds(revision.started_at, revision.ended_at),
        "kind": revision.kind,
        "planId": revision.plan_id,
        "rolledBackTo": revision.rolled_back_to or None,
        "message": revision.message,
        "isKept": bool(revision.snapshot),
        "url": revision.url,
    }


def journal_form(journal: Journal) -> forms.InterruptedForm:
    """Return a run that has not ended as JSON."""
    return {
        "runId": journal.run_id,
        "planId": journal.plan_id,
        "owner": journal.owner,
        "token": journal.token,
        "startedAt": instant(journal.started_at),
        "planned": [ref_form(ref) for ref in journal.planned],
        "digest": journal.digest,
        "rolledBackTo": journal.rolled_back_to or None,
        "url": journal.url,
    }


def hold_form(hold: Hold) -> forms.HoldForm:
    """Return why a rollout is frozen as JSON."""
    return {
        "reason": hold.reason,
        "actor": hold.actor,
        "since": instant(hold.since_at),
        "source": hold.source,
        "revision": hold.revision or None,
        "badDigests": sorted(hold.bad_digests),
    }
