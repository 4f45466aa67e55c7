"""The shapes of ``machine``'s JSON, as types and as JSON Schemas.

Before: ``machine`` fills them. After: programs read them, editors and tests check them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired

from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_BASE = "https://rollwright.dev/schemas/v1alpha1"


class RefForm(TypedDict):
    """The identity of an object in one cluster."""

    group: str
    """API group; empty for the core API."""
    kind: str
    namespace: str
    """Empty for cluster-wide objects."""
    name: str


class ReasonForm(TypedDict):
    """An object, and why something is so."""

    object: RefForm
    why: str


class SummaryForm(TypedDict):
    """How many objects each operation has."""

    create: int
    update: int
    adopt: int
    replace: int
    prune: int
    keep: int


class GuardForm(TypedDict):
    """A guard that was evaluated."""

    id: str
    limit: str
    """What it allows."""
    value: str
    """What it found."""
    isBreached: bool
    message: str
    waivedBy: str
    """The flag or approval that lets it pass; empty for none."""


class EdgeForm(TypedDict):
    """Why a change waits."""

    object: RefForm
    """What it waits for."""
    rule: str


class GateForm(TypedDict):
    """Many changes that many others wait for."""

    id: str
    rule: str
    members: list[RefForm]


class OriginForm(TypedDict):
    """Where an object was written."""

    key: str
    file: str
    line: int
    """Zero when no line is known."""


class LiveForm(TypedDict):
    """The object in the cluster as it was read."""

    uid: str
    resourceVersion: str


class FieldForm(TypedDict):
    """One field that differs; ``old`` or ``new`` is left out where there is none."""

    path: str
    old: NotRequired[Any]
    """Value before; of a Secret its digest."""
    new: NotRequired[Any]
    """Value after; of a Secret its digest."""


class ConflictForm(TypedDict):
    """A field that is taken from another manager."""

    path: str
    manager: str
    message: str


class WarningForm(TypedDict):
    """Something to know that does not change the verdict."""

    code: str
    text: str


class EvidenceForm(TypedDict):
    """An object that a verdict rests on: a pod, an event, a condition."""

    kind: str
    name: str
    uid: str
    text: str


class ObjectStatusForm(TypedDict):
    """The verdict on one object."""

    object: RefForm
    status: str
    """Current, InProgress, Suspended, Failed, Terminating, NotFound or Unknown."""
    reason: str
    """A code in CamelCase."""
    message: str
    """One sentence for a person."""
    rule: str
    """The rule that decided."""
    since: str | None
    """When this status began, if that is known."""
    warnings: list[WarningForm]
    evidence: list[EvidenceForm]


class ChangeForm(TypedDict):
    """One object's fate."""

    object: RefForm
    apiVersion: str
    operation: str
    """create, update, adopt, replace, prune or keep."""
    why: str
    origin: OriginForm | None
    """Null for a prune."""
    live: LiveForm | None
    """Null when the object does not exist."""
    wantedDigest: str | None
    """Digest of what will be sent; null for a prune."""
    prediction: str
    """How the outcome is known: server, simulated or none."""
    predictedDigest: str
    fields: list[FieldForm]
    conflicts: list[ConflictForm]
    wave: int
    level: int
    needs: list[EdgeForm]
    gates: list[str]
    """Ids of the gates of its step that it waits for."""
    status: ObjectStatusForm | None
    """The verdict on the live object when the plan was made."""
    isImmutable: bool
    """Whether it is replaced because a field cannot change in place."""
    isHealthSkipped: bool
    isOwned: bool
    notes: list[str]


class StepForm(TypedDict):
    """A unit of execution."""

    name: str
    action: str
    needs: list[str]
    """Steps that must have ended before."""
    gates: list[GateForm]
    changes: list[ChangeForm]


class WaveForm(TypedDict):
    """Steps between two barriers."""

    name: str
    steps: list[StepForm]


class PlanForm(TypedDict):
    """All of what a rollout would do, and why; made before anything happens."""

    apiVersion: str
    kind: str
    rollout: str
    cluster: str
    clusterId: str
    serverVersion: str
    id: str
    """Digest over everything that decides what happens; an approval names it."""
    source: str
    """Immutable revision of the source."""
    madeAt: str
    isDone: bool
    """Whether there is nothing to write, to wait for or to remember."""
    summary: SummaryForm
    guards: list[GuardForm]
    waves: list[WaveForm]
    kept: list[ReasonForm]
    """Objects that nobody wants any more and that stay."""
    forgotten: list[ReasonForm]
    """Entries of the inventory that are dropped."""
    notes: list[str]


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


class InterruptedForm(TypedDict):
    """A run that began and did not end."""

    runId: str
    planId: str
    owner: str
    token: int
    startedAt: str
    planned: list[RefForm]


class HoldForm(TypedDict):
    """Why a rollout is frozen."""

    reason: str
    actor: str
    since: str
    source: str


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
    objects: list[ObjectStatusForm]
    """Worst first."""
    survivors: list[ReasonForm]
    """Objects that nobody wants any more and that are still there."""


FORMS: Mapping[str, Any] = {"Plan": PlanForm, "Report": ReportForm, "Status": StatusForm}
"""The kinds of documents that programs get."""

_INSTANTS = frozenset({"madeAt", "startedAt", "endedAt", "readAt", "receivedAt", "since"})


def machine_schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of one of ``FORMS``."""
    from pydantic import TypeAdapter  # noqa: PLC0415  (0.1 s; printing a plan needs none)

    for form in _all_forms():
        # A statement in the body of a TypedDict is an error, so this is said from outside.
        form.__pydantic_config__ = {"use_attribute_docstrings": True}
    schema = _tidied(TypeAdapter(FORMS[kind]).json_schema())
    fields = schema["properties"]
    fields["apiVersion"] = {"const": "rollwright.dev/v1alpha1"}
    fields["kind"] = {"const": kind}
    head = {"$schema": _DIALECT, "$id": f"{_BASE}/{kind.lower()}.json", "title": kind}
    return {**head, **schema}


def _all_forms() -> list[Any]:
    return [one for name, one in globals().items() if name.endswith("Form")]


def _tidied(value: Any) -> Any:
    """Drop generated titles, and say which texts are instants."""
    if isinstance(value, list):
        return [_tidied(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: _tidied(item) for key, item in value.items() if key != "title"}
    for name, form in (found.get("properties") or {}).items():
        if name in _INSTANTS:
            form.update(_as_instant(form))
    return found


def _as_instant(form: dict[str, Any]) -> dict[str, Any]:
    text = {"type": "string", "format": "date-time"}
    return {"anyOf": [text, {"type": "null"}]} if "anyOf" in form else text
