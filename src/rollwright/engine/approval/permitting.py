"""Whether a plan may be carried out: guards, the rollout's policy, what somebody said (PL-22).

Before: the plan was shown.
After: ``begin`` opens the journal. ``engine.stages`` has ``approve`` as one of the stages.
"""

from __future__ import annotations

from rollwright.engine.approval.approval_notes import settle
from rollwright.engine.site import Site
from rollwright.errors import ApprovalNeeded, GuardRefused, Held
from rollwright.rollouts.plan import Guard, Plan
from rollwright.rollouts.pruning.prune import ALLOW_PRUNE
from rollwright.rollouts.spec import RolloutSpec

PRUNE_GUARDS = frozenset({"PR-02", "PR-03"})
"""What ``--allow-prune`` waives, and nothing else."""


async def approve(
    site: Site, spec: RolloutSpec, plan: Plan, *, waived: frozenset[str] = frozenset()
) -> None:
    """Return if the plan may be carried out.

    Args:
        site: The installation.
        spec: What was declared.
        plan: What would happen.
        waived: Ids of guards that somebody allowed to be breached.

    Raises:
        Held: The rollout is suspended.
        Refused: Somebody rejected the plan.
        GuardRefused: A guard is breached.
        ApprovalNeeded: Somebody has to approve the plan, and nobody has (PL-22).
    """
    if spec.suspend:
        raise Held(f"{spec.name} is suspended", hint="set spec.suspend: false to run it")
    breached = (guard for guard in plan.breached if guard.id not in waived)
    hard = tuple(guard for guard in breached if not guard.is_waivable)
    if any(guard.id not in PRUNE_GUARDS for guard in hard):
        refuse_breached(hard)
    if needed := _lacks(spec, plan, hard):
        await settle(site, spec, plan, needed)


def _lacks(spec: RolloutSpec, plan: Plan, deletes: tuple[Guard, ...]) -> ApprovalNeeded | None:
    """Return what is raised when nobody approves the plan; ``None`` if nobody has to (PR-21)."""
    why = approval_reason(spec, plan)
    if deletes:
        words = "; ".join(guard.message for guard in deletes)
        hint = f"look at the plan; {ALLOW_PRUNE} lets it pass"
        return ApprovalNeeded(words, reason=f"{words}; {why}" if why else words, hint=hint)
    if not why:
        return None
    hint = "run it on a terminal, or say --yes to approve this plan"
    return ApprovalNeeded(f"{spec.name}: needs an approval ({why})", reason=why, hint=hint)


def refuse_breached(breached: tuple[Guard, ...]) -> None:
    """Raise ``GuardRefused`` if any guard is breached."""
    if not breached:
        return
    prunes = [guard for guard in breached if guard.id in PRUNE_GUARDS]
    raise GuardRefused(
        "; ".join(guard.message for guard in breached),
        hint=f"look at the plan; {ALLOW_PRUNE} lets it pass" if prunes else None,
    )


def approval_reason(spec: RolloutSpec, plan: Plan) -> str:
    """Return why somebody has to agree to the plan; empty if nobody has to."""
    if waivable := [guard.message for guard in plan.breached if guard.is_waivable]:
        return "; ".join(waivable)
    has_prunes = any(change.operation == "prune" for change in plan.changes)
    has_conflicts = any(c.action == "take" for change in plan.changes for c in change.conflicts)
    policy = spec.approval.value
    if policy == "always" or (policy == "onPrune" and has_prunes):
        return f"approval: {policy}"
    return f"approval: {policy}" if policy == "onConflict" and has_conflicts else ""


def needs_word(spec: RolloutSpec, plan: Plan) -> bool:
    """Whether a plan waits for somebody's word, if nothing else is said."""
    is_breached = any(guard.id in PRUNE_GUARDS for guard in plan.breached)
    return is_breached or bool(approval_reason(spec, plan))
