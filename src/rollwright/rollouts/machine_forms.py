"""The shapes of ``machine``'s JSON, as types and as JSON Schemas.

Before: ``machine`` fills them. After: programs read them, editors and tests check them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    isWaivable: bool
    """Whether an approval of the plan lets it pass."""


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
    by: NotRequired[str]
    """``ours``, ``server`` for defaults and admission, ``migration`` for what is taken over of
    another manager and not declared; left out where that is not known."""


class ConflictForm(TypedDict):
    """A field that another manager owns with another value."""

    path: str
    manager: str
    message: str
    """The server's words."""
    operation: str
    """Apply or Update."""
    subresource: str
    """Such as scale; empty for the object itself."""
    since: str | None
    """When the other manager last changed what it owns."""
    action: str
    """take, leave, adopt or fail."""
    theirValue: NotRequired[Any]
    """The live value; of a Secret its digest."""
    ourValue: NotRequired[Any]
    """The wanted value; of a Secret its digest."""


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
    """How the outcome is known: server, server+migration, simulated or none."""
    predictedDigest: str
    fields: list[FieldForm]
    conflicts: list[ConflictForm]
    takesOver: list[str]
    """Managers whose fields become ours just before the apply."""
    ignored: list[str]
    """Fields that are left as they are in the cluster."""
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
    propagation: str
    """What becomes of the objects that it owns when it is deleted."""
    notes: list[str]


class UseForm(TypedDict):
    """An action or a check of a step."""

    use: str
    options: NotRequired[Any]
    """Its options; secrets stand there as references only."""
    words: str
    """What it will do, in words."""


class DeclaredForm(TypedDict):
    """A step of declared groups."""

    group: str
    action: UseForm
    success: list[UseForm]
    failure: list[UseForm]
    mustWait: bool
    continueOnError: bool
    timeoutSeconds: float | None
    retries: int
    doneBy: str | None
    """The interrupted run that has carried it out already."""


class HookForm(TypedDict):
    """A rendered hook that a step runs."""

    phase: str
    """When it runs, such as pre-apply."""
    weight: int
    """Its turn in the phase; lower comes first."""
    object: RefForm
    """Without a name where it gets one when it runs."""


class StepForm(TypedDict):
    """A unit of execution."""

    name: str
    action: str
    needs: list[str]
    """Steps that must have ended before."""
    gates: list[GateForm]
    changes: list[ChangeForm]
    declared: NotRequired[DeclaredForm]
    """What the document says of it, where it declares groups."""
    hook: NotRequired[HookForm]
    """The hook that it runs, if it does."""


class WaveForm(TypedDict):
    """Steps between two barriers."""

    name: str
    steps: list[StepForm]


class RollbackForm(TypedDict):
    """Which revision a plan goes back to."""

    revision: int
    reason: str


class EffectForm(TypedDict):
    """What the deletion of one object takes along, or who loses something."""

    rule: str
    """Which part of the blast radius, such as BR-04."""
    object: RefForm
    text: str
    counts: dict[str, int]
    """How many objects of which kind."""
    isDataLost: bool
    isUnknown: bool
    """Whether it could not be counted."""


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
    undo: NotRequired[list[WaveForm]]
    """Steps that run only if the rollout is rolled back, the last group first."""
    onFailure: NotRequired[list[WaveForm]]
    """Hooks that run only if the run fails."""
    kept: list[ReasonForm]
    """Objects that nobody wants any more and that stay."""
    forgotten: list[ReasonForm]
    """Entries of the inventory that are dropped."""
    blast: list[EffectForm]
    """What the deletions take along."""
    allowed: list[str]
    """Names of protected objects that somebody let go."""
    notes: list[str]
    rollback: RollbackForm | None
    """Null if the plan goes forward."""


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
    objects: list[ObjectStatusForm]
    """Worst first."""
    survivors: list[ReasonForm]
    """Objects that nobody wants any more and that are still there."""


class HolderForm(TypedDict):
    """An entry of managedFields."""

    manager: str
    """Empty when nobody can be named."""
    operation: str
    """`Apply` or `Update`."""
    subresource: str
    """Such as `scale`; empty for the object itself."""
    at: str | None
    """When it last changed what it holds."""


class FieldDriftForm(TypedDict):
    """One field that differs; `old` or `new` is left out where there is none."""

    path: str
    old: NotRequired[Any]
    """What was rolled out; of a Secret its digest."""
    new: NotRequired[Any]
    """What is there; of a Secret its digest."""
    isLost: bool
    """Whether we no longer hold it."""
    changedBy: HolderForm | None
    """Who holds it now; nobody holds a field that is gone."""


class ObjectDriftForm(TypedDict):
    """One object that is not as the last rollout left it."""

    object: RefForm
    drift: str
    """`missing`, `recreated`, `changed`, `lost` (another manager holds the same values) or `extra`."""
    message: str
    changedBy: HolderForm | None
    """Who made or deleted the object as a whole, if that is known."""
    fields: list[FieldDriftForm]


class DriftForm(TypedDict):
    """What in the cluster differs from the last rollout."""

    apiVersion: str
    kind: str
    rollout: str
    cluster: str
    revision: int
    """The revision that was compared with; zero if none is known."""
    source: str
    readAt: str
    isDrifted: bool
    objectCount: int
    """How many objects were looked at."""
    objects: list[ObjectDriftForm]
    """Those that drifted, worst first."""
    notes: list[str]


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


FORMS: Mapping[str, Any] = {
    "History": HistoryForm,
    "Diff": DiffForm,
    "Plan": PlanForm,
    "Report": ReportForm,
    "Status": StatusForm,
    "Drift": DriftForm,
    "Removal": RemovedForm,
}
"""The kinds of documents that programs get."""

_INSTANTS = frozenset({
    "madeAt", "startedAt", "endedAt", "readAt", "receivedAt", "since", "at",
    "markedAt", "dueAt", "protectedDueAt",
})  # fmt: skip


def machine_schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of one of ``FORMS``."""
    return schema_of_form(kind, FORMS[kind])


def schema_of_form(kind: str, document: Any, more: Iterable[Any] = ()) -> dict[str, Any]:
    """Return the JSON Schema of a document whose form stands anywhere.

    Args:
        kind: Of the document.
        document: Its form.
        more: Forms of other modules that it is made of.
    """
    from pydantic import TypeAdapter  # noqa: PLC0415  (0.1 s; printing a plan needs none)

    for form in (*_all_forms(), *more):
        # A statement in the body of a TypedDict is an error, so this is said from outside.
        form.__pydantic_config__ = {"use_attribute_docstrings": True}
    schema = _tidied(TypeAdapter(document).json_schema())
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
