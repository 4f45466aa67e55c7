"""What the state becomes when a run begins and when it ends.

Before: a plan was approved and its lock taken; or its steps were carried out.
After: the store saves the state, by compare-and-swap.

Order of writes: lock, journal and widened inventory, objects, exact inventory with the journal
closed. Whatever a crash leaves, the inventory names at least everything that was applied.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from rollwright.rollouts.change import Change, Operation, Way
from rollwright.rollouts.hooks.left import with_left, without_gone
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.plan import Plan, Step
from rollwright.rollouts.pruning.keeping import noted
from rollwright.rollouts.report import ChangeResult, Outcome, Report
from rollwright.rollouts.revisions.history import retained
from rollwright.rollouts.revisions.holding import hold_after
from rollwright.rollouts.revisions.left import with_left_set, without_left_set
from rollwright.rollouts.state import InventoryEntry, Journal, Revision, RolloutState, widen
from rollwright.rollouts.steps.memory import remembered_steps
from rollwright.rollouts.timeline.bars import timeline_of, with_timeline

_RENEWING = frozenset({Operation.CREATE, Operation.ADOPT, Operation.REPLACE})
_NEVER_SENT = frozenset({Outcome.NOT_STARTED, Outcome.SKIPPED})


def open_run(
    state: RolloutState | None, plan: Plan, journal: Journal, *, left: str = ""
) -> RolloutState:
    """Return the state with the journal open and the inventory widened by what is planned.

    Args:
        state: What is remembered.
        plan: What is carried out.
        journal: Of the run that begins.
        left: Names the kept set that is to be undone if the rollout goes back.
    """
    before = state or RolloutState(rollout=plan.rollout)
    before = hold_after(before, plan, actor=journal.owner, at=journal.started_at)
    return replace(
        before,
        cluster_id=plan.cluster_id,
        inventory=widen(_unsettled(before.inventory, plan), _intended(plan)),
        journal=journal,
        removal=before.removal if plan.is_removal else None,
        token=journal.token,
        extra=with_left_set(
            with_left(before.extra, plan, journal.goes_on_from or journal.run_id), plan, left
        ),
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
    undone = (change for wave in plan.undo for step in wave.steps for change in step.changes)
    for change in (*undone, *plan.changes):
        if change.is_owned and change.operation is not Operation.PRUNE:
            yield InventoryEntry(ref=change.ref, api_version=change.api_version, wave=change.wave)


def close_run(
    state: RolloutState,
    report: Report,
    *,
    retain: int,
    ended_at: datetime,
    snapshot: str = "",
    gone: Collection[ObjectRef] = (),
) -> RolloutState:
    """Return the state with the exact inventory, the journal closed and the run on record.

    Args:
        state: As it was saved when the run began.
        report: What became of the run.
        retain: How many revisions stay.
        ended_at: When the run ended.
        snapshot: Names the kept set of a run that succeeded.
        gone: What hooks had left, and is there no more.
    """
    timeline = timeline_of(report, ended_at=ended_at, revision=next_number(state))
    return replace(
        state,
        inventory=tuple(_entries(state, report)),
        revisions=_revisions(state, _record(state, report, ended_at, snapshot), retain),
        journal=None,
        extra=with_timeline(
            remembered_steps(without_left_set(without_gone(state.extra, gone), report), report),
            timeline,
        ),
    )


def _entries(state: RolloutState, report: Report) -> Iterator[InventoryEntry]:
    plan, old = report.plan, state.by_ref
    results = {(step.step, one.ref): one for step in report.results for one in step.changes}
    entries: dict[ObjectRef, InventoryEntry | None] = dict(old)
    for ref in plan.forgotten:
        entries[ref] = None
    for ref, why in plan.kept.items():
        entries[ref] = replace(old[ref], why_kept=why) if ref in old else None
    for step, change in _undone(report):
        before = old.get(change.ref)
        known = before if before and (before.uid or before.wanted_digest) else None
        result = results.get((step.name, change.ref))
        entries[change.ref] = _after(change, result, known) if result else known
    # NB: an object may be in several steps; the last one that makes it ours decides.
    for step, change in plan.placed_changes:
        result = results.get((step.name, change.ref))
        if change.is_owned or _was_made(change, result):
            entries[change.ref] = _after(change, result, old.get(change.ref))
    kept = (entries[ref] for ref in sorted(entries))
    yield from (entry for entry in kept if entry is not None)


def _undone(report: Report) -> Iterator[tuple[Step, Change]]:
    """Yield what steps of a rollback deal with; what they did not make is not remembered."""
    planned = {change.ref for change in report.plan.changes if change.is_owned}
    for wave in report.plan.undo:
        for step in wave.steps:
            for one in step.changes:
                if one.is_owned and one.ref not in planned:
                    yield step, one


def _was_made(change: Change, result: ChangeResult | None) -> bool:
    """Whether a plugin has made the object that its step names: then it is ours (HK-05)."""
    is_handed = change.way is Way.NONE and change.wanted is not None and not change.live_uid
    return is_handed and result is not None and bool(result.uid)


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
        rules_digest=change.rules_digest,
        owned_digest=result.owned_digest,
        resource_version=result.resource_version,
        keeping=noted(change.wanted.annotations) if change.wanted else (),
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


def _record(state: RolloutState, report: Report, ended_at: datetime, snapshot: str) -> Revision:
    back = report.plan.rollback
    return Revision(
        number=next_number(state),
        source=report.plan.source,
        digest=report.plan.wanted_digest,
        outcome=report.outcome.value,
        actor=report.trigger.actor,
        started_at=report.started_at,
        ended_at=ended_at,
        snapshot=snapshot,
        plan_id=report.plan.id,
        kind=report.trigger.kind,
        rolled_back_to=back.revision if back else 0,
        message=report.message,
        url=report.trigger.url,
    )


def _revisions(state: RolloutState, revision: Revision, retain: int) -> tuple[Revision, ...]:
    """Return the history: what is held, or was gone back to just now, stays in it (RB-01)."""
    held = state.hold.revision if state.hold else 0
    pinned = (held, revision.rolled_back_to)
    return retained((*state.revisions, revision), retain, pinned)


def same_but_held(state: RolloutState, found: RolloutState) -> RolloutState | None:
    """Return our state with the hold that somebody put on or took off meanwhile.

    ``None`` if anything else in the saved state differs: then another run wrote it.
    """
    mine = replace(state, hold=found.hold, audit=found.audit, version=found.version)
    return mine if mine == found else None


def next_number(state: RolloutState | None) -> int:
    """Return the number of the revision that a run starting now will have."""
    return state.last.number + 1 if state and state.last else 1
