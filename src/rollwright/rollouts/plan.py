"""One object's fate, and the plan of a whole rollout.

Before: ``renderers`` made the wanted objects, ``kube`` read the live ones and forecast changes.
After: ``engine.execute`` runs the waves; ``report`` concludes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from rollwright.rollouts.diff import Conflict, FieldChange
from rollwright.rollouts.manifest import Body, Manifest, ObjectRef
from rollwright.rollouts.status import ObjectStatus


class Operation(StrEnum):
    """The verb of a change."""

    CREATE = "create"
    UPDATE = "update"
    ADOPT = "adopt"
    REPLACE = "replace"
    PRUNE = "prune"
    KEEP = "keep"


class Prediction(StrEnum):
    """How a change's outcome is known before it happens."""

    SERVER = "server"
    SIMULATED = "simulated"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The server's answer to a dry run of one object, or why there is none.

    Attributes:
        prediction: ``simulated`` when kind or namespace come with the same plan, ``none`` when
            nobody asked.
        body: The predicted object; ``None`` unless ``prediction`` is ``server``.
        conflicts: Fields that a forced apply would take from other managers.
        immutable: Fields that can only change by recreating the object, with the server's words.
    """

    prediction: Prediction
    body: Body | None = None
    conflicts: tuple[Conflict, ...] = ()
    immutable: tuple[str, ...] = ()


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
        wanted: What will be sent; ``None`` for a prune.
        live_uid, live_resource_version: Of the object as it was read; empty when absent.
        live_digest: Of what was declared in the object as it was read; a status does not count.
        prediction: How the outcome is known.
        predicted_digest: Of the predicted object without what the server counts.
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
        notes: What a reviewer must know.
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
    notes: tuple[str, ...] = ()

    @property
    def writes(self) -> bool:
        """Whether carrying it out sends anything."""
        return self.operation is not Operation.KEEP

    @property
    def is_settled(self) -> bool:
        """Whether nobody has to wait for the object as it is."""
        is_current = self.status is not None and self.status.is_current
        return self.is_skipped or self.is_passed or is_current


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """One guard that was evaluated: what it allows, what it found, and its verdict.

    ``waived_by`` names the flag or approval that lets a breached guard pass.
    """

    id: str
    limit: str
    value: str
    is_breached: bool
    message: str = ""
    waived_by: str = ""


@dataclass(frozen=True, kw_only=True)
class Step:
    """A unit of execution: changes that one action carries out, ordered by their ``needs``.

    ``needs`` names the steps that must have ended before this one starts.
    """

    name: str
    action: str
    changes: tuple[Change, ...]
    gates: tuple[Gate, ...] = ()
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Wave:
    """Steps between two barriers."""

    name: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All of what a rollout would do, and why; made before anything happens.

    Attributes:
        id: Digest over everything that decides what happens; an approval names it.
        rollout, cluster, cluster_id: Which rollout, where.
        source: Immutable revision of the source.
        waves: In order. Kept objects are in them too, for what waits for them.
        guards: Every guard that was evaluated.
        kept: Objects of the inventory that nobody wants and that stay, with the reason.
        forgotten: Entries of the inventory that are dropped, with the reason.
        made_at: When the live objects were read.
        notes: What a reviewer must know about the whole.
        state_version: Of the state that was read.
        is_remembered: Whether the state needs no word about the whole: every kept object has its
            reason there, and no unfinished run is to be closed.
    """

    id: str
    rollout: str
    cluster: str
    cluster_id: str
    source: str
    # NB: asyncio shows the result of a finished main task when it hands SIGINT back, so what is
    # large has no place in a repr.
    waves: tuple[Wave, ...] = field(repr=False)
    guards: tuple[Guard, ...] = ()
    kept: Mapping[ObjectRef, str] = field(default_factory=dict)
    forgotten: Mapping[ObjectRef, str] = field(default_factory=dict)
    made_at: datetime
    notes: tuple[str, ...] = ()
    wanted_digest: str = ""
    server_version: str = ""
    state_version: str = ""
    is_remembered: bool = True

    @property
    def changes(self) -> Iterator[Change]:
        """Every change, in the order of the waves."""
        return (change for wave in self.waves for step in wave.steps for change in step.changes)

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to write, nothing to wait for and nothing to remember."""
        if self.forgotten or not self.is_remembered:
            return False
        return all(
            not change.writes and change.is_remembered and change.is_settled
            for change in self.changes
        )

    @property
    def breached(self) -> tuple[Guard, ...]:
        """The guards that say no and that nobody waived."""
        return tuple(g for g in self.guards if g.is_breached and not g.waived_by)
