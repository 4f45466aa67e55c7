"""What the state becomes when a run begins and when it ends.

Before: a plan was approved and its lock taken; or its steps were carried out.
After: the store saves the state, by compare-and-swap.

Order of writes: lock, journal and widened inventory, objects, exact inventory with the journal
closed. Whatever a crash leaves, the inventory names at least everything that was applied.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.plan import Change, Operation, Plan
from rollwright.rollouts.report import ChangeResult, Outcome, Report
from rollwright.rollouts.state import InventoryEntry, Journal, Revision, RolloutState, widen

_RENEWING = frozenset({Operation.CREATE, Operation.ADOPT, Operation.REPLACE})
_NEVER_SENT = frozenset({Outcome.NOT_STARTED, Outcome.SKIPPED})


def open_run(state: RolloutState | None, plan: Plan, journal: Journal) -> RolloutState:
    """Return the state with the journal open and the inventory widened by what is planned."""
    before = state or RolloutState(rollout=plan.rollout)
    return replace(
        before,
        cluster_id=plan.cluster_id,
        inventory=widen(_unsettled(before.inventory, plan), _intended(plan)),
        journal=journal,
        token=journal.token,
    )


def _unsettled(inventory: Iterable[InventoryEntry], plan: Plan) -> Iterator[InventoryEntry]:
    """Take back what will not hold of the objects that the run makes anew.

    A new object has a new UID. Were the old one still noted after a crash, the next run would
    take our own object for somebody else's, and forget it.
    """
    renewed = {change.ref for change in plan.changes if change.operation in _RENEWING}
    for entry in inventory:
        if entry.ref in renewed:
            yield replace(entry, uid="", owned_digest="", resource_version="")
        else:
            yield entry


def _intended(plan: Plan) -> Iterator[InventoryEntry]:
    for change in plan.changes:
        if change.is_owned and change.operation is not Operation.PRUNE:
            yield InventoryEntry(ref=change.ref, api_version=change.api_version, wave=change.wave)


def close_run(
    state: RolloutState, report: Report, *, retain: int, ended_at: datetime
) -> RolloutState:
    """Return the state with the exact inventory, the journal closed and the run on record."""
    return replace(
        state,
        inventory=tuple(_entries(state, report)),
        revisions=_revisions(state, report, retain, ended_at),
        journal=None,
    )


def _entries(state: RolloutState, report: Report) -> Iterator[InventoryEntry]:
    plan, old = report.plan, state.by_ref
    results = {result.ref: result for result in report.changes}
    entries: dict[ObjectRef, InventoryEntry | None] = dict(old)
    for ref in plan.forgotten:
        entries[ref] = None
    for ref, why in plan.kept.items():
        entries[ref] = replace(old[ref], why_kept=why) if ref in old else None
    for change in plan.changes:
        if change.is_owned:
            entries[change.ref] = _after(change, results.get(change.ref), old.get(change.ref))
    kept = (entries[ref] for ref in sorted(entries))
    yield from (entry for entry in kept if entry is not None)


def _after(
    change: Change, result: ChangeResult | None, before: InventoryEntry | None
) -> InventoryEntry | None:
    """Return what the inventory says of an object after the run; ``None`` for nothing."""
    if change.operation is Operation.PRUNE:
        return _survivor(result, before)
    if result is None or not result.uid:
        return None if _was_never_there(change, result, before) else before
    return InventoryEntry(
        ref=change.ref,
        api_version=change.api_version,
        uid=result.uid,
        wanted_digest=change.wanted.digest if change.wanted else "",
        owned_digest=result.owned_digest,
        resource_version=result.resource_version,
        wave=change.wave,
    )


def _was_never_there(
    change: Change, result: ChangeResult | None, before: InventoryEntry | None
) -> bool:
    """Whether nothing was ever sent for an object that did not exist."""
    is_new = change.operation is Operation.CREATE and not (before and before.wanted_digest)
    return is_new and result is not None and result.outcome in _NEVER_SENT


def _survivor(result: ChangeResult | None, before: InventoryEntry | None) -> InventoryEntry | None:
    if before is None or (result is not None and result.outcome is Outcome.SUCCEEDED):
        return None
    why = (result.message if result else "") or "was not deleted yet"
    return replace(before, why_kept=why)


def _revisions(
    state: RolloutState, report: Report, retain: int, ended_at: datetime
) -> tuple[Revision, ...]:
    revision = Revision(
        number=next_number(state),
        source=report.plan.source,
        digest=report.plan.wanted_digest,
        outcome=report.outcome.value,
        actor=report.trigger.actor,
        started_at=report.started_at,
        ended_at=ended_at,
    )
    return (*state.revisions, revision)[-retain:]


def next_number(state: RolloutState | None) -> int:
    """Return the number of the revision that a run starting now will have."""
    return state.last.number + 1 if state and state.last else 1
