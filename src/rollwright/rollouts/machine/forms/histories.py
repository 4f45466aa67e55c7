"""The shape of the revisions of a rollout, and how two of them differ, as JSON."""

from __future__ import annotations

from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from rollwright.rollouts.machine.forms.parts import FieldForm, RefForm
from rollwright.rollouts.machine.forms.states import HoldForm, RevisionForm


class AuditForm(TypedDict):
    """Something that somebody did beside the runs."""

    at: str
    kind: str
    """takeover, break, hold, release, mark, cancel, move or forget."""
    actor: str
    message: str


class HistoryForm(TypedDict):
    """What is remembered of the runs of one rollout."""

    apiVersion: str
    kind: str
    rollout: str
    cluster: str
    hold: HoldForm | None
    revisions: list[RevisionForm]
    """The latest first."""
    audit: list[AuditForm]
    """The latest first."""


class ObjectDiffForm(TypedDict):
    """One object that two revisions do not have in common."""

    object: RefForm
    change: str
    """added, removed or changed."""
    fields: list[FieldForm]
    """Of a changed object."""


class DiffForm(TypedDict):
    """How one revision differs from another."""

    apiVersion: str
    kind: str
    rollout: str
    cluster: str
    old: RevisionForm
    new: RevisionForm
    objects: list[ObjectDiffForm]
