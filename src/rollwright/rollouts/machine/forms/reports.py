"""The shape of what became of a run, as JSON."""

from __future__ import annotations

from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from rollwright.rollouts.machine.forms.parts import (
    ConflictForm,
    ObjectStatusForm,
    ReasonForm,
    RefForm,
    SummaryForm,
)
from rollwright.rollouts.machine.forms.plans import RollbackForm


class TriggerForm(TypedDict):
    """What set the run off."""

    id: str
    kind: str
    actor: str
    receivedAt: str
    revision: str


class CarriedOutForm(TypedDict):
    """The plan that was carried out, in short."""

    id: str
    source: str
    summary: SummaryForm
    kept: list[ReasonForm]
    notes: list[str]
    rollback: RollbackForm | None
    """Null if the plan went forward."""


class ChangeResultForm(TypedDict):
    """What became of one object."""

    object: RefForm
    operation: str
    outcome: str
    """succeeded, failed, skipped, timed-out, cancelled or not-started."""
    message: str
    hint: str
    uid: str
    resourceVersion: str
    conflicts: list[ConflictForm]
    status: ObjectStatusForm | None
    """The last verdict, if the object was looked at."""
    startedAt: str | None
    endedAt: str | None
    durationSeconds: float | None


class StepResultForm(TypedDict):
    """What became of one step."""

    name: str
    outcome: str
    message: str
    startedAt: str | None
    endedAt: str | None
    durationSeconds: float | None
    changes: list[ChangeResultForm]
    logs: dict[str, str]
    """What its containers and programs wrote, by their names."""


class RolledBackForm(TypedDict):
    """What became of going back to a former revision, because a run failed or was killed."""

    runId: str
    revision: int
    outcome: str
    message: str
    hint: str
    endedAt: str
    plan: CarriedOutForm
    steps: list[StepResultForm]
    statuses: list[ObjectStatusForm]


class ReportForm(TypedDict):
    """The record of one run."""

    apiVersion: str
    kind: str
    rollout: str
    cluster: str
    runId: str
    """Empty when nothing had to be done."""
    revision: int
    """Zero when nothing had to be done."""
    outcome: str
    """succeeded, failed, timed-out, cancelled or superseded (a newer run was desired)."""
    message: str
    """The worst object and its cause, or what was done."""
    hint: str
    startedAt: str
    endedAt: str
    durationSeconds: float | None
    trigger: TriggerForm
    plan: CarriedOutForm
    steps: list[StepResultForm]
    statuses: list[ObjectStatusForm]
    """The last verdict on each wanted object."""
    calls: dict[str, int]
    """API requests by kind."""
    rollback: RolledBackForm | None
    """Null unless a failed or a killed run was rolled back."""
