"""What a person says to a plan that waits: approved or rejected, noted beside the state.

Before: a run was refused and left its request (``approval_notes``).
After: the next run of exactly that plan goes on, or is refused with who and why.
"""

from __future__ import annotations

from rollwright.engine.approval.approval_notes import (
    DECISION,
    REASON_LENGTH,
    Noted,
    noted_in,
    text_of,
    whole_now,
)
from rollwright.engine.custody.notes import Notes, change_notes
from rollwright.engine.site import Site
from rollwright.errors import NotFound, Refused, excerpt
from rollwright.rollouts.approving import (
    ApprovalDecision,
    ApprovalRequest,
    Verdict,
    brief,
    is_waiting,
    said,
)
from rollwright.rollouts.spec import RolloutSpec


async def decide(
    site: Site,
    spec: RolloutSpec,
    verdict: Verdict,
    *,
    actor: str,
    reason: str = "",
    plan_id: str = "",
) -> ApprovalDecision:
    """Approve or reject the plan that waits; return what is noted then.

    A plan that was approved may still be rejected until its run begins, and the other way round.

    Args:
        site: The installation.
        spec: The rollout.
        verdict: What is said.
        actor: Who says it.
        reason: Why, for those who ask later.
        plan_id: The plan that is meant, whole or how it begins; empty for the one that waits.

    Raises:
        NotFound: No plan waits, or another one does.
        Refused: The same was said before.
    """
    made: list[ApprovalDecision] = []

    def change(notes: Notes) -> Notes:
        noted = noted_in(notes)
        request = _answerable(spec, noted, plan_id)
        _refuse_repeated(spec, noted, request, verdict)
        made[:] = [
            ApprovalDecision(
                plan_id=request.plan_id,
                cluster_id=request.cluster_id,
                decision=verdict,
                actor=actor,
                reason=excerpt(reason, REASON_LENGTH),
                at=whole_now(),
            )
        ]
        return {**notes, DECISION: text_of(made[0])}

    await change_notes(site, spec, change)
    return made[0]


def _answerable(spec: RolloutSpec, noted: Noted, plan_id: str) -> ApprovalRequest:
    request = noted.request
    if request is None:
        raise NotFound(
            f"{spec.name}: no plan waits for an approval",
            hint="a run that needs one leaves it; `rollwright status` shows what waits",
        )
    if whole_now() >= request.expires_at:
        raise NotFound(
            f"{spec.name}: plan {brief(request.plan_id)} waited until"
            f" {request.expires_at:%Y-%m-%d %H:%M:%SZ} and has expired",
            hint="run the rollout again, and look at the plan as it is now",
        )
    if not is_named(plan_id, request.plan_id):
        raise NotFound(
            f"{spec.name}: plan {brief(plan_id)} does not wait for an approval; plan"
            f" {brief(request.plan_id)} does",
            hint="look at that one",
        )
    return request


def _refuse_repeated(
    spec: RolloutSpec, noted: Noted, request: ApprovalRequest, verdict: Verdict
) -> None:
    former = noted.decision
    if former is None or former.decision is not verdict:
        return
    if not is_waiting(request, former, whole_now()):
        raise Refused(f"{spec.name}: plan {brief(request.plan_id)} was {said(former)} already")


def is_named(text: str, plan_id: str) -> bool:
    """Whether a text is a plan's id, or how that begins; an empty one means any plan."""
    return plan_id.removeprefix("sha256:").startswith(text.removeprefix("sha256:"))
