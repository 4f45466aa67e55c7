"""What in the cluster differs from the last rollout, field by field, and who changed it.

Before: the state was loaded, its objects read, the last rolled out set unpacked.
After: faces print it; correcting it is just another rollout.

Cheap first (DR-03): an object whose resourceVersion, or whose owned fields, are what we left has
not drifted. Only of the others the values are compared, and only where that leaves a doubt the
server is asked by a dry run. Nothing here asks: ``engine.reading.drift`` does, in between.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, cast

from rollwright.rollouts.diff import ABSENT
from rollwright.rollouts.drift.fields import FieldDrift, find_fields, masked, settled
from rollwright.rollouts.drift.holders import NOBODY, Holder, creator, holders, instant_of, leaves
from rollwright.rollouts.live import LiveObject, LiveSet
from rollwright.rollouts.manifest import Body, Manifest, ManifestSet, ObjectRef
from rollwright.rollouts.ownership.conflicts import ConflictPolicy
from rollwright.rollouts.ownership.modes import UNSENT, Mode
from rollwright.rollouts.ownership.proposals import Proposal, propose
from rollwright.rollouts.report import Outcome
from rollwright.rollouts.spec import ApplyPolicy
from rollwright.rollouts.spec.ownership import ConflictAction
from rollwright.rollouts.state import InventoryEntry, Revision, RolloutState

REPLICAS = "spec.replicas"
"""The field that an autoscaler may own (AP-37)."""

_LEFT_ALONE = UNSENT | {Mode.IF_NOT_PRESENT}
"""Modes in which an object that exists is never written again."""

_LEAVING = frozenset({ConflictAction.LEAVE, ConflictAction.ADOPT})
_NOT_OURS = frozenset({"deployment.kubernetes.io/revision"})
_NO_TRACE = "a deleted object leaves no trace, so nobody can be named"


class DriftKind(StrEnum):
    """What happened to an object, worst first."""

    MISSING = "missing"
    """It is not there, or is being deleted."""
    RECREATED = "recreated"
    """Another object of that name is there."""
    CHANGED = "changed"
    """Fields have other values."""
    LOST = "lost"
    """Fields have the same values, and another manager holds them."""
    EXTRA = "extra"
    """It carries our label, and we never made it (DR-12)."""


_SEVERITY = {kind: place for place, kind in enumerate(DriftKind)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectDrift:
    """One object that is not as the last rollout left it.

    Attributes:
        ref: The object.
        kind: What happened to it.
        message: One sentence for a person.
        fields: The fields that differ, with who changed each.
        holder: Who did it to the object as a whole, as far as that can be known.
    """

    ref: ObjectRef
    kind: DriftKind
    message: str
    fields: tuple[FieldDrift, ...] = ()
    holder: Holder = NOBODY


@dataclass(frozen=True, kw_only=True)
class Drift:
    """What differs of one rollout.

    Attributes:
        rollout, cluster: Which rollout, where.
        revision: The revision that was compared with; zero if none is known.
        source: Its source.
        object_count: Objects that were looked at.
        objects: Those that drifted, worst first.
        notes: What a reader has to know beside.
    """

    rollout: str
    cluster: str
    revision: int
    source: str
    read_at: datetime
    object_count: int
    objects: tuple[ObjectDrift, ...]
    notes: tuple[str, ...] = ()

    @property
    def is_drifted(self) -> bool:
        """Whether anything differs."""
        return bool(self.objects)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """An object that changed since the last rollout, with what seems to differ.

    Attributes:
        live: The object.
        proposal: What a rollout would send again; ``None`` when what was sent is not kept.
        is_recreated: Whether it is another object than the one that was applied.
        fields: What seems to differ.
    """

    live: LiveObject
    proposal: Proposal | None
    is_recreated: bool
    fields: tuple[FieldDrift, ...]

    @property
    def is_unclear(self) -> bool:
        """Whether only the server can say if it differs."""
        return self.proposal is not None and any(one.is_unclear for one in self.fields)

    @property
    def has_replicas(self) -> bool:
        """Whether an autoscaler may have done it."""
        return any(one.path == REPLICAS for one in self.fields)


def last_good(state: RolloutState) -> Revision | None:
    """Return the latest revision that was rolled out with success."""
    good = (one for one in reversed(state.revisions) if one.outcome == Outcome.SUCCEEDED.value)
    return next(good, None)


def find_suspects(
    state: RolloutState,
    wanted: ManifestSet | None,
    live: LiveSet,
    apply: ApplyPolicy | None = None,
) -> tuple[Suspect, ...]:
    """Return the objects that are there and not as our memory says (DR-03).

    Args:
        state: What is remembered.
        wanted: The set of the last good revision; ``None`` when it is not kept.
        live: What is there.
        apply: How that revision wrote objects: what it left to others is no drift (DR-05).
    """
    rules = apply or ApplyPolicy()
    is_exact = state.last is not None and state.last == last_good(state)
    manifests = wanted.by_ref() if wanted else {}
    since = state.last.started_at if state.last else None
    found = []
    for entry in _applied(state):
        one = live.get(entry.ref)
        if one is None or one.is_being_deleted or _is_as_left(entry, one):
            continue
        manifest = manifests.get(entry.ref)
        if manifest is not None and not is_exact and not _is_of(entry, manifest, live.salt):
            manifest = None  # a later run applied something else
        proposal = propose(manifest, one, entry, rules, {}) if manifest else None
        if proposal is None or proposal.mode not in _LEFT_ALONE:
            found.append(_suspect(entry, one, proposal, since))
    return tuple(found)


def _is_of(entry: InventoryEntry, manifest: Manifest, salt: str) -> bool:
    return replace(manifest, salt=salt).digest == entry.wanted_digest


def _applied(state: RolloutState) -> Iterator[InventoryEntry]:
    """Yield what a run left there; not what it only meant to make, or could not delete."""
    return (entry for entry in state.inventory if entry.uid and not entry.why_kept)


def _is_as_left(entry: InventoryEntry, live: LiveObject) -> bool:
    if live.uid != entry.uid:
        return False
    if entry.resource_version and live.resource_version == entry.resource_version:
        return True
    return live.owned_digest == entry.owned_digest


def _suspect(
    entry: InventoryEntry, live: LiveObject, proposal: Proposal | None, since: datetime | None
) -> Suspect:
    is_recreated = live.uid != entry.uid
    if proposal is not None:
        found = find_fields(proposal.body, live.body, proposal.manager)
        fields = tuple(one for one in found if not _is_left(proposal.policy, one))
    else:
        fields = () if is_recreated else tuple(_written_since(live, since))
    if is_recreated:
        # A new object is wholly its creator's: only values tell something.
        fields = tuple(one for one in fields if not one.is_same_value)
    return Suspect(live=live, proposal=proposal, is_recreated=is_recreated, fields=fields)


def _is_left(policy: ConflictPolicy, field: FieldDrift) -> bool:
    """Whether the document leaves a field to the manager that holds it now."""
    if field.is_ours or not field.holder.manager:
        return False
    return policy.judge(field.path, field.holder.manager) in _LEAVING


def _written_since(live: LiveObject, since: datetime | None) -> Iterator[FieldDrift]:
    """Yield what others wrote after the last rollout; what was there before nobody knows."""
    for holder, tree in holders(live.metadata):
        is_old = holder.at is not None and since is not None and holder.at < since
        if holder.is_us or holder.subresource == "status" or is_old:
            continue
        for steps in leaves(tree):
            path, value = _at(steps, live.body)
            if not any(name in path for name in _NOT_OURS):
                yield FieldDrift(path=path, old=ABSENT, new=value, holder=holder)


def _at(steps: Iterable[str], body: Body) -> tuple[str, Any]:
    """Follow the steps of FieldsV1; lists are not opened, their items stand by their keys."""
    path, value = "", cast("Any", body)
    for step in steps:
        marker, _, name = step.partition(":")
        path = f"{path}.{name}".lstrip(".") if marker == "f" else f"{path}[{name}]"
        value = value.get(name, ABSENT) if marker == "f" and isinstance(value, Mapping) else ABSENT
    return path, value


def conclude_drift(
    state: RolloutState,
    live: LiveSet,
    suspects: Iterable[Suspect],
    *,
    predicted: Mapping[ObjectRef, Body],
    scaled: Collection[ObjectRef] = (),
    extra: Iterable[LiveObject] = (),
) -> tuple[ObjectDrift, ...]:
    """Return what has drifted, worst first.

    Args:
        state: What is remembered.
        live: What is there.
        suspects: What ``find_suspects`` found.
        predicted: The server's answers for those that were unclear.
        scaled: Objects whose replicas an autoscaler owns.
        extra: Objects with our label that we do not know.
    """
    found = [
        *_missing(state, live),
        *(_judged(one, predicted, scaled, live.salt) for one in suspects),
        *map(_extra, extra),
    ]
    drifted = (one for one in found if one is not None)
    return tuple(sorted(drifted, key=lambda one: (_SEVERITY[one.kind], one.ref)))


def _missing(state: RolloutState, live: LiveSet) -> Iterator[ObjectDrift]:
    for entry in _applied(state):
        one = live.get(entry.ref)
        if one is not None and one.is_being_deleted:
            at = instant_of(one.metadata.get("deletionTimestamp"))
            when = f" since {at:%Y-%m-%d %H:%M:%SZ}" if at else ""
            yield ObjectDrift(
                ref=entry.ref, kind=DriftKind.MISSING,
                message=f"is being deleted{when}; nobody notes who asked for it",
                holder=Holder(at=at),
            )  # fmt: skip
        elif one is None and entry.ref not in live.unreadable:
            is_alone = entry.ref.namespace not in live.absent_namespaces
            why = "" if is_alone else f", nor does its namespace {entry.ref.namespace!r}"
            message = f"does not exist{why}; {_NO_TRACE}"
            yield ObjectDrift(ref=entry.ref, kind=DriftKind.MISSING, message=message)


def _judged(
    suspect: Suspect,
    predicted: Mapping[ObjectRef, Body],
    scaled: Collection[ObjectRef],
    salt: str,
) -> ObjectDrift | None:
    ref, fields = suspect.live.ref, suspect.fields
    answer = predicted.get(ref)
    if answer is not None and (proposal := suspect.proposal) is not None:
        fields = settled(fields, proposal.body, answer, proposal.manager)
    if ref in scaled:
        fields = tuple(one for one in fields if one.path != REPLICAS)
    has_gone = bool(suspect.fields) and not fields
    fields = masked(fields, suspect.live.body, salt)
    if suspect.is_recreated:
        return _recreated(suspect.live, fields)
    if suspect.proposal is None:
        return None if has_gone else _unknown(ref, fields)
    if not fields:
        return None
    return _changed(ref, fields)


def _changed(ref: ObjectRef, fields: tuple[FieldDrift, ...]) -> ObjectDrift:
    if all(one.is_same_value for one in fields):
        message = "has the values that were rolled out, but another manager holds them"
        return ObjectDrift(ref=ref, kind=DriftKind.LOST, message=message, fields=fields)
    count = sum(not one.is_same_value for one in fields)
    message = f"{count} field{'s differ' if count > 1 else ' differs'} from what was rolled out"
    return ObjectDrift(ref=ref, kind=DriftKind.CHANGED, message=message, fields=fields)


def _unknown(ref: ObjectRef, fields: tuple[FieldDrift, ...]) -> ObjectDrift:
    """Say that something we own changed, without knowing what it was."""
    message = "fields of ours changed; their old values are not kept"
    if fields:
        message += "; this is what others have written since"
    return ObjectDrift(ref=ref, kind=DriftKind.CHANGED, message=message, fields=fields)


def _recreated(live: LiveObject, fields: tuple[FieldDrift, ...]) -> ObjectDrift:
    made = creator(live.metadata)
    message = "was deleted and created again"
    if fields:
        message += ", and not as it was rolled out"
    return ObjectDrift(
        ref=live.ref, kind=DriftKind.RECREATED, message=message, fields=fields, holder=made
    )


def _extra(live: LiveObject) -> ObjectDrift:
    message = "carries this rollout's label, and no rollout made it; it is reported, never deleted"
    return ObjectDrift(
        ref=live.ref, kind=DriftKind.EXTRA, message=message, holder=creator(live.metadata)
    )
