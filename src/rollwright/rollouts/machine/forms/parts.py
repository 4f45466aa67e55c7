"""The shape of what several documents are made of: objects, reasons, verdicts, as JSON."""

from __future__ import annotations

from typing import Any, NotRequired

from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12


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
    """How many objects each operation has, and how many steps run an action of a plugin."""

    create: int
    update: int
    adopt: int
    replace: int
    prune: int
    run: int
    """Steps whose action runs: a Job, a call, a pause; their objects are in no other count."""
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
    """``ours``, ``server`` for defaults and admission, ``ownership.migration`` for what is taken over of
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
