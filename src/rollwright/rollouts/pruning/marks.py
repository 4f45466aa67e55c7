"""A whole rollout marked for deletion: who marked it, and from when it may go (PR-30 to PR-36).

Before: ``removal`` made the plan that deletes everything.
After: ``engine.removal.removing`` writes the marks, carries the deletion out once it is due, or takes
the marks off again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.ownership.fields import ROLLOUT_LABEL
from rollwright.rollouts.pruning.keeping import allowing
from rollwright.rollouts.spec.rollout import PROTECTED_KINDS
from rollwright.rollouts.state import Removal, RolloutState

PENDING = "rollwright.dev/pending-deletion"
"""Annotation of a marked object: ``<plan digest> <time>``."""

GRACE = timedelta(minutes=15)
"""How long a marked rollout waits before it may go without a person's word."""

GRACE_OF_PROTECTED = timedelta(hours=24)
"""How long its objects of protected kinds wait."""


def make_removal_mark(plan_id: str, actor: str, now: datetime) -> Removal:
    """Return what the state remembers of a rollout that is marked now."""
    return Removal(
        plan_id=plan_id,
        actor=actor,
        marked_at=now,
        due_at=now + GRACE,
        protected_due_at=now + GRACE_OF_PROTECTED,
    )


def due_at(removal: Removal, ref: ObjectRef) -> datetime:
    """Return from when an object may be deleted without a person's word."""
    return removal.protected_due_at if ref.kind in PROTECTED_KINDS else removal.due_at


def not_due(removal: Removal, refs: Iterable[ObjectRef], now: datetime) -> Mapping[ObjectRef, str]:
    """Return which objects have to wait longer, with the reason."""
    return {
        ref: f"is marked for deletion and may go from {instant(due)}"
        for ref in refs
        if (due := due_at(removal, ref)) > now
    }


def mark_text(removal: Removal) -> str:
    """Return the value of the annotation."""
    return f"{removal.plan_id} {instant(removal.marked_at)}"


def marking(live: LiveObject, text: str) -> tuple[Mapping[str, Any], ...]:
    """Return the JSON patch that marks an object; nothing if it is marked like that."""
    if live.annotations.get(PENDING) == text:
        return ()
    add = {"op": "add", "path": f"/metadata/annotations/{_escaped(PENDING)}", "value": text}
    if live.metadata.get("annotations"):
        return (_same(live), add)
    return (_same(live), {"op": "add", "path": "/metadata/annotations", "value": {PENDING: text}})


def unmarking(live: LiveObject) -> tuple[Mapping[str, Any], ...]:
    """Return the JSON patch that takes the mark off; nothing if there is none."""
    if PENDING not in live.annotations:
        return ()
    path = f"/metadata/annotations/{_escaped(PENDING)}"
    return (_same(live), {"op": "remove", "path": path})


def releasing(
    live: LiveObject, rollout: str, labels: Iterable[str]
) -> tuple[Mapping[str, Any], ...]:
    """Return the JSON patch that makes an object nobody's: labels and marks go (PR-35).

    Nothing is changed of an object that another rollout has already.
    """
    if live.labels.get(ROLLOUT_LABEL) not in {None, rollout}:
        return ()
    removed = [
        {"op": "remove", "path": f"/metadata/labels/{_escaped(label)}"}
        for label in labels
        if label in live.labels
    ]
    if PENDING in live.annotations:
        removed.append({"op": "remove", "path": f"/metadata/annotations/{_escaped(PENDING)}"})
    return (_same(live), *removed) if removed else ()


def _same(live: LiveObject) -> Mapping[str, Any]:
    return {"op": "test", "path": "/metadata/uid", "value": live.uid}


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def describe_removal(removal: Removal) -> str:
    """Say who marked a rollout, and from when it may go."""
    return (
        f"marked for deletion by {removal.actor} at {instant(removal.marked_at)}; may go from"
        f" {instant(removal.due_at)}, protected kinds from {instant(removal.protected_due_at)}"
    )


def instant(at: datetime) -> str:
    """Return an instant in UTC, to the second."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def notes_on_deletion(
    state: RolloutState | None,
    allowed: Iterable[str],
    refs: Iterable[ObjectRef],
    namespace: str,
) -> tuple[str, ...]:
    """Return what a reviewer must know of marks that end, and of names that nothing bears."""
    known = tuple(refs)
    notes = [
        f"--allow-delete {name}: the plan deletes no object of that name"
        for name in allowed
        if not any(allowing(ref, (name,), namespace) for ref in known)
    ]
    if state is not None and state.removal is not None:
        words = describe_removal(state.removal)
        notes.append(f"the rollout is {words}; rolling out takes the marks off")
    return tuple(notes)
