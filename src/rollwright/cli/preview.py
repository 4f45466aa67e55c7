"""A plan made for the command line, and what its options change about it.

Before: ``plan`` or ``rollout`` read the command line. After: the plan is printed, or carried out.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rollwright.cli.options import Common
from rollwright.cli.output import say
from rollwright.cli.progress import follow
from rollwright.cli.session import load, opened
from rollwright.engine import operations
from rollwright.engine.approval.permitting import PRUNE_GUARDS
from rollwright.engine.approval.plan_files import write_plan
from rollwright.engine.approval.saved import saved_of
from rollwright.engine.stages import DIRECT, Stages, no_forecast
from rollwright.engine.walk import prepare
from rollwright.rollouts.plan import Guard, Plan
from rollwright.rollouts.pruning.prune import ALLOW_PRUNE
from rollwright.rollouts.saved.saved_plan import SavedPlan


async def make(
    file: Path, common: Common, stages: Stages, *, allowed: frozenset[str] = frozenset()
) -> Plan:
    """Make the plan of a rollout, shown while it goes on."""
    loaded = load(file, common)
    async with opened(common, loaded) as site, follow(is_verbose=common.verbose) as view:
        site.tell, site.allowed = view.take, allowed
        return await operations.plan(site, loaded, stages)


async def make_saved(
    file: Path, common: Common, stages: Stages, *, allowed: frozenset[str] = frozenset()
) -> tuple[Plan, SavedPlan]:
    """Make the plan of a rollout, and what a file holds of it."""
    loaded = load(file, common)
    async with opened(common, loaded) as site, follow(is_verbose=common.verbose) as view:
        site.tell, site.allowed = view.take, allowed
        trigger = operations.manual_trigger(loaded.spec.name)
        prepared = await prepare(loaded.spec, trigger, site, stages)
        return prepared.plan, await saved_of(site, loaded.spec, prepared)


def stages_of(*, is_dry_run: bool) -> Stages:
    """Return the stages, with or without the server's dry run."""
    return DIRECT if is_dry_run else replace(DIRECT, forecast=no_forecast)


def allowing_prune(made: Plan, by: str = ALLOW_PRUNE) -> Plan:
    """Return the plan with its guards on deletes waived, so that it shows who let them pass."""
    return replace(made, guards=tuple(_waived(guard, by) for guard in made.guards))


def _waived(guard: Guard, by: str) -> Guard:
    is_meant = guard.is_breached and guard.id in PRUNE_GUARDS
    return replace(guard, waived_by=by) if is_meant else guard


def save(saved: SavedPlan, file: Path) -> None:
    """Write a plan so that it can be carried out later.

    Raises:
        NotFound: The file cannot be written.
    """
    write_plan(saved, file)
    say(f"saved plan {saved.id} to {file}")
