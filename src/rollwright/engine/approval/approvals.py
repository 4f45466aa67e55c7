"""An approval that names a plan: it holds for that plan and for no other (PL-20).

Before: somebody looked at a plan and said its id.
After: ``approve`` lets exactly that plan pass.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial

from rollwright.engine.approval.permitting import PRUNE_GUARDS
from rollwright.engine.approval.permitting import approve as ask_policy
from rollwright.engine.site import Site
from rollwright.engine.stages import Stages
from rollwright.errors import InvalidDocument, Refused
from rollwright.rollouts.guards import with_approval
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.salting import has_secrets
from rollwright.rollouts.spec import Approval, RolloutSpec

SHORTEST = 12
"""Hex characters of an id that name a plan well enough."""

_ID = re.compile(rf"(?:sha256:)?([0-9a-f]{{{SHORTEST},64}})")


def read_plan_id(text: str) -> str:
    """Return the hex characters of a plan's id, whole or its first twelve or more.

    Raises:
        InvalidDocument: It is no such id.
    """
    found = _ID.fullmatch(text.strip().lower())
    if found is None:
        raise InvalidDocument(
            f"{text!r} is no plan id: expected at least {SHORTEST} hex characters",
            hint="the plan's second line shows its id",
        )
    return found[1]


def refuse_other(plan: Plan, approved: str) -> None:
    """Raise ``Refused`` if a plan is not the approved one."""
    wanted = read_plan_id(approved)
    if not plan.id.removeprefix("sha256:").startswith(wanted):
        raise Refused(
            f"{plan.rollout}: the approval is for plan {wanted}, and the plan now is {plan.id}",
            hint="look at the plan as it is now, and approve that one" + _about_secrets(plan),
        )


def _about_secrets(plan: Plan) -> str:
    """Before the first run there is no key for the digests of Secrets, unless a plan was saved."""
    has_any = has_secrets(change.ref for change in plan.changes)
    return "; before the first run `plan --save` keeps the key of its Secrets" if has_any else ""


def approving(stages: Stages, approved: str) -> Stages:
    """Return the stages that carry out the plan of that id, and refuse any other.

    The approval is what ``approval:`` in a document asks for, and it lets the guards pass that
    an approval may (PR-02, PR-03, and those that say so themselves).
    """
    read_plan_id(approved)
    return replace(stages, approve=partial(_approve, approved=approved))


async def _approve(site: Site, spec: RolloutSpec, plan: Plan, *, approved: str) -> None:
    refuse_other(plan, approved)
    unasked = spec.model_copy(update={"approval": Approval.NEVER})
    await ask_policy(site, unasked, with_approval(plan), waived=PRUNE_GUARDS)
