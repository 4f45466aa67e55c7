"""A rollout carried out from the command line: who agrees, what is shown, what comes of it.

Before: ``rollout`` or ``delete`` read the command line. After: the report is printed.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from rollwright.cli.asking import can_ask, confirm
from rollwright.cli.options import Common, Form
from rollwright.cli.output import write_document, write_lines
from rollwright.cli.preview import allowing_prune
from rollwright.cli.progress import View, follow
from rollwright.cli.session import load, opened
from rollwright.cli.stopping import stoppable
from rollwright.engine import operations
from rollwright.engine.approval.approval_notes import decision_of
from rollwright.engine.approval.approvals import approving
from rollwright.engine.approval.permitting import PRUNE_GUARDS, approval_reason, needs_word
from rollwright.engine.approval.saved import roll_out_saved
from rollwright.engine.site import Site
from rollwright.engine.stages import Stages
from rollwright.errors import Refused
from rollwright.rollouts.describe.plans import describe_plan, summary
from rollwright.rollouts.describe.reports import describe_report
from rollwright.rollouts.guards import APPROVAL, with_approval
from rollwright.rollouts.machine.reports import report_form
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.report import Outcome, Report
from rollwright.rollouts.saved.saved_plan import SavedPlan
from rollwright.rollouts.spec import Approval, RolloutSpec


async def carry_out(
    file: Path,
    common: Common,
    consent: Consent,
    *,
    stages: Stages,
    lock_wait: timedelta,
    saved: SavedPlan | None = None,
) -> Report:
    """Carry a rollout out, shown while it goes on; with a saved plan exactly that."""
    loaded = load(file, common)
    async with opened(common, loaded) as site, follow(is_verbose=common.verbose) as view:
        site.lock_wait = lock_wait
        consent.view, site.allowed = view, consent.allowed
        site.runs_tests = consent.runs_tests
        with stoppable(site, view.take):
            if saved is not None:
                return await roll_out_saved(site, loaded, saved, consent.stages(stages))
            return await operations.roll_out(site, loaded, consent.stages(stages))


def print_report(report: Report, output: Form) -> int:
    """Print what became of a run, and return the exit code."""
    if output == "text":
        write_lines(describe_report(report))
    else:
        write_document(report_form(report), output)
    return 0 if report.outcome is Outcome.SUCCEEDED else 1


@dataclass(kw_only=True)
class Consent:
    """Who agrees to a plan: the person at the terminal, or the command line.

    Attributes:
        is_given: Whether ``--yes`` stands on the command line.
        is_prune_allowed: Whether the guards on deletes are waived.
        approved: Id of the plan that somebody approved; empty if nobody did.
        output: Where the plan is printed: beside the result when that is for programs.
        allowed: Names of protected objects that may go.
        runs_tests: Whether hooks for tests run at the end.
    """

    is_given: bool
    is_prune_allowed: bool
    approved: str = ""
    output: Form
    allowed: frozenset[str] = frozenset()
    runs_tests: bool = False
    view: View = field(init=False)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    def stages(self, stages: Stages) -> Stages:
        """Return the stages with the terminal's own ``approve``."""
        base = stages.allowing_prune() if self.is_prune_allowed else stages
        base = approving(base, self.approved) if self.approved else base

        async def approve(site: Site, spec: RolloutSpec, plan: Plan) -> None:
            self.show(plan)
            site.ask = self.may_go_on if can_ask() else None
            if needs_word(spec, plan) and await decision_of(site, spec, plan):
                await base.approve(site, spec, plan)  # somebody has said so, or refused it
                return
            # Guards speak first: nobody is asked about a plan that may not run.
            unasked = spec.model_copy(update={"approval": Approval.NEVER})
            passing = await self.passing(plan, base)
            await passing.approve(site, unasked, with_approval(plan))
            has_agreed = passing is not base  # to more than what is asked below
            if not self.is_given and not self.approved and not has_agreed:
                await self.ask(site, spec, plan, base)

        return replace(base, approve=approve)

    async def passing(self, plan: Plan, base: Stages) -> Stages:
        """Return the stages, with the guards on deletes waived if the person says so (PR-21)."""
        breached = [guard.message for guard in plan.breached if guard.id in PRUNE_GUARDS]
        is_settled = self.is_given or self.is_prune_allowed or self.approved
        if not breached or is_settled or not can_ask():
            return base
        is_meant = await confirm(f"{'; '.join(breached)}. Delete all the same?")
        return base.allowing_prune() if is_meant else base

    async def may_go_on(self, question: str) -> bool:
        """Ask what a step of the run wants to know; one question at a time."""
        async with self.turn:
            self.view.pause()
            return await confirm(question)

    def show(self, plan: Plan) -> None:
        """Print the plan."""
        self.view.pause()
        shown = allowing_prune(plan) if self.is_prune_allowed else plan
        shown = allowing_prune(with_approval(plan), APPROVAL) if self.approved else shown
        stream = sys.stdout if self.output == "text" else sys.stderr
        write_lines(describe_plan(shown), stream)

    async def ask(self, site: Site, spec: RolloutSpec, plan: Plan, base: Stages) -> None:
        """Let the person decide; without one, what the rollout's policy says."""
        if not can_ask():
            await base.approve(site, spec, plan)
            return
        why = approval_reason(spec, plan)
        if not why and not any(change.writes for change in plan.changes):
            return  # to wait, or to remember something, takes nobody's word
        what = f"{summary(plan)}; {why}" if why else summary(plan)
        if not await confirm(f"Carry out ({what})?"):
            raise Refused(f"{spec.name}: nobody agreed; nothing was changed")
