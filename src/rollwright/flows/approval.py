"""Approvals in Prefect: the flow run is suspended, with the plan in front of a person.

Before: a flow run from a deployment made a plan that needs an approval nobody has given yet.
After: the process ends; no worker, no lock and no journal waits. Whoever resumes the run fills
in the form. The flow then runs from the top and plans anew: the answer is for the plan that was
shown, so if the plan is another one by then, it is asked again.

Prefect does not know who resumes a run, so the form asks for the name. The answer becomes the
same decision as one by ``rollwright approve``, and passes or fails by the same rules.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from prefect import get_client
from prefect.client.schemas.objects import FlowRun, FlowRunInput
from prefect.context import FlowRunContext
from prefect.flow_runs import asuspend_flow_run
from prefect.input import RunInput
from prefect.input.run_input import keyset_from_base_key
from prefect.utilities.urls import url_for
from pydantic import Field, ValidationError, field_validator

from rollwright.engine.approval.approval_notes import (
    expiry,
    leave_request,
    put_decision,
    read_noted,
    request_for,
)
from rollwright.engine.site import Site
from rollwright.engine.stages import Stages
from rollwright.errors import ApprovalNeeded, Refused
from rollwright.flows.approval_form import description
from rollwright.flows.expiring import timeout_of
from rollwright.rollouts.approving import ApprovalDecision, Verdict, brief
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.trigger import Trigger

MOST_ASKED = 5
"""How often one flow run asks; each time the plan had become another one."""

KEY = re.compile(r"approval-(\d+)-([0-9a-f]{64})")
"""How a suspension is called: which time it is that the run asks, and about which plan."""

NAME_LENGTH, REASON_LENGTH = 200, 1000


class Approval(RunInput):
    """What a person says to a plan; the fields stand in the form."""

    approve: bool = Field(description="On: exactly this plan is carried out. Off: it is refused")
    name: str = Field(
        min_length=1,
        max_length=NAME_LENGTH,
        pattern=r"\S",
        description="Who you are; it stands in the audit trail",
    )
    reason: str = Field(
        default="", max_length=REASON_LENGTH, description="Why; it stands in the audit trail"
    )

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, value: str) -> str:
        # NB: a field that the form was filled with beforehand loses its bounds; this stays.
        if not value.strip():
            raise ValueError("an approval needs the name of a person")
        return value.strip()


def suspending(stages: Stages, trigger: Trigger) -> Stages:
    """Return the stages that ask in Prefect for an approval that a plan lacks.

    A run that is not from a deployment cannot be suspended: it is refused, and leaves a request.
    """
    return replace(stages, approve=partial(_approve, stages=stages, trigger=trigger))


async def _approve(
    site: Site, spec: RolloutSpec, plan: Plan, *, stages: Stages, trigger: Trigger
) -> None:
    run = _suspendable_run()
    if run is None:
        await stages.approve(site, spec, plan)
        return
    asking = Asking(run=run, site=site, spec=spec, plan=plan, trigger=trigger)
    await asking.take_answer()
    try:
        await stages.approve(site, spec, plan)
    except ApprovalNeeded as error:
        needed = error
    else:
        return
    await asking.suspend(needed)


def _suspendable_run() -> FlowRun | None:
    """Return the flow run, if Prefect can start it again later."""
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    if run is None or run.deployment_id is None or run.parent_task_run_id is not None:
        return None
    return run


@dataclass(frozen=True, kw_only=True)
class Asking:
    """One flow run that asks about one plan."""

    run: FlowRun
    site: Site
    spec: RolloutSpec
    plan: Plan
    trigger: Trigger

    @property
    def asked(self) -> tuple[str, ...]:
        """The plans that the run asked about before, in order; Prefect remembers them."""
        keys = self.run.empirical_policy.pause_keys or set()
        found = [match for key in keys if (match := KEY.fullmatch(key))]
        return tuple(match[2] for match in sorted(found, key=lambda one: int(one[1])))

    @property
    def digest(self) -> str:
        """The plan's id as it stands in a key."""
        return self.plan.id.removeprefix("sha256:")

    async def take_answer(self) -> None:
        """Note what was answered to this very plan, unless somebody has decided since."""
        asked = self.asked
        if not asked or asked[-1] != self.digest:
            return
        answer = await _answer_to(self.run, f"approval-{len(asked)}-{self.digest}")
        decision = None if answer is None else _decision(answer, self.plan)
        former = (await read_noted(self.site, self.spec)).decision
        is_newest = former is None or not former.is_for(self.plan)
        if decision and (is_newest or (former and former.at < decision.at)):
            await put_decision(self.site, self.spec, decision)

    async def suspend(self, needed: ApprovalNeeded) -> None:
        """End this process until somebody answers.

        Raises:
            Refused: The run has asked often enough, or cannot be suspended.
        """
        asked = self.asked
        if len(asked) >= MOST_ASKED:
            raise Refused(
                f"{needed.message}; it was asked {len(asked)} times, and each time the plan had"
                " become another one",
                hint="find out what keeps changing the cluster or the source, and run it again",
            )
        request = request_for(self.site, self.plan, self.trigger, needed.reason)
        request = replace(request, run=str(self.run.id), run_name=self.run.name)
        await leave_request(self.site, self.spec, request)
        timeout = await timeout_of(self.run, expiry(self.site))
        link = url_for(self.run)
        words = description(
            self.plan,
            request,
            again=self._again(needed),
            link=f"{link}?tab=Artifacts" if link else "",
        )
        try:
            await asuspend_flow_run(
                wait_for_input=Approval.with_initial_data(description=words),
                timeout=int(timeout.total_seconds()),
                key=f"approval-{len(asked) + 1}-{self.digest}",
            )
        except RuntimeError as error:
            raise Refused(f"{needed.message}; {error}", hint=needed.hint) from error
        raise needed  # Prefect went on without an answer

    def _again(self, needed: ApprovalNeeded) -> str:
        """Return why the run asks once more; empty the first time."""
        asked = self.asked
        if not asked:
            return ""
        if asked[-1] == self.digest:
            return "the answer was none, came too late, or was used before"
        was = f"the last answer was for plan {brief(asked[-1])}; the world moved on"
        return f"{was}: the plan is now {brief(self.plan.id)}. {needed.message}"


async def _answer_to(run: FlowRun, key: str) -> FlowRunInput | None:
    """Return what was filled into the form of a suspension."""
    wanted = keyset_from_base_key(f"suspended-{key}")["response"]
    async with get_client() as client:
        found = await client.filter_flow_run_input(
            run.id, key_prefix=wanted, limit=2, exclude_keys=set()
        )
    return next((one for one in found if one.key == wanted), None)


def _decision(answer: FlowRunInput, plan: Plan) -> ApprovalDecision | None:
    """Return what a person decided, as of when they did; ``None`` if the form was not filled in."""
    said: Any = answer.decoded_value
    try:
        form = Approval.model_validate(said)
    except ValidationError:
        return None
    at = answer.created.timestamp() if answer.created else datetime.now(UTC).timestamp()
    return ApprovalDecision(
        plan_id=plan.id,
        cluster_id=plan.cluster_id,
        decision=Verdict.APPROVED if form.approve else Verdict.REJECTED,
        actor=f"{form.name} (in Prefect)",
        reason=form.reason.strip(),
        at=datetime.fromtimestamp(int(at), UTC),
    )
