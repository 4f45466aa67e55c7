"""What would be sent of one object, before anybody asks the server.

Before: the wanted objects were rendered, the live ones read.
After: ``engine.reading.forecast`` sends it as a dry run; ``fates`` decides with the answer.

What is wanted and what is sent differ where a field belongs to somebody else: ``apply.ignore``,
the replicas of an autoscaled workload, conflicts that are left to the other manager.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rollwright.rollouts.drift.fields import stored
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import Body, Manifest, ObjectRef, Origin, digest_of, is_secret
from rollwright.rollouts.ownership.conflicts import ConflictPolicy, policy_for
from rollwright.rollouts.ownership.fields import MANAGER
from rollwright.rollouts.ownership.fieldsets import shown
from rollwright.rollouts.ownership.ignore import leave, owners_of, pointers_for
from rollwright.rollouts.ownership.migration import Migration, dropped_fields
from rollwright.rollouts.ownership.modes import UNSENT, Mode, manager_of, mode_of, own_manager
from rollwright.rollouts.ownership.scaling import Scaled, Scaler, leave_replicas, may_be_scaled
from rollwright.rollouts.ownership.takeover import handing_over, managers_of, marks_of
from rollwright.rollouts.spec import ApplyPolicy
from rollwright.rollouts.state import InventoryEntry


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """One object on its way to the server.

    Attributes:
        wanted: As it was rendered.
        sent: As it would be sent.
        live: As it is; ``None`` when there is none.
        manager: The field manager that it is applied by.
        mode: How much of it is ours to write.
        policy: What becomes of conflicts.
        migration: What is taken over before the apply; ``None`` when nothing has to be.
        ignored: Fields that are left as they are.
        notes: What a reviewer must know.
        is_rewritten: Whether the manifest is not what was applied last.
        rules: Digest of everything but the object that decides what is sent; empty for nothing.
    """

    wanted: Manifest
    sent: Manifest
    live: LiveObject | None = None
    manager: str = MANAGER
    mode: Mode = Mode.OVERRIDE
    policy: ConflictPolicy = field(default_factory=ConflictPolicy)
    migration: Migration | None = None
    ignored: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    is_rewritten: bool = True
    rules: str = ""

    @property
    def ref(self) -> ObjectRef:
        """The object's identity."""
        return self.wanted.ref

    @property
    def body(self) -> Body:
        """What would be sent."""
        return self.sent.body

    @property
    def origin(self) -> Origin:
        """Where it was written."""
        return self.wanted.origin

    @property
    def is_pressing(self) -> bool:
        """Whether something is taken over, be there other changes or not."""
        live, migration = self.live, self.migration
        return live is not None and migration is not None and migration.is_pressing(live)

    @property
    def taken_over(self) -> tuple[str, ...]:
        """The managers that we take over before the apply."""
        live, migration = self.live, self.migration
        return migration.managers(live) if live is not None and migration is not None else ()

    @property
    def may_be_scaled(self) -> bool:
        """Whether it matters if an autoscaler targets the live object."""
        if self.live is None or not isinstance(self.body.get("spec"), Mapping):
            return False
        return may_be_scaled(self.body, owners_of(self.live, taken_over_entries(self)))

    @property
    def is_asked_about(self) -> bool:
        """Whether it would be sent at all, as things are."""
        is_there = self.live is not None and not self.live.is_being_deleted
        is_left = self.mode is Mode.IF_NOT_PRESENT and is_there
        return self.mode not in UNSENT and not is_left

    @property
    def api_version(self) -> str:
        """The version it is written in."""
        return self.wanted.api_version

    def sending(self, body: Body) -> Proposal:
        """Return the proposal with another body."""
        return replace(self, sent=replace(self.wanted, body=body))


def as_kept(manifest: Manifest) -> Manifest:
    """Return a Secret as the server keeps it, with ``data`` only; any other object as it is.

    A key that leaves ``stringData`` would stay in ``data``, where nobody owns it.
    """
    texts = manifest.body.get("stringData")
    if not is_secret(manifest.body) or not isinstance(texts, Mapping):
        return manifest
    if not all(isinstance(text, str) for text in texts.values()):
        return manifest  # the server says what is wrong with it
    return replace(manifest, body=stored(manifest.body))


def as_is(manifest: Manifest, live: LiveObject | None = None) -> Proposal:
    """Return the proposal to send an object as it was rendered."""
    return Proposal(wanted=manifest, sent=as_kept(manifest), live=live)


