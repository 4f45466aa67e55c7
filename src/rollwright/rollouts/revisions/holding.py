"""Holds: what may not be applied, since when, and what ends it.

Before: a state holds a rollout back, because somebody said so or because a run was rolled back.
After: the plan has a guard that says it; ``begin`` opens the hold or ends it with the journal.

Only the digest of what the source renders decides, so a commit that changes nothing releases
nothing (RB-05). A hold that somebody put on is for everything, until somebody releases it (RB-07).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from rollwright.errors import Held
from rollwright.rollouts.plan import Guard, Plan
from rollwright.rollouts.revisions.history import SUCCEEDED
from rollwright.rollouts.state import AuditEntry, Hold, RolloutState

GUARDS = frozenset({"RB-05", "RB-07"})
"""Ids of the guards that stand for a hold."""


def refuses(hold: Hold | None, plan: Plan) -> bool:
    """Whether a hold forbids a plan."""
    if hold is None:
        return False
    if hold.is_total:
        return True
    return plan.rollback is None and plan.wanted_digest in hold.bad_digests


def ends(hold: Hold | None, plan: Plan) -> bool:
    """Whether carrying out a plan ends a hold: its source renders to something else."""
    if hold is None or hold.is_total or plan.rollback is not None:
        return False
    return bool(plan.wanted_digest) and plan.wanted_digest not in hold.bad_digests


def with_hold(plan: Plan, state: RolloutState | None) -> Plan:
    """Return the plan with a guard for the hold that forbids it, or a note of the one it ends."""
    hold = state.hold if state else None
    if hold is None:
        return plan
    if refuses(hold, plan):
        return replace(plan, guards=(*plan.guards, _guard(hold, plan)))
    if ends(hold, plan):
        # Even where nothing is to be written, the end of the hold is to be remembered.
        note = f"the source has changed: this ends the hold {_since(hold)} ({hold.reason})"
        return replace(plan, notes=(*plan.notes, note), is_remembered=False)
    return plan


def _guard(hold: Hold, plan: Plan) -> Guard:
    return Guard(
        id="RB-07" if hold.is_total else "RB-05",
        limit="nothing" if hold.is_total else "another set of objects",
        value=plan.wanted_digest,
        is_breached=True,
        message=why_held(hold),
    )


def why_held(hold: Hold) -> str:
    """Return in one sentence that a rollout is held, since when and why."""
    at = f" at revision {hold.revision}" if hold.revision else ""
    by = f" by {hold.actor}" if hold.actor else ""
    return f"held{at}{by} {_since(hold)}: {hold.reason}"


def _since(hold: Hold) -> str:
    return f"since {hold.since_at:%Y-%m-%d %H:%M:%SZ}"


def refuse_held(rollout: str, state: RolloutState | None, plan: Plan) -> None:
    """Raise ``Held`` if what is remembered holds a plan back."""
    hold = state.hold if state else None
    if state is None or hold is None or not refuses(hold, plan):
        return
    change = "" if hold.is_total else "change the source, or "
    hint = f"{change}say `rollwright release {rollout}`"
    last = state.last
    if last and last.rolled_back_to and last.outcome != SUCCEEDED:
        hint += f"; the rollback {last.outcome}: `rollwright rollback {rollout}` tries it again"
    raise Held(f"{rollout} is {why_held(hold)}", hint=hint)


def hold_after(state: RolloutState, plan: Plan, *, actor: str, at: datetime) -> RolloutState:
    """Return the state with the hold as it is once a run of a plan has begun."""
    if ends(state.hold, plan):
        note = f"the source has changed, to {plan.source}"
        entry = AuditEntry(at=at, kind="release", actor=actor, message=note)
        return replace(state, hold=None).audited(entry)
    if plan.rollback is None:
        return state
    return _held_back(state, plan, actor=actor, at=at)


def _held_back(state: RolloutState, plan: Plan, *, actor: str, at: datetime) -> RolloutState:
    """Hold what is left, and what was left before: the source may still render either (RB-05)."""
    back, former = plan.rollback, state.hold
    if back is None:
        return state
    older = former.bad_digests if former else frozenset[str]()
    bad = ({back.bad_digest} | older) - {"", plan.wanted_digest}
    if not bad:
        return state
    first = back.bad_digest if back.bad_digest in bad else min(bad)
    hold = Hold(
        reason=back.reason,
        actor=actor,
        since_at=at,
        source=back.bad_source,
        bad_digest=first,
        revision=back.revision,
        older_digests=tuple(sorted(bad - {first})),
    )
    if former and (former.bad_digests, former.revision) == (hold.bad_digests, hold.revision):
        return state
    entry = AuditEntry(at=at, kind="hold", actor=actor, message=back.reason)
    return replace(state, hold=hold).audited(entry)


def put_on_hold(state: RolloutState, *, reason: str, actor: str, at: datetime) -> RolloutState:
    """Return the state held for everything."""
    hold = Hold(
        reason=reason,
        actor=actor,
        since_at=at,
        revision=state.last.number if state.last else 0,
        source=state.last.source if state.last else "",
    )
    return replace(state, hold=hold).audited(
        AuditEntry(at=at, kind="hold", actor=actor, message=reason)
    )


def released(state: RolloutState, *, reason: str, actor: str, at: datetime) -> RolloutState:
    """Return the state without its hold; the same if it has none."""
    if state.hold is None:
        return state
    message = f"{reason or 'released'} (was {why_held(state.hold)})"
    return replace(state, hold=None).audited(
        AuditEntry(at=at, kind="release", actor=actor, message=message)
    )
