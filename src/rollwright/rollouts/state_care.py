"""Looking after what is remembered: does the inventory tell the truth, what did a move do.

Before: a state was loaded, the cluster was read.
After: ``machine.state`` and ``rollwright state`` print the findings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from rollwright.rollouts.live import LiveSet
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.ownership.fields import ROLLOUT_LABEL
from rollwright.rollouts.state import InventoryEntry, RolloutState

MISSING, FOREIGN, CLAIMED = "missing", "foreign", "claimed"
UNCONFIRMED, UNLISTED, UNREADABLE = "unconfirmed", "unlisted", "unreadable"

OWN_FIELDS = frozenset({"version", "audit", "token"})
"""What may differ between a state and its copy in another store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CareFinding:
    """One object of which the state and the cluster say different things.

    ``what`` is ``missing`` (remembered, not there), ``foreign`` (there, with another UID),
    ``claimed`` (there, with the label of another rollout), ``unconfirmed`` (intended by a run
    that did not end, and there), ``unlisted`` (not remembered, carries our label) or
    ``unreadable`` (nobody can say).
    """

    ref: ObjectRef
    what: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StateCheck:
    """What a look at the cluster says about a state."""

    rollout: str
    cluster: str
    store: str
    state: RolloutState
    read_at: datetime
    findings: tuple[CareFinding, ...]
    notes: tuple[str, ...] = ()

    @property
    def is_true(self) -> bool:
        """Whether the state and the cluster agree."""
        return not self.findings


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What became of one rollout's state in a move.

    Attributes:
        rollout: Its name.
        is_new: Whether it was copied now; it was there already otherwise.
        snapshot_count: How many snapshots stand there now.
        lost: Snapshots that revisions name and that the source no longer had.
        is_removed: Whether the source has forgotten it.
        version: In the store that it was moved to.
    """

    rollout: str
    is_new: bool
    snapshot_count: int
    lost: tuple[str, ...]
    is_removed: bool
    version: str


def check_inventory(
    state: RolloutState, live: LiveSet, more: Iterable[ObjectRef] = ()
) -> tuple[CareFinding, ...]:
    """Return where the inventory and the cluster disagree, by object.

    Args:
        state: What is remembered.
        live: What is there of it.
        more: Objects of kinds that are not in the inventory, with the rollout's label.
    """
    findings = [found for entry in state.inventory for found in _look(entry, live, state)]
    known = state.by_ref
    unlisted = sorted({*live.strays, *more} - set(known))
    text = f"carries the label {ROLLOUT_LABEL}={state.rollout} and is not in the inventory"
    findings += [CareFinding(ref=ref, what=UNLISTED, text=text) for ref in unlisted]
    return tuple(sorted(findings, key=lambda one: (one.ref, one.what)))


def _look(entry: InventoryEntry, live: LiveSet, state: RolloutState) -> Iterator[CareFinding]:
    ref, found = entry.ref, live.get(entry.ref)
    if (why := live.unreadable.get(ref)) is not None:
        yield CareFinding(ref=ref, what=UNREADABLE, text=why)
    elif found is None:
        text = "is not in the cluster" if entry.uid else "was intended and is not in the cluster"
        yield CareFinding(ref=ref, what=MISSING, text=text)
    elif entry.uid and found.uid != entry.uid:
        text = f"has UID {found.uid}; the one that was applied had {entry.uid}"
        yield CareFinding(ref=ref, what=FOREIGN, text=text)
    elif (label := found.labels.get(ROLLOUT_LABEL, state.rollout)) != state.rollout:
        text = f"carries the label of rollout {label!r}"
        yield CareFinding(ref=ref, what=CLAIMED, text=text)
    elif not entry.uid:
        text = "was intended by a run that did not end; it may be somebody else's"
        yield CareFinding(ref=ref, what=UNCONFIRMED, text=text)


def is_copy(one: RolloutState, other: RolloutState) -> bool:
    """Tell whether two stores remember the same of a rollout."""
    same = all(
        getattr(one, name) == getattr(other, name)
        for name in one.__dataclass_fields__
        if name not in OWN_FIELDS
    )
    # A move adds to the audit trail of the copy, which then drops its oldest entries.
    return same and (not one.audit or one.audit[-1] in other.audit)
