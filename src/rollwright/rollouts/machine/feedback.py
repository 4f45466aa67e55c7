"""Feedback as JSON: what a webhook sends, and what is kept of what could not be told.

Before: ``describe.feedback`` put an event into words.
After: programs read it; ``rollwright schema Feedback`` says what it is like.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from rollwright.rollouts.feedback import Event, Feedback, Reason, Severity, TouchedObject
from rollwright.rollouts.machine.forms import RefForm, schema_of_form
from rollwright.rollouts.machine.values import API_VERSION, instant, ref_form
from rollwright.rollouts.manifest import ObjectRef


class TouchedForm(TypedDict):
    """One object that a run changed, or failed to change."""

    object: RefForm
    operation: str
    outcome: str


class FeedbackForm(TypedDict):
    """What others are told about a run."""

    apiVersion: str
    kind: str
    id: str
    """The same for a repetition of the same event."""
    event: str
    """planned, approvalNeeded, started, stepEnded, groupEnded, succeeded, failed, rolledBack,
    recovered, summary or test."""
    severity: str
    """info, warning or error."""
    reason: str
    """A fixed code, such as ApplyFailed; empty for none."""
    outcome: str
    title: str
    message: str
    """The worst object and its cause in one sentence, then counts."""
    lines: list[str]
    markdown: str
    rollout: str
    cluster: str
    revision: str
    """Of the source; empty where it is not known yet."""
    repository: str
    planId: str
    runId: str
    number: int
    """Of the revision that is remembered; 0 if none is."""
    group: str
    step: str
    at: str | None
    url: str
    """Of a page about the run."""
    actor: str
    trigger: str
    labels: dict[str, str]
    metadata: dict[str, str]
    """What the rule adds."""
    counts: dict[str, int]
    """Objects per operation, and failed."""
    objects: list[TouchedForm]
    """At most 50."""
    omittedCount: int
    """How many more objects were changed."""
    subject: dict[str, str]
    """The object that the run was about."""


_TEXTS = {
    "title": "title", "outcome": "outcome", "message": "message", "markdown": "markdown",
    "rollout": "rollout", "cluster": "cluster", "revision": "revision",
    "repository": "repository", "planId": "plan_id", "runId": "run_id", "group": "group",
    "step": "step", "url": "url", "actor": "actor", "trigger": "trigger",
}  # fmt: skip


def feedback_form(feedback: Feedback) -> FeedbackForm:
    """Return what is told as JSON."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Feedback",
        "id": feedback.id,
        "event": feedback.event.value,
        "severity": feedback.severity.value,
        "reason": feedback.reason.value if feedback.reason else "",
        "lines": list(feedback.lines),
        "number": feedback.number,
        "at": instant(feedback.at) if feedback.at else None,
        "labels": dict(feedback.labels),
        "metadata": dict(feedback.metadata),
        "counts": dict(feedback.counts),
        "objects": [
            {"object": ref_form(one.ref), "operation": one.operation, "outcome": one.outcome}
            for one in feedback.objects
        ],
        "omittedCount": feedback.omitted_count,
        "subject": dict(feedback.subject),
        "title": feedback.title,
        "outcome": feedback.outcome,
        "message": feedback.message,
        "markdown": feedback.markdown,
        "rollout": feedback.rollout,
        "cluster": feedback.cluster,
        "revision": feedback.revision,
        "repository": feedback.repository,
        "planId": feedback.plan_id,
        "runId": feedback.run_id,
        "group": feedback.group,
        "step": feedback.step,
        "url": feedback.url,
        "actor": feedback.actor,
        "trigger": feedback.trigger,
    }


def read_feedback_form(form: Mapping[str, Any]) -> Feedback:
    """Return what such JSON of ours says.

    Raises:
        KeyError, TypeError, ValueError: It is not of that form.
    """
    return Feedback(
        **{name: str(form[key]) for key, name in _TEXTS.items()},
        lines=tuple(form["lines"]),
        machine=dict(form),
        event=Event(form["event"]),
        severity=Severity(form["severity"]),
        reason=Reason(form["reason"]) if form["reason"] else None,
        number=int(form["number"]),
        at=datetime.fromisoformat(form["at"]) if form["at"] else None,
        labels=dict(form["labels"]),
        metadata=dict(form["metadata"]),
        counts=dict(form["counts"]),
        objects=tuple(
            TouchedObject(
                ref=ObjectRef(**one["object"]), operation=one["operation"], outcome=one["outcome"]
            )
            for one in form["objects"]
        ),
        omitted_count=int(form["omittedCount"]),
        subject=dict(form["subject"]),
    )


def feedback_schema() -> dict[str, Any]:
    """Return the JSON Schema of what a webhook gets."""
    return schema_of_form("Feedback", FeedbackForm, (FeedbackForm, TouchedForm))
