"""The walk of one run, written once.

The one-off command, Python callers and the Prefect flow all run this function; they differ in
the ``Stages`` they hand in. A dry run is the same walk stopped before ``approve``.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass

from rollwright.engine.applyset import check_parent
from rollwright.engine.carrying import carry_out_locked, nothing_begun
from rollwright.engine.course import find_course
from rollwright.engine.leaving import find_leaving, show_blast
from rollwright.engine.permissions import telling_rights
from rollwright.engine.rollback import after_failure, after_interruption, follows, interrupted
from rollwright.engine.site import Site
from rollwright.engine.stages import DIRECT, Stages, foretell
from rollwright.rollouts.hooks.left import with_stale
from rollwright.rollouts.live import LiveSet
from rollwright.rollouts.manifest import ManifestSet
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.planning import candidates, make_plan
from rollwright.rollouts.report import Report, conclude
from rollwright.rollouts.revisions.holding import refuse_held, with_hold
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.state import RolloutState
from rollwright.rollouts.steps.course import declared
from rollwright.rollouts.steps.stepping import left_to_steps
from rollwright.rollouts.trigger import Trigger


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A plan, and what it was made of; ``spec`` has the groups that came with the objects."""

    spec: RolloutSpec
    plan: Plan
    wanted: ManifestSet
    live: LiveSet
    state: RolloutState | None


async def prepare(
    spec: RolloutSpec, trigger: Trigger, site: Site, stages: Stages = DIRECT
) -> Prepared:
    """Make the plan of a rollout and change nothing: the walk up to ``approve``.

    Raises:
        RolloutError: Anything that keeps a plan from being made; nothing was changed.
    """
    with nothing_begun():
        source = await stages.fetch(site, spec, trigger)
        wanted = await stages.render(site, spec, source, trigger)
        spec = declared(spec, wanted)
        course = find_course(site, spec, wanted)
        state = await stages.load_state(site, spec)
        async with telling_rights(await site.cluster(spec), spec, wanted, state):
            live = await stages.read_live(site, spec, wanted, state)
            left = left_to_steps(course, wanted, live)
            asked = candidates(wanted, live, state, spec.apply, left)
            forecast = await stages.forecast(site, spec, asked)
            course = await foretell(site, spec, stages, course, live)
        leaving = await find_leaving(site, spec, wanted, live, state)
    plan = with_hold(make_plan(spec, wanted, live, forecast, state, leaving, course=course), state)
    plan = with_stale(plan, state)
    with nothing_begun():
        plan = await show_blast(site, spec, plan, live)
        await check_parent(site, spec, plan)
    await stages.show(site, plan)
    return Prepared(spec=spec, plan=plan, wanted=wanted, live=live, state=state)


async def walk(spec: RolloutSpec, trigger: Trigger, site: Site, stages: Stages = DIRECT) -> Report:
    """Bring one declared rollout to one revision.

    Raises:
        Refused: A guard, an approval, a hold, a lock, or a world that moved on; nothing was
            changed.
        RolloutError: The plan could not be made; nothing was changed.
    """
    prepared = await prepare(spec, trigger, site, stages)
    spec, plan, state = prepared.spec, prepared.plan, prepared.state
    if state is not None and state.journal is not None and interrupted(spec, state, plan):
        report = await after_interruption(spec, plan, state.journal, trigger, site, stages)
        return await stages.tell(site, report)
    refuse_held(spec.name, state, plan)
    if plan.is_done:
        return await stages.tell(site, conclude(plan, trigger, (), calls=await site.calls(spec)))
    await stages.approve(site, spec, plan)
    return await carry_out(spec, plan, trigger, site, stages)


async def carry_out(
    spec: RolloutSpec, plan: Plan, trigger: Trigger, site: Site, stages: Stages = DIRECT
) -> Report:
    """Carry out a plan that was approved: the walk after ``approve``.

    A run that failed is rolled back under the same lock, if the rollout asks for it.

    Raises:
        Refused: Another run holds the lock, or changed the state since the plan was made.
        LockLost: Our lease may be gone; the journal stays open for the next run.
    """
    async with AsyncExitStack() as held:
        with nothing_begun():
            lock = await held.enter_async_context(site.lock(spec, trigger))
        report = await carry_out_locked(spec, plan, trigger, site, stages, lock)
        if follows(spec, report):
            report = await after_failure(spec, report, trigger, site, stages, lock)
    return await stages.tell(site, report)
