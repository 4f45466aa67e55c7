"""What is live of a rollout as JSON: the verdict on each object, and what is waited for.

Before: ``overview`` says what is live. After: ``status -o json`` prints it.
"""

from __future__ import annotations

from rollwright.rollouts.approving import ApprovalRequest, Question
from rollwright.rollouts.machine import forms
from rollwright.rollouts.machine.records import hold_form, journal_form, removal_form, revision_form
from rollwright.rollouts.machine.values import (
    API_VERSION,
    instant,
    maybe_instant,
    reasons_form,
    ref_form,
)
from rollwright.rollouts.overview import Overview
from rollwright.rollouts.status import ObjectStatus


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
        "lastHandledTrigger": overview.handled_trigger or None,
        "objects": [object_status_form(status) for status in overview.statuses],
        "survivors": reasons_form((e.ref, e.why_kept) for e in state.inventory if e.why_kept),
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


def object_status_form(status: ObjectStatus) -> forms.ObjectStatusForm:
    """Return the verdict on one object as JSON."""
    return {
        "object": ref_form(status.ref),
        "status": status.status.value,
        "reason": status.reason,
        "message": status.message,
        "rule": status.rule,
        "since": maybe_instant(status.since),
        "warnings": [{"code": one.code, "text": one.text} for one in status.warnings],
        "evidence": [
            {"kind": one.kind, "name": one.name, "uid": one.uid, "text": one.text}
            for one in status.evidence
        ],
    }
