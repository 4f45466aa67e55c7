"""What deleting and creating an object again means, kind by kind (AP-57).

Before: the server's dry run said that a field cannot change in place.
After: the plan tells it to whoever approves; ``engine.writing.recreate`` does it.
"""

from __future__ import annotations

from collections.abc import Mapping

from rollwright.rollouts.change import Change, Operation

_DOWNTIME = "is deleted with its pods and created again: nothing of it runs meanwhile"
_NOTES: Mapping[tuple[str, str], str] = {
    ("apps", "Deployment"): _DOWNTIME,
    ("apps", "DaemonSet"): _DOWNTIME,
    ("apps", "ReplicaSet"): _DOWNTIME,
    ("apps", "StatefulSet"): (
        "its pods live on; the new one adopts them and replaces them one by one"
    ),
    ("batch", "Job"): "runs again from the start; if it runs now, its end is waited for first",
    ("", "Service"): "gets a new address; clients are cut off until it is there",
}


def notes_on_recreation(change: Change) -> tuple[str, ...]:
    """Return what a reviewer must know of an object that is recreated for an immutable field."""
    if change.operation is not Operation.REPLACE or not change.is_immutable:
        return ()
    note = _NOTES.get(change.ref.group_kind)
    return (note,) if note else ()