def taken_over_entries(proposal: Proposal) -> tuple[Mapping[str, Any], ...]:
    """Return the entries of managedFields that are ours, or become ours before the apply."""
    live = proposal.live
    if live is None:
        return ()
    plain = Migration(
        api_version=proposal.api_version, manager=proposal.manager, is_client_side=False
    )
    return ours_of(live, proposal.migration or plain)


def propose(
    manifest: Manifest,
    live: LiveObject | None,
    entry: InventoryEntry | None,
    apply: ApplyPolicy,
    scaled: Scaled,
) -> Proposal:
    """Return what would be sent of an object.

    Args:
        manifest: What is wanted.
        live: What is there.
        entry: What our inventory remembers.
        apply: The document's rules.
        scaled: Workloads that autoscalers target.
    """
    mode, scaler = mode_of(manifest), scaled.get(manifest.ref)
    policy = policy_for(manifest, apply.conflicts, is_forced=apply.force)
    fresh = Proposal(
        wanted=manifest, sent=as_kept(manifest), live=live, manager=manager_of(manifest), mode=mode,
        policy=policy, rules=_rules_digest(manifest, apply, policy, scaler),
        is_rewritten=entry is None or entry.wanted_digest != manifest.digest,
    )  # fmt: skip
    if live is None or live.is_being_deleted:
        return fresh
    migration = _migration(manifest, live, entry, apply)
    adjusted = _without_others_fields(fresh, live, migration, apply, scaler)
    return _with_migration(adjusted, migration)


def _rules_digest(
    manifest: Manifest, apply: ApplyPolicy, policy: ConflictPolicy, scaler: Scaler | None
) -> str:
    """Return the digest of the document's rules that mean an object; empty if none does.

    A live autoscaler is no rule of the document; nobody looks for one while nothing changes.
    """
    pointers = pointers_for(apply.ignore, manifest)
    is_scaled = scaler is not None and scaler.is_declared
    if not pointers and not policy.rules and not is_scaled:
        return ""
    rules = [rule.model_dump(mode="json") for rule in policy.rules]
    return digest_of([pointers, rules, is_scaled])


def _without_others_fields(
    fresh: Proposal,
    live: LiveObject,
    migration: Migration,
    apply: ApplyPolicy,
    scaler: Scaler | None,
) -> Proposal:
    pointers = pointers_for(apply.ignore, fresh.wanted)
    if not pointers and scaler is None:
        return fresh
    owners = owners_of(live, ours_of(live, migration))
    body, places = leave(fresh.body, live, pointers, owners)
    notes = [f"leaves {shown(place)} as it is (apply.ignore)" for place in places]
    if scaler is not None:
        body, is_left = leave_replicas(body, live, owners)
        notes += [f"leaves spec.replicas to {scaler}"] if is_left else []
    changed = fresh if body is fresh.body else fresh.sending(body)
    return replace(changed, ignored=tuple(shown(place) for place in places), notes=tuple(notes))


def ours_of(live: LiveObject, migration: Migration) -> tuple[Mapping[str, Any], ...]:
    """Return the entries of managedFields that are ours, or become ours."""
    entries = live.metadata.get("managedFields") or ()
    return tuple(one for one in entries if migration.folds(one) or migration.is_own(one))


def _migration(
    manifest: Manifest, live: LiveObject, entry: InventoryEntry | None, apply: ApplyPolicy
) -> Migration:
    """Return what may be taken over of an object; a merge takes nothing from anybody."""
    manager, own = manager_of(manifest), own_manager(manifest)
    former = frozenset({MANAGER, own} - {manager, ""})
    if mode_of(manifest) is Mode.MERGE:
        return Migration(
            api_version=manifest.api_version, manager=manager, former=former, is_client_side=False
        )
    tools = handing_over(apply.adopt, apply.takeover)
    marks = [marks_of(tool, live, manifest) for tool in sorted(tools)]
    return Migration(
        api_version=manifest.api_version,
        manager=manager,
        former=former,
        tools=managers_of(tools),
        labels=tuple(one for mark in marks for one in mark.labels),
        annotations=tuple(one for mark in marks for one in mark.annotations),
        is_first=entry is None or not entry.wanted_digest or entry.uid != live.uid,
        is_client_side=apply.migrate_client_side,
    )


def _with_migration(proposal: Proposal, migration: Migration) -> Proposal:
    live = proposal.live
    if live is None or proposal.mode not in {Mode.OVERRIDE, Mode.MERGE}:
        return proposal
    if migration.is_client_side and not migration.is_first and proposal.is_rewritten:
        dropped = dropped_fields(live.owned_fields, as_kept(proposal.wanted).body)
        migration = replace(migration, dropped=dropped)
    return replace(proposal, migration=migration) if migration.is_needed(live) else proposal
