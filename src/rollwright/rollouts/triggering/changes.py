"""Which changes of a watched object are a reason to look at it (TR-09, TR-13).

Before: a watch told an object, and what it was like before. After: it counts, or it does not.

Its status never counts, nor what we wrote ourselves.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from hashlib import sha256
from typing import Any

import orjson

from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.ownership.fields import MANAGER, ROLLOUT_LABEL

REQUESTED_AT = "rollwright.dev/requested-at"
"""Annotation by which somebody asks for a run, and is shown that it was made (TR-06)."""

_BESIDE = (
    "annotations", "deletionTimestamp", "finalizers", "generation", "managedFields",
    "resourceVersion",
)  # fmt: skip
"""What others, and we ourselves, write beside what was declared."""


def token_of(live: LiveObject) -> str:
    """Return what whoever asked for a run waits for; empty if nobody asked."""
    return live.annotations.get(REQUESTED_AT, "")


def content_digest(live: LiveObject) -> str:
    """Return a digest of what was declared: of the spec where there is a generation."""
    body = {key: value for key, value in live.body.items() if key not in {"status", "metadata"}}
    if live.generation is None:
        body["metadata"] = {k: v for k, v in live.metadata.items() if k not in _BESIDE}
    return sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def mark_of(live: LiveObject) -> str:
    """Return what of an object a run answers: one of the same mark would find nothing new."""
    version = f"{live.generation}" if live.generation is not None else content_digest(live)
    return f"{live.uid}:{version}:{token_of(live)}"


def is_news(
    before: LiveObject | None, after: LiveObject, *, owners: Collection[str] | None = None
) -> bool:
    """Whether an object that was added or changed is a reason to look.

    Args:
        before: As it was; ``None`` if it is new.
        after: As it is.
        owners: Names of the rollouts that this object would be a reason for: what they wrote
            themselves is none. ``None`` for the object that their runs are about.
    """
    if owners is not None and after.labels.get(ROLLOUT_LABEL) in owners and is_ours(after):
        return False
    if before is None or before.uid != after.uid:
        return True
    if before.resource_version == after.resource_version:
        return False  # DOC-50
    if token_of(before) != token_of(after):
        return True
    is_going = owners is None and before.is_being_deleted is not after.is_being_deleted
    return is_going or _is_changed(before, after)


def _is_changed(before: LiveObject, after: LiveObject) -> bool:
    if after.generation is not None and before.generation == after.generation:
        return False
    # NB: without a status subresource the generation moves with every write of the status.
    return content_digest(before) != content_digest(after)


def is_ours(live: LiveObject) -> bool:
    """Whether the newest write was one of our runs; a tie with somebody else's is theirs."""
    entries = [one for one in live.metadata.get("managedFields") or () if not _is_status(one)]
    newest = max((str(one.get("time", "")) for one in entries), default="")
    writers = {str(one.get("manager", "")) for one in entries if one.get("time", "") == newest}
    return bool(writers) and all(map(_is_own_name, writers))


def last_writer(live: LiveObject) -> str:
    """Return the field manager that wrote what was declared last; empty if nobody says."""
    entries = [one for one in live.metadata.get("managedFields") or () if not _is_status(one)]
    newest: Mapping[str, Any] = max(entries, key=lambda one: str(one.get("time", "")), default={})
    return str(newest.get("manager", ""))


def _is_status(entry: Mapping[str, Any]) -> bool:
    return bool(entry.get("subresource"))


def _is_own_name(manager: str) -> bool:
    return manager == MANAGER or manager.startswith(f"{MANAGER}-")
