"""What is remembered about a rollout until its next run.

Before: ``report`` concluded a run.
After: a store keeps the state; the next ``plan`` reads it.

The inventory is widened before the first write and made exact after the last one, so a crash
leaves a superset and nothing that was applied is ever forgotten (IN-02).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from rollwright.rollouts.manifest import ObjectRef

FORMAT = 1
"""Version of the stored form; a newer one is refused, an older one is upgraded on load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryEntry:
    """One object that a rollout owns.

    Attributes:
        ref: The object.
        api_version: The version it was last applied in; it is read in that version again.
        uid: Of the object that was applied; empty while only intended.
        wanted_digest: Of the body that was wanted.
        rules_digest: Of the rules of the document by which a different body was sent.
        owned_digest: Of the live fields that our manager owned right after that.
        resource_version: Right after that; equal means nothing at all has changed.
        wave: The wave it was applied in, for the order of deletes.
        why_kept: Why it is still here although nobody wants it (a survivor of a prune).
        keeping: Annotations of what was sent that keep it from being deleted, ``name: value``.
    """

    ref: ObjectRef
    api_version: str
    uid: str = ""
    wanted_digest: str = ""
    rules_digest: str = ""
    owned_digest: str = ""
    resource_version: str = ""
    wave: int = 0
    why_kept: str = ""
    keeping: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One run that changed something or tried to.

    Attributes:
        number: Counts up from 1.
        source: Immutable revision of the source.
        digest: Of the rendered set.
        outcome: How the run ended.
        actor: Who asked for it.
        snapshot: Names the stored set of rendered objects; empty if none is kept.
        plan_id: The plan that was carried out.
        kind: What set the run off: ``manual``, ``rollback``, …
        rolled_back_to: The revision that this run went back to; zero if it did not.
        message: First line of the report.
        url: Of a page about the run, such as its flow run; empty if there is none.
    """

    number: int
    source: str
    digest: str
    outcome: str
    actor: str
    started_at: datetime
    ended_at: datetime
    snapshot: str = ""
    plan_id: str = ""
    kind: str = ""
    rolled_back_to: int = 0
    message: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoneStep:
    """A step that a run has carried out, and that must not be carried out again by a resumed one.

    ``digest`` is of what was declared of it; ``note`` says how it ended where that is not as it
    should, such as that it timed out and was reported.
    """

    step: str
    digest: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BegunStep:
    """A step that a run has begun; a resumed one goes on with it as of that moment."""

    step: str
    digest: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """A run that has begun and not yet been closed.

    ``planned`` names what it may write; ``token`` is the fencing token of its lock; ``digest`` is
    that of the set it was to bring about, rendered from ``source``; ``rolled_back_to`` is the
    revision that it was going back to. ``done`` are steps that it has carried out,
    ``begun`` those of plugins that it began; ``goes_on_from`` is the run that was interrupted first and that this one goes on from.
    ``url`` is that of a page about the run.
    """

    run_id: str
    plan_id: str
    owner: str
    token: int
    started_at: datetime
    planned: tuple[ObjectRef, ...] = ()
    digest: str = ""
    source: str = ""
    rolled_back_to: int = 0
    done: tuple[DoneStep, ...] = ()
    begun: tuple[BegunStep, ...] = ()
    goes_on_from: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A rollout is frozen until released, or until its source changes (RB-05, RB-07).

    Attributes:
        reason: Why, for people.
        actor: Who holds it.
        since_at: Since when.
        source: The source's revision that is not to be applied; empty when nothing is.
        bad_digest: Of the rendered set that is not to be applied; empty when nothing is. The hold
            ends by itself when the source renders to anything else.
        revision: The revision that is held.
        older_digests: Of sets that were gone back from before, and are not to be applied either.
    """

    reason: str
    actor: str
    since_at: datetime
    source: str = ""
    bad_digest: str = ""
    revision: int = 0
    older_digests: tuple[str, ...] = ()

    @property
    def bad_digests(self) -> frozenset[str]:
        """Of every set that is not to be applied; empty when nothing at all is."""
        return frozenset({self.bad_digest, *self.older_digests} - {""})

    @property
    def is_total(self) -> bool:
        """Whether nothing at all is to be applied, whatever the source renders (RB-07)."""
        return not self.bad_digests


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """The whole rollout is marked for deletion, and nothing is deleted yet (PR-31).

    Attributes:
        plan_id: The plan that the marks name.
        actor: Who marked it.
        marked_at: When.
        due_at: From when it may be deleted without a person's word.
        protected_due_at: From when objects of protected kinds may.
    """

    plan_id: str
    actor: str
    marked_at: datetime
    due_at: datetime
    protected_due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Something that somebody did beside the runs: a lock taken over, a hold, a release.

    ``kind`` is ``ownership.takeover``, ``break``, ``hold``, ``release``, ``mark``, ``cancel``, ``move``,
    ``forget``, ``approve`` or ``reject`` of a step, ``approval`` or ``rejection`` of a plan.
    """

    at: datetime
    kind: str
    actor: str
    message: str


LEFT_SNAPSHOT = "left snapshot"
"""Under this name ``extra`` names the snapshot of a set that a rollback would have to undo."""

AUDIT_KEPT = 50
"""How many audit entries a state keeps, the latest."""


@dataclass(frozen=True, kw_only=True)
class RolloutState:
    """What is remembered about one rollout in one cluster.

    ``version`` is what the store compares on save; empty before the first save. ``cluster_id``
    is the UID of the namespace kube-system: a state never serves another cluster.
    """

    rollout: str
    cluster_id: str = ""
    inventory: tuple[InventoryEntry, ...] = ()
    revisions: tuple[Revision, ...] = ()
    journal: Journal | None = None
    hold: Hold | None = None
    removal: Removal | None = None
    audit: tuple[AuditEntry, ...] = ()
    token: int = 0
    version: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def by_ref(self) -> Mapping[ObjectRef, InventoryEntry]:
        """The inventory by identity."""
        return {entry.ref: entry for entry in self.inventory}

    def audited(self, entry: AuditEntry) -> RolloutState:
        """Return the state with one more audit entry; the oldest go."""
        return replace(self, audit=(*self.audit, entry)[-AUDIT_KEPT:])

    @property
    def audit_in_time(self) -> tuple[AuditEntry, ...]:
        """The audit trail, the latest first: some of it is written down later than it was."""
        return tuple(sorted(self.audit, key=lambda one: one.at)[::-1])

    @property
    def taken_by_last(self) -> AuditEntry | None:
        """How the last run, open or ended, came by a lock that was not given back."""
        run = self.journal or self.last
        taken = [one for one in self.audit if one.kind in {"takeover", "break"}]
        return taken[-1] if run and taken and taken[-1].at >= run.started_at else None

    @property
    def last(self) -> Revision | None:
        """The latest revision, whatever its outcome."""
        return self.revisions[-1] if self.revisions else None


def widen(
    inventory: Iterable[InventoryEntry], planned: Iterable[InventoryEntry]
) -> tuple[InventoryEntry, ...]:
    """Return the union of what was applied and what will be; what was applied keeps its facts."""
    union = {entry.ref: entry for entry in planned}
    union.update({entry.ref: entry for entry in inventory})
    return tuple(union[ref] for ref in sorted(union))
