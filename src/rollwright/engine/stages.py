"""The stages of a run, as plain functions.

``walk`` calls them in order. ``DIRECT`` holds them as they are; ``rollwright.tasks.TASKS`` holds
the same functions wrapped as Prefect tasks. A caller may replace one: a terminal asks in
``approve``, ``--no-dry-run`` leaves ``forecast`` out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from rollwright.engine.approval.permitting import PRUNE_GUARDS, approve
from rollwright.engine.beginning import begin
from rollwright.engine.course import foretold
from rollwright.engine.inputs.capabilities import asking
from rollwright.engine.inputs.fetching import fetch_source
from rollwright.engine.inputs.older_documents import with_rendered_groups
from rollwright.engine.inputs.rendering import render_set
from rollwright.engine.progress import Note, Planned, StageBegan
from rollwright.engine.reading.definitions import read_used_versions
from rollwright.engine.reading.forecast import forecast as ask_server
from rollwright.engine.reading.read import read_live as read_cluster
from rollwright.engine.reading.scalers import with_scaled
from rollwright.engine.reading.simulate import check_together
from rollwright.engine.reading.statuses import with_contexts
from rollwright.engine.returning.holding import save_unless_written
from rollwright.engine.returning.revisions import snapshot_of
from rollwright.engine.run import Run
from rollwright.engine.site import Site
from rollwright.engine.stepping.hooks import tidy_hooks
from rollwright.engine.stepping.steps import execute_steps, is_grouped
from rollwright.engine.telling.telling import tell_report
from rollwright.engine.waiting.observe import options_of
from rollwright.engine.writing.applyset import make_exact
from rollwright.engine.writing.execute import execute_wave
from rollwright.errors import Refused, RolloutError
from rollwright.plugins.contracts import Checkout, Lock
from rollwright.rollouts.bookkeeping import close_run, next_number
from rollwright.rollouts.change import Forecast
from rollwright.rollouts.hooks.steps import set_apart
from rollwright.rollouts.live import LiveSet
from rollwright.rollouts.manifest import ManifestSet, ObjectRef
from rollwright.rollouts.ownership.applyset import check_members
from rollwright.rollouts.ownership.proposals import Proposal
from rollwright.rollouts.plan import Plan, Wave
from rollwright.rollouts.premises import check_not_emptied, check_premises, check_supported
from rollwright.rollouts.report import Report, StepResult
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.state import Journal, RolloutState
from rollwright.rollouts.steps.course import Course
from rollwright.rollouts.trigger import Trigger


async def fetch(site: Site, spec: RolloutSpec, trigger: Trigger) -> Checkout:
    """Return the source's tree at an immutable revision."""
    site.tell(StageBegan("fetch"))
    return await fetch_source(site, spec, trigger.revision)


async def render(
    site: Site, spec: RolloutSpec, checkout: Checkout, trigger: Trigger
) -> ManifestSet:
    """Return the objects: rendered, transformed, validated, placed and labelled."""
    site.tell(StageBegan("render"))
    check_supported(spec)
    site.trigger = trigger

    async def ask_scopes() -> Mapping[tuple[str, str], bool]:
        discovery = await (await site.cluster(spec)).discover()
        return {(one.group, one.kind): one.is_namespaced for one in discovery.kinds.values()}

    async with site.rendering(spec, trigger):
        salt, served = partial(site.salt, spec), asking(site, spec)
        wanted = await render_set(site, spec, checkout, ask_scopes, salt, served)
    check_supported(with_rendered_groups(spec, wanted))
    return set_apart(spec, wanted)


async def load_state(site: Site, spec: RolloutSpec) -> RolloutState | None:
    """Return what is remembered of the rollout.

    Raises:
        Refused: The state belongs to another cluster.
    """
    site.tell(StageBegan("state"))
    state = await (await site.store(spec)).load(spec.name)
    if state is not None and state.journal is not None:
        site.tell(Note(await _unfinished(site, spec, state.journal)))
    return state


async def _unfinished(site: Site, spec: RolloutSpec, journal: Journal) -> str:
    """Say of an open journal whether its run may still be at work."""
    began = journal.started_at.isoformat(timespec="seconds")
    run = f"run {journal.run_id} of {journal.owner}, begun {began},"
    try:
        held = await (await site.locks(spec)).list()
    except RolloutError:
        held = ()
    mine = [one for one in held if (one.key, one.token) == (spec.name, journal.token)]
    if not mine:
        return f"{run} was interrupted"
    until = mine[0].expires_at
    if until is None or until > datetime.now(UTC):
        return f"{run} still holds the lock"
    return (
        f"{run} was interrupted; its lock ran out at {until.isoformat(timespec='seconds')}, and is"
        " watched for a moment before it is taken over"
    )


