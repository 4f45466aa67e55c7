"""A plan that waits for a person's word, and the word: for that plan and no other (PL-20).

Before: a plan needs an approval, and nobody can be asked here.
After: the next run whose plan has that very id goes on, or is refused with who and why.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from rollwright.rollouts.plan import Plan
from rollwright.rollouts.state import AuditEntry, RolloutState

CLOCKS_DIFFER = timedelta(minutes=5)
"""How far ahead of ours the clock of whoever decided may be."""

_SHOWN = 12


class Verdict(StrEnum):
    """What somebody said to a plan."""

    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A step that waits for a person.

    Attributes:
        run: The run, or the one that was interrupted first and that it goes on from.
        step: The step.
        question: What the person is asked.
        at: Since when, in ISO 8601.
    """

    run: str
    step: str
    question: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRequest:
    """A plan that waits for an approval.

    Attributes:
        rollout: Which rollout.
        plan_id: The plan; an approval names it.
        cluster_id: UID of the cluster that it was made for.
        reason: Why somebody has to agree.
        summary: What would be done, counted.
        revision: Immutable revision of the source.
        trigger: What set the run off: ``manual``, ``schedule``, …
        asked_at: When it was first asked for.
        asked_by: On whose behalf.
        expires_at: From when it is too late to answer.
        run: Id of the flow run that waits, or of the trigger of a run that did not.
        run_name: Name of that flow run.
    """

    rollout: str
    plan_id: str
    cluster_id: str
    reason: str
    summary: str
    revision: str
    trigger: str
    asked_at: datetime
    asked_by: str
    expires_at: datetime
    run: str = ""
    run_name: str = ""

    def is_for(self, plan: Plan) -> bool:
        """Whether it is about exactly this plan of this cluster."""
        return (self.plan_id, self.cluster_id) == (plan.id, plan.cluster_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalDecision:
    """What somebody said to a plan that waited: who, when and why."""

    plan_id: str
    cluster_id: str
    decision: Verdict
    actor: str
    reason: str
    at: datetime

    @property
    def is_approval(self) -> bool:
        """Whether the plan may be carried out."""
        return self.decision is Verdict.APPROVED

    def is_for(self, plan: Plan) -> bool:
        """Whether it is about exactly this plan of this cluster."""
        return (self.plan_id, self.cluster_id) == (plan.id, plan.cluster_id)

    def is_fresh(self, now: datetime, expires: timedelta) -> bool:
        """Whether it still counts: it has not run out, nor is it from the future."""
        return -CLOCKS_DIFFER <= now - self.at < expires


def is_waiting(
    request: ApprovalRequest | None, decision: ApprovalDecision | None, now: datetime
) -> bool:
    """Whether a request is still to be answered."""
    if request is None or now >= request.expires_at:
        return False
    if decision is None or decision.plan_id != request.plan_id:
        return True
    return decision.at < request.asked_at  # about the same plan, once before


def is_overtaken(request: ApprovalRequest, state: RolloutState | None) -> bool:
    """Whether a run has begun since somebody was asked: then that plan is of the past."""
    if state is None:
        return False
    began = [run.started_at for run in (state.journal, state.last) if run is not None]
    # What was asked is noted in whole seconds.
    return any(at - request.asked_at >= timedelta(seconds=1) for at in began)


def said(decision: ApprovalDecision) -> str:
    """Return who decided what, when and why, as a sentence goes on: ``approved by …``."""
    why = f": {decision.reason}" if decision.reason else ""
    return f"{decision.decision} by {decision.actor} at {decision.at:%Y-%m-%d %H:%M:%SZ}{why}"


def about_former(decision: ApprovalDecision | None, plan: Plan) -> str:
    """Return why a decision that is there does not count for a plan; empty without one."""
    if decision is None:
        return ""
    if decision.plan_id == plan.id and decision.cluster_id == plan.cluster_id:
        return f"what was {said(decision)} no longer counts: it has expired, or was used"
    if decision.cluster_id != plan.cluster_id:
        return f"what was {said(decision)} is a plan for another cluster"
    return (
        f"{decision.decision} was plan {brief(decision.plan_id)}; the world moved on:"
        f" the plan is now {brief(plan.id)}"
    )


def brief(plan_id: str) -> str:
    """Return the hex characters of a plan's id that name it well enough."""
    return plan_id.removeprefix("sha256:")[:_SHOWN]


def entry_of(decision: ApprovalDecision) -> AuditEntry:
    """Return what the audit trail says of a decision."""
    why = f": {decision.reason}" if decision.reason else ""
    return AuditEntry(
        at=decision.at,
        kind="approval" if decision.is_approval else "rejection",
        actor=decision.actor,
        message=f"plan {decision.plan_id} {decision.decision}{why}",
    )


def is_recorded(state: RolloutState | None, decision: ApprovalDecision) -> bool:
    """Whether the audit trail has the decision: then a run has used it."""
    return state is not None and entry_of(decision) in state.audit


def with_decision(state: RolloutState, decision: ApprovalDecision | None) -> RolloutState:
    """Return the state with the decision on record, once."""
    if decision is None or is_recorded(state, decision):
        return state
    return state.audited(entry_of(decision))


def is_begun(state: RolloutState | None, plan: Plan, now: datetime, expires: timedelta) -> bool:
    """Whether a run of exactly this plan was begun, with its approval, and broke off (VR-11)."""
    journal = state.journal if state else None
    if journal is None or journal.plan_id != plan.id:
        return False
    return now - journal.started_at < expires
