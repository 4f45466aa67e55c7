"""One object's fate, and the plan of a whole rollout.

Before: ``renderers`` made the wanted objects, ``kube`` read the live ones and forecast changes.
After: ``engine.writing.execute`` runs the waves; ``report`` concludes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from rollwright.rollouts.diff import Conflict, FieldChange
from rollwright.rollouts.manifest import Body, Manifest, ObjectRef
from rollwright.rollouts.ownership.fields import MANAGER
from rollwright.rollouts.ownership.migration import Migration
from rollwright.rollouts.pruning.effects import Effect
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
        """Whether carrying it out sends anything."""
        return self.operation is not Operation.KEEP

    @property
    def is_made_anew(self) -> bool:
        """Whether a step deletes the object first, so that no dry run can be made of it."""
        return bool(self.follows) or self.way is Way.RECREATE

    @property
    def is_settled(self) -> bool:
        """Whether nobody has to wait for the object as it is."""
        is_current = self.status is not None and self.status.is_current
        return self.is_skipped or (not self.follows and (self.is_passed or is_current))


STAYS = "stays"
"""Limit of a guard that lets single objects stay, and the rest of the plan pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """One guard that was evaluated: what it allows, what it found, and its verdict.

    ``waived_by`` names the flag or approval that lets a breached guard pass; ``is_waivable``
    marks one that whoever approves the plan lets pass with it.
    """

    id: str
    limit: str
    value: str
    is_breached: bool
    message: str = ""
    waived_by: str = ""
    is_waivable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plugin that a step uses: its name, its options as JSON text, what it will do in words."""

    name: str
    options: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedHook:
    """A rendered hook that a step runs.

    Attributes:
        phase: When it runs, such as ``pre-apply``.
        weight: Its turn in the phase; lower comes first.
        ref: The object; without a name where it gets one when it runs.
        number: Its place among the hooks of the plan.
    """

    phase: str
    weight: int
    ref: ObjectRef
    number: int


@dataclass(frozen=True, kw_only=True)
class Step:
    """A unit of execution: changes that one action carries out, ordered by their ``needs``.

    Attributes:
        name: Of the step; ``group/step`` where a document declares groups.
        action: Name of the action.
        changes: What becomes of its objects; a plugin's action has some, too, but only to name
            them.
        needs: The steps that must have ended before this one starts.
        group: Its group; empty where the order comes from dependencies only.
        plugin: The action's options and what it will do; ``None`` without groups.
        success: Checks that must hold, in order, on each object; without any it must be Current.
        failure: Checks that end the step as failed.
        must_wait: Whether objects without a check are waited for.
        continue_on_error: Whether the run goes on although this step failed.
        timeout: How long it may take with all its checks; ``None`` for no limit of its own.
        retry_count: How often it is tried again after an error that can pass.
        is_settled: Whether nothing of it has to be looked at again, if its objects are settled.
        digest: Of what is declared of it, so that a resumed run knows it again.
        done_by: The interrupted run that has carried it out already; empty if it is to be done.
        hook: The hook that it runs, and nothing else; ``None`` of every other step.
    """

    name: str
    action: str
    changes: tuple[Change, ...]
    gates: tuple[Gate, ...] = ()
    needs: tuple[str, ...] = ()
    group: str = ""
    plugin: Planned | None = None
    success: tuple[Planned, ...] = ()
    failure: tuple[Planned, ...] = ()
    must_wait: bool = True
    continue_on_error: bool = False
    timeout: timedelta | None = None
    retry_count: int = 0
    is_settled: bool = True
    digest: str = ""
    done_by: str = ""
    hook: PlannedHook | None = None

    @property
    def has_checks(self) -> bool:
        """Whether it says itself when it has succeeded or failed."""
        return bool(self.success or self.failure)


@dataclass(frozen=True, kw_only=True)
class Wave:
    """Steps between two barriers."""

    name: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """Which revision a plan goes back to, and from what.

    Attributes:
        revision: The revision that comes back.
        snapshot: Of its rendered set.
        reason: Why, for people; the hold repeats it.
        bad_digest: Of the set that is left; empty when it is the same one.
        bad_source: What that set was rendered from.
        left_snapshot: Of the set that is left, with its steps for a rollback; empty if none is
            known.
    """

    revision: int
    snapshot: str
    reason: str
    bad_digest: str = ""
    bad_source: str = ""
    left_snapshot: str = ""


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
        rollback: Which revision it goes back to; ``None`` if it goes forward.
        allowed: Names of objects that somebody let go, for when that is asked again.
        is_pinned: Whether each write names the version that was verified (VR-07).
        blast: What the deletions take along.
        undo: Steps to run if the run is rolled back: those of each group, in the order of groups.
            Of a rollback those of the set that is left, which run before anything else.
        course_digest: Of the groups that the document declares; empty without groups.
        hooks: Every hook of the set, whether a step runs it or not.
        on_failure: Hooks that run only if the run fails.
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
    rollback: Rollback | None = None
    allowed: tuple[str, ...] = ()
    is_pinned: bool = False
    blast: tuple[Effect, ...] = field(default=(), repr=False)
    undo: tuple[Wave, ...] = field(default=(), repr=False)
    course_digest: str = ""
    hooks: tuple[Manifest, ...] = field(default=(), repr=False)
    on_failure: tuple[Wave, ...] = field(default=(), repr=False)

    @property
    def steps(self) -> Iterator[Step]:
        """Every step, in the order of the waves."""
        return (step for wave in self.waves for step in wave.steps)

    @property
    def changes(self) -> Iterator[Change]:
        """Every change, in the order of the waves."""
        return (change for wave in self.waves for step in wave.steps for change in step.changes)

    @property
    def placed_changes(self) -> Iterator[tuple[Step, Change]]:
        """Every change with its step, in the order of the waves."""
        return ((step, change) for step in self.steps for change in step.changes)

    @property
    def manifests(self) -> tuple[Manifest, ...]:
        """The rendered objects that it was made for; with groups all that a step names."""
        steps = (*self.steps, *(step for wave in self.undo for step in wave.steps))
        found = {
            change.ref: change.wanted
            for step in steps
            for change in step.changes
            if change.wanted and (change.is_owned or step.group)
        }
        hooks = (one for one in self.hooks if found.get(one.ref) != one)
        return (*found.values(), *hooks)

    @property
    def is_removal(self) -> bool:
        """Whether it removes the whole rollout: nothing at all is wanted."""
        return not self.wanted_digest

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to write, nothing to wait for and nothing to remember."""
        if self.forgotten or not self.is_remembered:
            return False
        if self.rollback and not all(s.done_by for wave in self.undo for s in wave.steps):
            return False
        if not all(step.is_settled for step in self.steps):
            return False
        return all(
            not change.writes and change.is_remembered and change.is_settled
            for change in self.changes
        )

    @property
    def breached(self) -> tuple[Guard, ...]:
        """The guards that say no and that nobody waived."""
        return tuple(g for g in self.guards if g.is_breached and not g.waived_by)
