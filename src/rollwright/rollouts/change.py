"""One object's fate: what happens to it, why, how that is known, and by which request.

Before: ``fates`` and the actions of steps decide it; the server was asked.
After: ``plan`` puts changes into steps; ``engine.writing`` carries them out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from rollwright.rollouts.diff import Conflict, FieldChange
from rollwright.rollouts.manifest import Body, Manifest, ObjectRef
from rollwright.rollouts.ownership.fields import MANAGER
from rollwright.rollouts.ownership.migration import Migration
from rollwright.rollouts.status import ObjectStatus


class Operation(StrEnum):
    """The verb of a change."""

    CREATE = "create"
    UPDATE = "update"
    ADOPT = "adopt"
    REPLACE = "replace"
    PRUNE = "prune"
    RUN = "run"
    """The action of its step gets it, such as a Job to run; we write nothing of it ourselves."""
    KEEP = "keep"


class Prediction(StrEnum):
    """How a change's outcome is known before it happens."""

    SERVER = "server"
    SERVER_MIGRATION = "server+migration"
    SIMULATED = "simulated"
    NONE = "none"


class Way(StrEnum):
    """How a change is carried out: by which request."""

    APPLY = "apply"
    """A server-side apply."""
    CREATE = "create"
    """A POST; an object that exists is left alone."""
    PUT = "put"
    """A GET and a PUT of the whole object."""
    PATCH = "patch"
    """The patch of the step."""
    RECREATE = "recreate"
    """A DELETE and, when the object is gone, a server-side apply."""
    DELETE = "delete"
    """A DELETE of exactly the object that was looked at."""
    NONE = "none"
    """Nothing is sent by us: it is waited for, or a plugin carries it out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The server's answer to a dry run of one object, or why there is none.

    Attributes:
        prediction: ``simulated`` when kind or namespace come with the same plan, ``none`` when
            nobody asked.
        body: The predicted object; ``None`` unless ``prediction`` is ``server``.
        conflicts: Fields that a forced apply would take from other managers.
        immutable: Fields that can only change by recreating the object, with the server's words.
        webhook: The admission webhook that kept the server from answering (AP-65).
        notes: What a reviewer must know of the prediction.
        sent: What would be sent, if fields are left to other managers; else ``None``.
    """

    prediction: Prediction
    body: Body | None = field(default=None, repr=False)
    conflicts: tuple[Conflict, ...] = ()
    immutable: tuple[str, ...] = ()
    webhook: str = ""
    notes: tuple[str, ...] = ()
    sent: Body | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """Why a change waits: the object it waits for, and the rule that says so."""

    ref: ObjectRef
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Many changes that many others wait for, kept as one so that the graph stays small.

    Attributes:
        id: Unique in its plan.
        rule: The rule that says so, such as ``OR-34``.
        members: What must be done before the gate opens.
    """

    id: str
    rule: str
    members: tuple[ObjectRef, ...]


@dataclass(frozen=True, kw_only=True)
class Change:
    """One object's fate.

    Attributes:
        ref: The object.
        api_version: The version it is written and read in.
        operation: What happens to it.
        why: Why, in a few words.
        wanted: What was rendered; ``None`` for a prune.
        sent: What will be sent, where that differs: fields that belong to others are left out, or
            stand as they are live.
        manager: The field manager it is applied by.
        migration: What is taken over of other managers just before (AP-45).
        taken_over: Their names.
        ignored: Fields that are left as they are (``apply.ignore``).
        rules_digest: Of the rules that made ``sent`` differ.
        live_uid, live_resource_version: Of the object as it was read; empty when absent.
        live_digest: Of what was declared in the object as it was read; a status does not count.
        prediction: How the outcome is known.
        predicted_digest: Of the predicted object without what the server counts.
        predicted_owned_digest: Of the fields that will be ours then.
        fields: What changes, field by field; Secret values stand as digests.
        conflicts: Fields that are taken from other managers.
        wave: Barrier number; changes of a wave start when all of the wave before are done.
        level: Longest path inside the wave, for display.
        needs: What it waits for inside its wave.
        gates: Ids of the gates of its step that it waits for.
        status: The verdict on the live object when the plan was made.
        is_owned: Whether the rollout owns it from then on; false for the target's namespace,
            which is created where it is missing and then left alone.
        is_remembered: Whether the inventory already says all that a later run needs to know.
        owned_digest: Of the live fields that are ours, for a kept object.
        is_immutable: Whether it is replaced because a field cannot change in place; that needs a
            permission.
        is_passed: Whether a wait for the live object would end well at once, Current or not.
        is_skipped: Whether its health is left out (``health.skip``, or its annotation).
        propagation: What becomes of the objects that it owns when it is deleted.
        webhook: The admission webhook because of which nothing could be predicted.
        notes: What a reviewer must know.
        way: By which request it is carried out.
        follows: The step that writes the object before this one does, if any: then it is not
            compared with what was live when the plan was made.
    """

    ref: ObjectRef
    api_version: str
    operation: Operation
    why: str = ""
    wanted: Manifest | None = None
    live_uid: str = ""
    live_resource_version: str = ""
    live_digest: str = ""
    prediction: Prediction = Prediction.NONE
    predicted_digest: str = ""
    predicted_owned_digest: str = ""
    fields: tuple[FieldChange, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    wave: int = 0
    level: int = 0
    needs: tuple[Edge, ...] = ()
    gates: tuple[str, ...] = ()
    is_owned: bool = True
    is_remembered: bool = True
    is_immutable: bool = False
    is_passed: bool = False
    is_skipped: bool = False
    owned_digest: str = ""
    status: ObjectStatus | None = None
    propagation: str = "foreground"
    webhook: str = ""
    notes: tuple[str, ...] = ()
    sent: Manifest | None = None
    manager: str = MANAGER
    migration: Migration | None = None
    taken_over: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    rules_digest: str = ""
    way: Way = Way.APPLY
    follows: str = ""

    @property
    def writes(self) -> bool:
        """Whether carrying it out sends anything of ours."""
        return self.operation not in {Operation.KEEP, Operation.RUN}

    @property
    def is_made_anew(self) -> bool:
        """Whether a step deletes the object first, so that no dry run can be made of it."""
        return bool(self.follows) or self.way is Way.RECREATE

    @property
    def is_settled(self) -> bool:
        """Whether nobody has to wait for the object as it is."""
        is_current = self.status is not None and self.status.is_current
        return self.is_skipped or (not self.follows and (self.is_passed or is_current))
