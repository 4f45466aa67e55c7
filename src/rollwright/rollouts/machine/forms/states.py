"""The shape of what is remembered and live of a rollout, as JSON."""

from __future__ import annotations

from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from rollwright.rollouts.machine.forms.parts import ObjectStatusForm, ReasonForm, RefForm


class RevisionForm(TypedDict):
    """One run that changed something or tried to."""

    number: int
    source: str
    digest: str
    outcome: str
    actor: str
    startedAt: str
    endedAt: str
    durationSeconds: float | None
    kind: str
    """What set the run off, such as manual or rollback."""
    planId: str
    """The plan that was carried out."""
    rolledBackTo: int | None
    """The revision that the run went back to."""
    message: str
    """How it ended, in one sentence."""
    isKept: bool
    """Whether its objects are kept, so that it can be gone back to."""
    url: str
    """Of a page about the run, such as its flow run; empty if there is none."""


class InterruptedForm(TypedDict):
    """A run that began and did not end."""

    runId: str
    planId: str
    owner: str
    token: int
    startedAt: str
    planned: list[RefForm]
    digest: str
    """Of the set that the run was to bring about."""
    rolledBackTo: int | None
    """The revision that the run was going back to."""
    url: str
    """Of a page about the run, such as its flow run; empty if there is none."""


class HoldForm(TypedDict):
    """Why a rollout is frozen."""

    reason: str
    actor: str
    since: str
    source: str
    """The source's revision that is not to be applied; empty when nothing is."""
    revision: int | None
    """The revision that is held."""
    badDigests: list[str]
    """Of the sets that are not to be applied; none when nothing at all is."""


class RemovalForm(TypedDict):
    """The whole rollout is marked for deletion."""

    planId: str
    actor: str
    markedAt: str
    dueAt: str
    """From when it may be deleted without a person's word."""
    protectedDueAt: str
    """From when its objects of protected kinds may."""


class RemovedForm(TypedDict):
    """A rollout that was marked for deletion, freed of its marks, or forgotten."""

    apiVersion: str
    kind: str
    rollout: str
    action: str
    """mark, cancel, orphan or keep."""
    message: str
    objects: list[RefForm]
    """What was changed."""
    removal: RemovalForm | None
    """The mark that stands now."""


class ApprovalForm(TypedDict):
    """A plan that waits for an approval."""

    planId: str
    reason: str
    """Why somebody has to agree."""
    summary: str
    """What would be done, counted."""
    revision: str
    trigger: str
    """What set the run off, such as manual or schedule."""
    askedBy: str
    askedAt: str
    expiresAt: str
    """From when it is too late to answer."""
    run: str
    """The flow run that waits, or the trigger of a run that was refused."""
    runName: str
    """Name of the flow run that waits; empty without one."""


class QuestionForm(TypedDict):
    """A step that waits for a person."""

    step: str
    question: str
    since: str


class StatusForm(TypedDict):
    """What is live of one rollout."""

    apiVersion: str
    kind: str
    rollout: str
    cluster: str
    clusterId: str
    health: str
    """The worst verdict."""
    readAt: str
    revision: RevisionForm | None
    """The latest run."""
    interrupted: InterruptedForm | None
    """A run that began and did not end; the next one resumes it."""
    hold: HoldForm | None
    removal: RemovalForm | None
    """Whether the rollout is marked for deletion."""
    approval: ApprovalForm | None
    """The plan that waits for an approval."""
    questions: list[QuestionForm]
    """Steps of the run at work that wait for a person."""
    lastHandledTrigger: str | None
    """The token of the firing that was answered last, such as that of `rollwright trigger`."""
    objects: list[ObjectStatusForm]
    """Worst first."""
    survivors: list[ReasonForm]
    """Objects that nobody wants any more and that are still there."""
