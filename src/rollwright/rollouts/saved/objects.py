"""One object of a saved plan: unchanged, already as planned, or moved.

Before: ``verification`` compared document, site, source and state.
After: the change goes on with the version that was verified, or its reason refuses the plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from rollwright.rollouts.change import Change, Operation, Prediction, Way
from rollwright.rollouts.fates import is_unchanged
from rollwright.rollouts.live import LiveObject, LiveSet
from rollwright.rollouts.manifest import Body, Manifest, ObjectRef
from rollwright.rollouts.ownership.fields import MANAGER, values_digest
from rollwright.rollouts.premises import is_within
from rollwright.rollouts.saved.basis import LiveFact, below, field_digests
from rollwright.rollouts.saved.sent_bodies import SentFact, with_edits
from rollwright.rollouts.state import RolloutState
from rollwright.rollouts.waves import namespace_manifest

FIELDS_NAMED = 5
"""Changed fields of an object that a message names."""

_SCALED = frozenset({"spec.replicas"})
"""What scaling moves; the server notes no owner of it where nobody declared it."""

_DELETING = frozenset({Operation.PRUNE, Operation.REPLACE})


@dataclass(frozen=True, slots=True)
class Moved:
    """Something that is not as it was when the plan was made.

    Attributes:
        what: ``plan``, ``document``, ``site``, ``source``, ``rendered``, ``state``, ``cluster``,
            ``object``, …
        where: Which one.
        why: What happened to it.
        is_stale: Whether it refuses the plan; else it is only told.
    """

    what: str
    where: str
    why: str
    is_stale: bool = True

    def __str__(self) -> str:
        name = self.where if self.what in {"object", "rendered"} else f"{self.what} {self.where}"
        return f"{name} {self.why}"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What one object is compared with.

    Attributes:
        live: What is in the cluster.
        wanted: What is rendered, by identity.
        sent: What is sent of it, where that differs.
        state: What is remembered.
        made_at: When the plan was made.
        is_own_run: Whether nothing but this very plan was carried out since.
    """

    live: LiveSet
    wanted: Mapping[ObjectRef, Manifest]
    sent: Mapping[ObjectRef, SentFact]
    state: RolloutState | None
    made_at: datetime
    is_own_run: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of a change; ``change`` is ``None`` when it is done and forgotten."""

    ref: ObjectRef
    change: Change | None
    moved: Moved | None = None


def verify_object(change: Change, fact: LiveFact | None, scene: Scene) -> Verdict:
    """Compare one object with what it was when the plan was made."""
    change = whole(change, scene.wanted, scene.sent.get(change.ref), scene.live)
    if is_target_namespace(change):
        return _target_namespace(change, scene)
    if not change.is_owned or change.follows:
        return _same(change)  # it is never written, or only after another step has written it
    found = scene.live.get(change.ref)
    if found is None:
        return _absent(change, scene)
    if _is_done(change, found, scene):
        return _told(_kept(change, found, scene), "is already as planned")
    return _present(change, fact, found, scene)


def whole(
    change: Change, wanted: Mapping[ObjectRef, Manifest], sent: SentFact | None, live: LiveSet
) -> Change:
    """Return a change with the objects that a saved plan does not hold."""
    if is_target_namespace(change):
        return replace(change, wanted=namespace_manifest(change.ref.name))
    manifest = wanted.get(change.ref)
    if manifest is None or (change.operation is Operation.PRUNE and change.way is Way.APPLY):
        return change
    return replace(change, wanted=manifest, sent=with_edits(manifest, sent, live.get(change.ref)))


def is_target_namespace(change: Change) -> bool:
    """Whether the change makes the target's namespace, which the rollout does not own."""
    return change.operation is Operation.CREATE and not change.is_owned


