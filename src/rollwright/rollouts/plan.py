"""The plan of a whole rollout: waves of steps, each with its changes, and the guards.

Before: ``change`` is what becomes of one object; ``planning`` puts all of it together.
After: ``engine.writing.execute`` runs the waves; ``concluding`` says what became of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from rollwright.rollouts.change import Change, Gate
from rollwright.rollouts.manifest import Manifest, ObjectRef
from rollwright.rollouts.pruning.effects import Effect

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
