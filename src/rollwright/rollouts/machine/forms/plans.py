"""The shape of a plan: changes, steps, guards, what goes along, as JSON."""

from __future__ import annotations

from typing import Any, NotRequired

from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from rollwright.rollouts.machine.forms.parts import (
    ConflictForm,
    EdgeForm,
    FieldForm,
    GateForm,
    GuardForm,
    LiveForm,
    ObjectStatusForm,
    OriginForm,
    ReasonForm,
    RefForm,
    SummaryForm,
)


class ChangeForm(TypedDict):
    """One object's fate."""

    object: RefForm
    apiVersion: str
    operation: str
    """create, update, adopt, replace, prune, run (handed to the action of its step) or keep."""
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