def _target_namespace(change: Change, scene: Scene) -> Verdict:
    """The rollout does not own it: it is made if it is missing, and else left alone."""
    if change.ref.name in scene.live.absent_namespaces:
        return _same(change)
    moved = Moved("object", str(change.ref), "is there already", is_stale=False)
    return Verdict(ref=change.ref, change=None, moved=moved)


def _absent(change: Change, scene: Scene) -> Verdict:
    ref = change.ref
    if unread := scene.live.unreadable.get(ref):
        return _stale(change, f"cannot be read now: {unread}")
    if change.operation is Operation.PRUNE:
        is_known = scene.state is not None and ref in scene.state.by_ref
        moved = Moved("object", str(ref), "is already gone", is_stale=False)
        return Verdict(ref=ref, change=change if is_known else None, moved=moved)
    if change.operation is Operation.REPLACE:
        gone = replace(
            change, operation=Operation.CREATE, live_uid="", live_resource_version="",
            live_digest="",
        )  # fmt: skip
        return _told(gone, "is already gone, and is created as planned")
    if change.live_uid:
        return _stale(change, "was deleted meanwhile")
    why = "" if change.prediction is Prediction.SIMULATED else _why_impossible(change, scene)
    return _stale(change, why) if why else _same(change)


def _why_impossible(change: Change, scene: Scene) -> str:
    """Return what a new object needs and does not find any more (VR-04)."""
    if (change.api_version, change.ref.kind) in scene.live.unknown_kinds:
        return f"cannot be created: the cluster no longer serves {change.api_version}"
    if change.ref.namespace in scene.live.absent_namespaces:
        return "cannot be created: its namespace is gone"
    return ""


def _present(change: Change, fact: LiveFact | None, found: LiveObject, scene: Scene) -> Verdict:
    who = _by_whom(found, scene.made_at)
    if not change.live_uid:
        return _stale(change, f"was created meanwhile{who}")
    if found.uid != change.live_uid:
        return _stale(change, f"was deleted and created again meanwhile{who}")
    if found.is_being_deleted and change.operation not in _DELETING:
        return _stale(change, "is being deleted by somebody else")
    if not change.writes:
        change = replace(change, is_remembered=_is_noted(change, found, scene))
    if fact is None or found.resource_version == fact.resource_version:
        return _same(change)
    return _newer_version(change, fact, found, who)


def _newer_version(change: Change, fact: LiveFact, found: LiveObject, who: str) -> Verdict:
    """Tell a status that moved from a field that somebody changed (VR-09)."""
    newer = _refreshed(change, found)
    is_owned_same = found.owned_digest == fact.owned_digest
    if found.declared_digest == fact.digest:
        return _same(newer) if is_owned_same else _stale(change, f"has other owners of fields{who}")
    moved = _moved_fields(fact, found)
    ours = [path for path in moved if path not in _set_by_subresources(found) | _SCALED]
    if is_owned_same and moved and not ours:
        return _told(newer, f"was moved by its controllers: {_listed(moved)}")
    if change.predicted_digest and found.declared_digest == change.predicted_digest:
        return _told(newer, f"already has what is planned{who}")
    return _stale(change, f"was changed meanwhile{who}: {_listed(ours or moved)}")


def _same(change: Change) -> Verdict:
    return Verdict(ref=change.ref, change=change)


def _told(change: Change, why: str) -> Verdict:
    moved = Moved("object", str(change.ref), why, is_stale=False)
    return Verdict(ref=change.ref, change=change, moved=moved)


def _stale(change: Change, why: str) -> Verdict:
    return Verdict(ref=change.ref, change=change, moved=Moved("object", str(change.ref), why))


def _refreshed(change: Change, found: LiveObject) -> Change:
    """Return the change with the version that was verified just now."""
    digest = found.declared_digest if change.writes else change.live_digest
    return replace(change, live_resource_version=found.resource_version, live_digest=digest)


