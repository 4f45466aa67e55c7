"""A plan made for the command line, and what its options change about it.

Before: ``plan`` or ``rollout`` read the command line. After: the plan is printed, or carried out.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rollwright.cli.options import Common
from rollwright.cli.output import document_text, say
from rollwright.cli.progress import follow
from rollwright.cli.session import load, opened
from rollwright.engine import operations
from rollwright.engine.stages import DIRECT, PRUNE_GUARDS, Stages, no_forecast
from rollwright.errors import NotFound
from rollwright.rollouts.machine import plan_form
from rollwright.rollouts.plan import Guard, Plan
from rollwright.rollouts.prune import ALLOW_PRUNE


async def make(file: Path, common: Common, stages: Stages) -> Plan:
    """Make the plan of a rollout, shown while it goes on."""
    loaded = load(file, common)
    async with opened(common, loaded) as site, follow(is_verbose=common.verbose) as view:
        site.tell = view.take
        return await operations.plan(site, loaded, stages)


def stages_of(*, is_dry_run: bool) -> Stages:
    """Return the stages, with or without the server's dry run."""
    return DIRECT if is_dry_run else replace(DIRECT, forecast=no_forecast)


def allowing_prune(made: Plan) -> Plan:
    """Return the plan with its guards on deletes waived, so that it shows who let them pass."""
    return replace(made, guards=tuple(_waived(guard) for guard in made.guards))


def _waived(guard: Guard) -> Guard:
    is_meant = guard.is_breached and guard.id in PRUNE_GUARDS
    return replace(guard, waived_by=ALLOW_PRUNE) if is_meant else guard


def save(made: Plan, file: Path) -> None:
    """Write a plan as JSON.

    Raises:
        NotFound: The file cannot be written.
    """
    try:
        file.write_text(document_text(plan_form(made), "json"), encoding="utf-8")
    except OSError as error:
        raise NotFound(f"cannot write {str(file)!r}: {error.strerror}") from error
    say(f"saved to {file}")
