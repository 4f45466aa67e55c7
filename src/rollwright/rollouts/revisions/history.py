"""The history of a rollout: which revision is meant, which are kept, how two differ.

Before: ``bookkeeping`` recorded the runs; snapshots hold what they rolled out.
After: ``history``, ``diff`` and ``rollback`` show it and act on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rollwright.errors import NotFound
from rollwright.rollouts.diff import FieldChange, compare
from rollwright.rollouts.manifest import ManifestSet, ObjectRef
from rollwright.rollouts.state import AuditEntry, Hold, Revision, RolloutState

SUCCEEDED = "succeeded"
ADDED, REMOVED, CHANGED = "added", "removed", "changed"


@dataclass(frozen=True, kw_only=True)
class History:
    """What is remembered of the runs of one rollout.

    Attributes:
        rollout, cluster: Which rollout, where.
        revisions: The latest first.
        hold: Why it is frozen; ``None`` if it is not.
        audit: What was done beside the runs, the latest first.
    """

    rollout: str
    cluster: str
    revisions: tuple[Revision, ...]
    hold: Hold | None = None
    audit: tuple[AuditEntry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectDifference:
    """One object that two revisions do not have in common.

    ``kind`` is ``added``, ``removed`` or ``changed``; ``fields`` are told of a changed one.
    """

    ref: ObjectRef
    kind: str
    fields: tuple[FieldChange, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RevisionDiff:
    """How one revision differs from another."""

    rollout: str
    cluster: str
    old: Revision
    new: Revision
    objects: tuple[ObjectDifference, ...] = ()


def history_of(state: RolloutState, cluster: str) -> History:
    """Return what a state remembers of the runs."""
    return History(
        rollout=state.rollout,
        cluster=cluster,
        revisions=tuple(reversed(state.revisions)),
        hold=state.hold,
        audit=state.audit_in_time,
    )


def find_revision(state: RolloutState, number: int) -> Revision:
    """Return a revision by its number.

    Raises:
        NotFound: It never was, or is no longer remembered.
    """
    for one in state.revisions:
        if one.number == number:
            return one
    known = ", ".join(str(one.number) for one in state.revisions) or "none"
    raise NotFound(f"{state.rollout}: no revision {number}; known: {known}")


def last_success(state: RolloutState) -> Revision | None:
    """Return the latest revision that succeeded and whose objects are kept."""
    return next((one for one in reversed(state.revisions) if can_return_to(one)), None)


def can_return_to(revision: Revision) -> bool:
    """Whether a revision succeeded and its objects are kept."""
    return revision.outcome == SUCCEEDED and bool(revision.snapshot)


def previous(state: RolloutState) -> Revision | None:
    """Return the revision that a rollback means when nobody names one.

    That is the latest success before the one that is current, and with other objects. Where the
    current one is itself a rollback, it is the latest one before that revision: going back twice
    goes back further, never forth again.
    """
    last = state.last
    if last is None:
        return None
    left = left_digest(state)
    limit = _limit(state, last)
    held = state.hold.bad_digests if state.hold else frozenset[str]()
    return next(
        (
            one
            for one in reversed(state.revisions)
            if one.number < limit and can_return_to(one) and one.digest not in {left, *held}
        ),
        None,
    )


def _limit(state: RolloutState, last: Revision) -> int:
    """Return the number that the revision to go back to must be below."""
    if state.journal is not None:
        return (state.journal.rolled_back_to or last.number) + 1
    if not last.rolled_back_to:
        return last.number
    if last.outcome != SUCCEEDED:
        return last.rolled_back_to + 1
    numbers = {one.number: one for one in state.revisions}
    found = last
    while found.rolled_back_to in numbers and found.rolled_back_to:
        found = numbers[found.rolled_back_to]
    return found.rolled_back_to or found.number


def left_digest(state: RolloutState) -> str:
    """Return the digest of the set that a rollback now would leave.

    Empty after a rollback that failed or was killed: what it left is what is held.
    """
    journal, last = state.journal, state.last
    if journal is not None:
        return "" if journal.rolled_back_to else journal.digest
    if last is None or (last.rolled_back_to and last.outcome != SUCCEEDED):
        return ""
    return last.digest


def retained(
    revisions: Iterable[Revision], count: int, pinned: Iterable[int] = ()
) -> tuple[Revision, ...]:
    """Return the revisions that stay: the latest, the last success, and those that are needed.

    Args:
        revisions: All of them, the latest last.
        count: How many stay in any case.
        pinned: Numbers of revisions that stay however old they are.
    """
    every = tuple(revisions)
    success = next((one.number for one in reversed(every) if can_return_to(one)), 0)
    needed = {one.number for one in every[-count:]} | {success, *pinned}
    return tuple(one for one in every if one.number in needed)


def compare_sets(old: ManifestSet, new: ManifestSet, *, salt: str) -> tuple[ObjectDifference, ...]:
    """Return what two rendered sets do not have in common; values of Secrets stand as digests."""
    return tuple(_differences(old, new, salt))


def _differences(old: ManifestSet, new: ManifestSet, salt: str) -> Iterator[ObjectDifference]:
    before, after = old.by_ref(), new.by_ref()
    for ref in sorted({*before, *after}):
        if ref not in before:
            yield ObjectDifference(ref=ref, kind=ADDED)
        elif ref not in after:
            yield ObjectDifference(ref=ref, kind=REMOVED)
        elif fields := compare(before[ref].body, after[ref].body, salt=salt):
            yield ObjectDifference(ref=ref, kind=CHANGED, fields=fields)