def _is_done(change: Change, found: LiveObject, scene: Scene) -> bool:
    """Whether the object already is what the plan makes of it, and ours."""
    wanted = change.wanted
    if wanted is None or not change.writes or found.is_being_deleted:
        return False
    if change.operation not in _DELETING and change.live_uid not in {"", found.uid}:
        return False
    entry = scene.state.by_ref.get(change.ref) if scene.state else None
    if scene.is_own_run and is_unchanged(wanted, found, entry):
        return True
    is_predicted = found.owned_digest == change.predicted_owned_digest
    if is_predicted and found.owned_fields and change.operation is not Operation.REPLACE:
        return True
    return scene.is_own_run and _is_our_work(change, wanted, found)


def _is_our_work(change: Change, wanted: Manifest, found: LiveObject) -> bool:
    """Whether our interrupted run has left the object so, as far as the manifest tells.

    What the server makes up for a new object (a Job's labels) is in no prediction.
    """
    is_former = change.operation in _DELETING and found.uid == change.live_uid
    if is_former or not found.owned_fields:
        return False
    sent = (change.sent or wanted).body
    if change.operation in {Operation.CREATE, Operation.REPLACE}:
        return is_within(_content(sent), _content(found.body))
    if change.predicted_owned_digest:
        return False
    salt = found.salt if found.is_secret else ""
    return values_digest(found.owned_fields, sent, salt) == found.owned_digest


def _content(body: Body) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != "status"}


def _kept(change: Change, found: LiveObject, scene: Scene) -> Change:
    """Return the change as one that has nothing left to write."""
    return replace(
        change, operation=Operation.KEEP, why="is already as planned", live_uid=found.uid,
        live_resource_version=found.resource_version, owned_digest=found.owned_digest,
        is_remembered=_is_noted(change, found, scene), fields=(), conflicts=(),
    )  # fmt: skip


def _is_noted(change: Change, found: LiveObject, scene: Scene) -> bool:
    """Whether the inventory already says of the object what a later run needs to know."""
    entry = scene.state.by_ref.get(change.ref) if scene.state else None
    if entry is None or change.wanted is None or entry.why_kept:
        return False
    return entry.api_version == found.api_version and is_unchanged(change.wanted, found, entry)


def _moved_fields(fact: LiveFact, found: LiveObject) -> list[str]:
    before, after = fact.fields, field_digests(found, fact.depth)
    return sorted(path for path in {*before, *after} if before.get(path) != after.get(path))


def _listed(paths: list[str]) -> str:
    more = f" and {len(paths) - FIELDS_NAMED} more" if len(paths) > FIELDS_NAMED else ""
    return (", ".join(paths[:FIELDS_NAMED]) or "fields") + more


def _by_whom(found: LiveObject, since: datetime) -> str:
    """Return who wrote what is declared since then, as far as the server wrote it down."""
    floor = since.replace(microsecond=0)
    names = {
        f"{entry.get('manager')} at {at}"
        for entry in found.metadata.get("managedFields") or ()
        if _is_others(entry) and (at := entry.get("time")) and _is_later(at, floor)
    }
    return f" by {', '.join(sorted(names))}" if names else ""


def _is_others(entry: Mapping[str, Any]) -> bool:
    return entry.get("manager") != MANAGER and not entry.get("subresource")


def _is_later(at: Any, floor: datetime) -> bool:
    try:
        return datetime.fromisoformat(str(at)) >= floor
    except (ValueError, TypeError):
        return False


def _set_by_subresources(found: LiveObject) -> frozenset[str]:
    """Return the fields that were set through ``scale`` or ``status``: by controllers (VR-09)."""
    entries = found.metadata.get("managedFields") or ()
    return frozenset(
        path
        for entry in entries
        if entry.get("subresource") and entry.get("manager") != MANAGER
        for path in _paths("", entry.get("fieldsV1") or {})
    )


def _paths(path: str, fields: Mapping[str, Any]) -> Iterator[str]:
    for key, inner in fields.items():
        if key.startswith("f:"):
            yield from _paths(below(path, key[2:]), inner)
    if not fields:
        yield path
