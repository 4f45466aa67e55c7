"""The walk of one run, written once.

The one-off command, Python callers and the Prefect flow all run this function; they differ in
the ``Stages`` they hand in. A dry run is the same walk stopped before ``approve``.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass

from rollwright.engine.approval.approval_notes import agree
from rollwright.engine.carrying import carry_out_locked, nothing_begun
from rollwright.engine.course import find_course
from rollwright.engine.custody.desired import is_free, made_way, overtaken_before, superseded_by
from rollwright.engine.progress import Grouped, Note
from rollwright.engine.reading.permissions import telling_rights
from rollwright.engine.removal.leaving import find_leaving, show_blast
from rollwright.engine.returning.rollback import (
    after_failure,
    after_interruption,
    follows,
    interrupted,
)
from rollwright.engine.site import Site
from rollwright.engine.stages import DIRECT, Stages, foretell
from rollwright.engine.telling.telling import telling
from rollwright.engine.writing.applyset import check_parent
from rollwright.errors import Refused
from rollwright.rollouts.candidates import candidates
from rollwright.rollouts.concluding import conclude
from rollwright.rollouts.hooks.left import with_stale
from rollwright.rollouts.hooks.steps import with_tests
from rollwright.rollouts.live import LiveSet
from rollwright.rollouts.manifest import ManifestSet
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.planning import make_plan
from rollwright.rollouts.report import Report
from rollwright.rollouts.revisions.holding import refuse_held, with_hold
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.state import RolloutState
from rollwright.rollouts.steps.course import declared
from rollwright.rollouts.steps.stepping import left_to_steps
from rollwright.rollouts.trigger import Trigger

PLANS = 4
"""How many plans a run makes at most that others may overtake."""


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
        site.tell(Grouped(tuple(one.name for one in spec.declared_groups)))
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
    if site.runs_tests:
        plan = with_tests(plan, wanted.hooks, state)
    with nothing_begun():
        plan = await show_blast(site, spec, plan, live)
        await check_parent(site, spec, plan)
    await stages.show(site, plan)
    return Prepared(spec=spec, plan=plan, wanted=wanted, live=live, state=state)


async def walk(spec: RolloutSpec, trigger: Trigger, site: Site, stages: Stages = DIRECT) -> Report:
    """Bring one declared rollout to one revision.

    A run that something newer has overtaken makes way. One that may be overtaken is nobody's to
    start again, so it makes a new plan where another run was faster.

    Raises:
        Refused: A guard, an approval, a hold, a lock, or a world that moved on; nothing was
            changed.
        RolloutError: The plan could not be made; nothing was changed.
    """
    async with telling(site, spec, trigger, stages) as heard:
        return await _walk(spec, trigger, site, heard)


async def _walk(spec: RolloutSpec, trigger: Trigger, site: Site, stages: Stages) -> Report:
    if is_free(trigger):
        return await _walk_once(spec, trigger, site, stages)
    for _ in range(PLANS - 1):
        try:
            return await _walk_once(spec, trigger, site, stages)
        except Refused as error:
            if not error.wants_plan:
                raise
            site.tell(Note(f"{error.message}; making a new plan"))
    return await _walk_once(spec, trigger, site, stages)


async def _walk_once(spec: RolloutSpec, trigger: Trigger, site: Site, stages: Stages) -> Report:
    if not is_free(trigger) and (newer := await superseded_by(site, spec, trigger)):
        return await stages.tell(site, made_way(spec, trigger, newer))
    prepared = await prepare(spec, trigger, site, stages)
    spec, plan, state = prepared.spec, prepared.plan, prepared.state
    if state is not None and state.journal is not None and interrupted(spec, state, plan):
        report = await after_interruption(spec, plan, state.journal, trigger, site, stages)
        return await stages.tell(site, report)
    refuse_held(spec.name, state, plan)
    if plan.is_done:
        return await stages.tell(site, conclude(plan, trigger, (), calls=await site.calls(spec)))
    await agree(site, spec, plan, trigger, stages.approve)
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
    async with telling(site, spec, trigger, stages, plan) as heard:
        return await _carry_out(spec, plan, trigger, site, heard)


async def _carry_out(
    spec: RolloutSpec, plan: Plan, trigger: Trigger, site: Site, stages: Stages
) -> Report:
    async with AsyncExitStack() as held:
        with nothing_begun():
            lock = await held.enter_async_context(site.lock(spec, trigger))
            newer = await overtaken_before(site, spec, trigger)
        if newer is not None:
            await held.aclose()
            return await stages.tell(site, made_way(spec, trigger, newer, plan))
        report = await carry_out_locked(spec, plan, trigger, site, stages, lock)
        if follows(spec, report):
            report = await after_failure(spec, report, trigger, site, stages, lock)
    return await stages.tell(site, report)