async def read_live(
    site: Site, spec: RolloutSpec, wanted: ManifestSet, state: RolloutState | None
) -> LiveSet:
    """Return the live objects, and refuse what no plan can be made for."""
    site.tell(StageBegan("read"))
    check_not_emptied(spec, wanted, state)
    cluster = await site.cluster(spec)
    live = await read_cluster(cluster, spec.name, wanted, state, partial(site.salt, spec))
    live = await with_contexts(cluster, live, options_of(spec))
    if state is not None and state.cluster_id and state.cluster_id != live.cluster_id:
        raise Refused(
            f"{spec.name}: the state is of cluster {state.cluster_id}, and"
            f" {cluster.name!r} is {live.cluster_id}",
            hint="check the target, or use another store for this cluster",
        )
    discovery = await cluster.discover()
    check_premises(spec, wanted, live, discovery.kinds.keys())
    check_members(spec.name, wanted, live, state)
    live = await with_scaled(cluster, wanted, live, state, spec.apply)
    live = await check_together(cluster, spec, wanted, live, state)
    return await read_used_versions(cluster, wanted, live)


async def forecast(
    site: Site, spec: RolloutSpec, proposals: tuple[Proposal, ...]
) -> Mapping[ObjectRef, Forecast]:
    """Return the server's answer to a dry run of each object."""
    site.tell(StageBegan("forecast"))
    return await ask_server(await site.cluster(spec), proposals)


async def no_forecast(
    site: Site, spec: RolloutSpec, proposals: tuple[Proposal, ...]
) -> Mapping[ObjectRef, Forecast]:
    """Ask nothing: updates go unpredicted and mistakes show while writing."""
    del spec, proposals
    site.tell(Note("no dry run was made: mistakes show only while writing"))
    return {}


async def foretell(
    site: Site, spec: RolloutSpec, stages: Stages, course: Course | None, live: LiveSet
) -> Course | None:
    """Return the declared groups with the server's forecasts, unless nobody is to be asked."""
    if course is None or stages.forecast is no_forecast:
        return course
    return await foretold(await site.cluster(spec), course, live)


async def show(site: Site, plan: Plan) -> None:
    """Tell that the plan is made."""
    site.tell(Planned(plan))


async def execute(site: Site, run: Run, wave: Wave) -> tuple[StepResult, ...]:
    """Carry out one wave."""
    del site
    results = await (execute_steps if is_grouped(wave) else execute_wave)(run, wave)
    await tidy_hooks(run, wave, results)
    return results


async def finish(site: Site, run: Run, report: Report) -> Report:
    """Save the exact inventory and close the journal.

    Raises:
        StateConflict: Somebody else saved the state although we hold the lock.
        LockLost: Our lease may be gone; the journal stays open for the next run.
    """
    site.tell(StageBegan("finish"))
    report = replace(report, plan=run.plan)  # its digests have the key that is kept
    run.lock.check()
    ended_at = run.now()
    number = next_number(run.state)
    snapshot = await snapshot_of(site, run, report)
    close = partial(
        close_run, report=report, retain=run.spec.retain.revisions, ended_at=ended_at,
        snapshot=snapshot, gone=run.hooks_gone,
    )  # fmt: skip
    state = await save_unless_written(run, close)
    await make_exact(site, run.fence, state)
    calls = run.cluster.calls
    return replace(report, ended_at=ended_at, revision=number, calls=dict(calls))


async def tell(site: Site, report: Report) -> Report:
    """Tell the feedback sinks; their failure never fails a run."""
    return await tell_report(site, report)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """The stages as ``walk`` calls them."""

    fetch: Callable[[Site, RolloutSpec, Trigger], Awaitable[Checkout]] = fetch
    render: Callable[[Site, RolloutSpec, Checkout, Trigger], Awaitable[ManifestSet]] = render
    load_state: Callable[[Site, RolloutSpec], Awaitable[RolloutState | None]] = load_state
    read_live: Callable[
        [Site, RolloutSpec, ManifestSet, RolloutState | None], Awaitable[LiveSet]
    ] = read_live
    forecast: Callable[
        [Site, RolloutSpec, tuple[Proposal, ...]], Awaitable[Mapping[ObjectRef, Forecast]]
    ] = forecast
    show: Callable[[Site, Plan], Awaitable[None]] = show
    approve: Callable[[Site, RolloutSpec, Plan], Awaitable[None]] = approve
    begin: Callable[[Site, RolloutSpec, Plan, Trigger, Lock], Awaitable[Run]] = begin
    execute: Callable[[Site, Run, Wave], Awaitable[tuple[StepResult, ...]]] = execute
    finish: Callable[[Site, Run, Report], Awaitable[Report]] = finish
    tell: Callable[[Site, Report], Awaitable[Report]] = tell

    def allowing_prune(self) -> Stages:
        """Return the stages with the guards on the number of deletes waived."""
        return replace(self, approve=partial(approve, waived=PRUNE_GUARDS))


DIRECT = Stages()
"""The stages as plain functions: no Prefect."""
