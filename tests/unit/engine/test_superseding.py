"""Fifty triggers, two rollouts: who is overtaken makes way, before it begins or while it waits."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from rollwright.engine import operations
from rollwright.engine.custody import desired
from rollwright.engine.custody.desired import move_desired, read_desired, superseded_by
from rollwright.engine.progress import Applied, Planned, StepBegan
from rollwright.engine.walk import walk
from rollwright.errors import InvalidDocument, Refused
from rollwright.rollouts.report import Outcome
from rollwright.rollouts.trigger import Trigger


def a_trigger(number, revision="", kind="webhook", **more):
    return Trigger(
        id=f"t{number}", kind=kind, rollout="shop", actor="ada", received_at=datetime.now(UTC),
        revision=revision, **more,
    )  # fmt: skip


@pytest.fixture
async def site(world):
    opened = world.site()
    opened.lock_wait = timedelta(minutes=1)
    return opened


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(desired, "LOOK_SECONDS", 0.01)


async def walked(site, trigger):
    return await walk(site.rollout.spec, trigger, site)


async def until(world, running, is_it):
    """Wait until the run has told something."""
    while not any(map(is_it, world.heard)):
        assert not running.done(), await running
        await asyncio.sleep(0)


def is_planned(progress):
    return isinstance(progress, Planned)


def is_applied(progress):
    return isinstance(progress, Applied)


async def test_nothing_is_desired_before_the_first_trigger(site):
    assert await read_desired(site, site.rollout.spec) is None
    assert await superseded_by(site, site.rollout.spec, a_trigger(1)) is None


async def test_movers_at_the_same_time_get_places_of_their_own(site):
    spec = site.rollout.spec
    moves = [move_desired(site, spec, a_trigger(number)) for number in range(20)]
    places = {(await one).sequence for one in asyncio.as_completed(moves)}

    desired = await read_desired(site, spec)
    assert desired is not None
    assert (desired.sequence, max(places)) == (20, 20)


async def test_an_overtaken_run_changes_nothing_and_asks_the_cluster_nothing(world, make, site):
    world.write(make.config("a"))
    old, new = a_trigger(1), a_trigger(2)
    for trigger in (old, new):
        await move_desired(site, site.rollout.spec, trigger)

    report = await walked(site, old)

    assert (report.outcome, report.run_id) == (Outcome.SUPERSEDED, "")
    assert world.cluster.calls["list"] == world.cluster.calls["apply"] == 0
    assert await world.state() is None


async def test_a_run_that_is_overtaken_while_it_waits_for_the_lock_opens_no_journal(
    world, make, site
):
    world.write(make.config("a"))
    spec, old = site.rollout.spec, a_trigger(1)
    await move_desired(site, spec, old)
    async with site.lock(spec, a_trigger(0)):
        running = asyncio.create_task(walked(site, old))
        await until(world, running, is_planned)
        await move_desired(site, spec, a_trigger(2))
    report = await running

    assert (report.outcome, report.run_id) == (Outcome.SUPERSEDED, "")
    assert await world.state() is None


async def test_a_run_that_waits_for_health_makes_way(world, make, site):
    world.write(make.deployment("web"))
    spec, old = site.rollout.spec, a_trigger(1)
    await move_desired(site, spec, old)
    running = asyncio.create_task(walked(site, old))
    await until(world, running, is_applied)
    await move_desired(site, spec, a_trigger(2, "b"))
    report = await running

    state = await world.state()
    assert report.outcome is Outcome.SUPERSEDED
    assert report.message.startswith("superseded by b (asked for by ada")
    assert (state.journal, state.last.outcome) == (None, "superseded")


async def test_a_pause_makes_way(world, make, site):
    world.write(make.config("a"))
    pause = {"name": "wait", "action": {"use": "Pause", "with": {"duration": "1h"}}}
    settle = {"name": "apply", "object": "all.yaml"}
    world.declare(groups=[{"name": "all", "steps": [pause, settle]}])
    site = world.site()
    spec, old = site.rollout.spec, a_trigger(1)
    await move_desired(site, spec, old)
    running = asyncio.create_task(walked(site, old))
    await until(world, running, lambda one: isinstance(one, StepBegan))
    await move_desired(site, spec, a_trigger(2))

    assert (await running).outcome is Outcome.SUPERSEDED


async def test_a_write_under_way_is_not_cut_off(world, make, site):
    """While an object is written nothing is asked, and what follows at once is written, too."""
    world.write(make.config("a"), make.config("b"))
    spec, old, may_go_on = site.rollout.spec, a_trigger(1), asyncio.Event()
    apply = world.cluster.apply

    async def slowly(request):
        if request.ref.name == "a" and not request.is_dry_run:
            await may_go_on.wait()
        return await apply(request)

    site.use_cluster(make.wrapped(world.cluster, apply=slowly))
    await move_desired(site, spec, old)
    running = asyncio.create_task(walked(site, old))
    await until(world, running, is_applied)
    await move_desired(site, spec, a_trigger(2))
    await asyncio.sleep(0.05)  # several looks long
    may_go_on.set()

    assert (await running).outcome is Outcome.SUCCEEDED


async def test_a_wait_for_the_same_revision_goes_on(world, make, site):
    world.write(make.deployment("web"))
    spec = site.rollout.spec
    checkout = (await operations.plan(site, site.rollout)).source
    old = a_trigger(1, checkout)
    await move_desired(site, spec, old)
    world.cluster.report(make.web, make.ready)
    await move_desired(site, spec, a_trigger(2, checkout))

    assert (await walked(site, old)).outcome is Outcome.SUCCEEDED


async def test_a_burst_of_fifty_is_carried_out_twice_at_most(world, make, site):
    spec, running = site.rollout.spec, []
    for number in range(50):
        world.write(make.config("a", value=str(number)))
        trigger = a_trigger(number)
        await move_desired(site, spec, trigger)
        running.append(asyncio.create_task(walked(site, trigger)))
        await asyncio.sleep(0)
    reports = await asyncio.gather(*running)

    outcomes = [report.outcome for report in reports]
    assert len([one for one in reports if one.run_id]) <= 2
    assert outcomes[-1] is Outcome.SUCCEEDED
    assert set(outcomes) <= {Outcome.SUCCEEDED, Outcome.SUPERSEDED}
    assert world.cluster.objects[make.ref("ConfigMap", "a")]["data"] == {"value": "49"}


async def test_the_newest_run_makes_a_new_plan_where_another_was_faster(world, make, site):
    world.write(make.config("a"))
    spec = site.rollout.spec
    trigger = a_trigger(1)
    async with site.lock(spec, a_trigger(0)):
        running = asyncio.create_task(walked(site, trigger))
        await until(world, running, is_planned)
        state = await operations_state(world, site)
    report = await running

    assert state is None
    assert (report.outcome, bool(report.run_id)) == (Outcome.SUCCEEDED, True)
    assert "making a new plan" in str(world.heard)


async def operations_state(world, site):
    """Let the state change, as another run would, and return what it was before."""
    from rollwright.rollouts.state import RolloutState

    before = await world.state()
    await world.store.save(RolloutState(rollout="shop"), after="")
    return before


async def test_a_run_started_by_hand_is_refused_where_another_was_faster(world, make, site):
    world.write(make.config("a"))
    spec = site.rollout.spec
    async with site.lock(spec, a_trigger(0)):
        running = asyncio.create_task(walked(site, a_trigger(1, kind="manual")))
        await until(world, running, is_planned)
        await operations_state(world, site)

    with pytest.raises(Refused, match="another run changed the state"):
        await running


async def test_a_run_started_by_hand_overtakes_what_waits(world, make, site):
    world.write(make.config("a"))
    spec, waiting = site.rollout.spec, a_trigger(1)
    await move_desired(site, spec, waiting)
    by_hand = await operations.roll_out(site, site.rollout)
    report = await walked(site, waiting)

    assert (by_hand.outcome, report.outcome) == (Outcome.SUCCEEDED, Outcome.SUPERSEDED)


async def test_a_run_by_hand_without_automation_notes_nothing(world, make, site):
    world.write(make.config("a"))
    await operations.roll_out(site, site.rollout)

    assert await read_desired(site, site.rollout.spec) is None


async def test_notes_that_cannot_be_read_are_told_not_taken_for_nothing(world, site):
    from rollwright.engine.custody.notes import change_notes

    await change_notes(site, site.rollout.spec, lambda notes: {**notes, "desired": "{}"})

    with pytest.raises(InvalidDocument, match="desired of 'shop'"):
        await read_desired(site, site.rollout.spec)
