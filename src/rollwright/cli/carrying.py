"""A rollout carried out from the command line: who agrees, what is shown, what comes of it.

Before: ``rollout`` or ``delete`` read the command line. After: the report is printed.
"""

from __future__ import annotations

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
from rollwright.engine.site import Site
from rollwright.engine.stages import Stages, approval_reason
from rollwright.errors import Refused
from rollwright.rollouts.describe import describe_plan, describe_report, summary
from rollwright.rollouts.machine import report_form
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.report import Outcome, Report
from rollwright.rollouts.spec import Approval, RolloutSpec


async def carry_out(
    file: Path, common: Common, consent: Consent, *, stages: Stages, lock_wait: timedelta
) -> Report:
    """Carry a rollout out, shown while it goes on."""
    loaded = load(file, common)
    async with opened(common, loaded) as site, follow(is_verbose=common.verbose) as view:
        site.lock_wait = lock_wait
        consent.view = view
        with stoppable(site, view.take):
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
        output: Where the plan is printed: beside the result when that is for programs.
    """

    is_given: bool
    is_prune_allowed: bool
    output: Form
    view: View = field(init=False)

    def stages(self, stages: Stages) -> Stages:
        """Return the stages with the terminal's own ``approve``."""
        base = stages.allowing_prune() if self.is_prune_allowed else stages

        async def approve(site: Site, spec: RolloutSpec, plan: Plan) -> None:
            self.show(plan)
            # Guards speak first: nobody is asked about a plan that may not run.
            await base.approve(site, spec.model_copy(update={"approval": Approval.NEVER}), plan)
            if not self.is_given:
                await self.ask(site, spec, plan, base)

        return replace(base, approve=approve)

    def show(self, plan: Plan) -> None:
        """Print the plan."""
        self.view.pause()
        shown = allowing_prune(plan) if self.is_prune_allowed else plan
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
