from __future__ import annotations

from dataclasses import replace

import pytest

from rollwright import library
from rollwright.engine import operations
from rollwright.engine.stages import DIRECT
from rollwright.errors import ClusterError, GuardRefused, Refused, Unreachable
from rollwright.rollouts.report import Outcome


async def test_a_plan_writes_nothing(world, make):
    world.write(make.config("a"))

    plan = await world.plan()

    calls = world.cluster.calls
    assert [change.operation.value for change in plan.changes] == ["create"]
    assert [calls[one] for one in ("apply", "create", "patch", "delete")] == [0] * 4
    assert await world.state() is None


async def test_a_run_with_nothing_to_do_takes_no_lock_and_saves_nothing(world, make):
    world.write(make.config("a"))
    await world.rollout()
    before = await world.state()
    world.locks = None

    report = await world.rollout()

    assert (report.outcome, report.run_id) == (Outcome.SUCCEEDED, "")
    assert await world.state() == before


async def test_what_a_failed_run_left_is_a_revision_once_it_is_well(world, make):
    world.write(make.config("a"))
    await world.rollout()
    state = await world.state()
    failed = replace(state.last, outcome="cancelled", snapshot="")
    await world.store.save(replace(state, revisions=(failed,)), after=state.version)

    report = await world.rollout()

    last = (await world.state()).last
    assert (report.outcome, report.plan.is_done) == (Outcome.SUCCEEDED, False)
    assert (last.number, last.outcome, bool(last.snapshot)) == (2, "succeeded", True)


async def test_objects_are_written_only_after_the_journal(world, make):
    world.write(make.config("a"))
    store, seen = world.store, []

    async def save(state, *, after):
        seen.append((state.journal is not None, world.cluster.calls["apply"]))
        return await store.save(state, after=after)

    world.store = make.wrapped(store, save=save)
    await world.rollout()

    assert seen == [(True, 0), (False, 1)]


@pytest.mark.parametrize(("status", "exit_code"), [(403, 2), (422, 2), (500, 3), (503, 3)])
async def test_what_keeps_a_plan_from_being_made_is_no_failed_run(world, make, status, exit_code):
    world.write(make.config("a"))
    world.cluster.fail("list", "ConfigMap", ClusterError("no", status=status))

    with pytest.raises(ClusterError) as caught:
        await world.rollout()

    assert caught.value.exit_code == exit_code
    assert await world.state() is None


async def test_a_cluster_that_is_not_there_is_unreachable(world, make):
    world.write(make.config("a"))
    world.cluster.fail("list", "ConfigMap", Unreachable("no route"))

    with pytest.raises(Unreachable) as caught:
        await world.rollout()

    assert caught.value.exit_code == 3


async def test_the_guards_are_waived_only_by_name(world, make):
    names = "abcde"
    world.write(*(make.config(name) for name in names))
    await world.rollout()
    world.write(make.config("a"))

    with pytest.raises(GuardRefused):
        await world.rollout()
    report = await world.rollout(allow_prune=True)

    assert report.outcome is Outcome.SUCCEEDED


async def test_a_failed_wave_keeps_later_waves_and_deletes_from_starting(world, make):
    world.write(make.config("a"), make.config("b"))
    await world.rollout()
    changed = make.config("a", key="new")
    later = make.config("later")
    later["metadata"]["annotations"] = {"rollwright.dev/wave": "1"}
    world.write(changed, later)
    world.cluster.fail("apply", make.ref("ConfigMap", "a"), ClusterError("no", status=403))

    report = await world.rollout()

    outcomes = {change.ref.name: change.outcome for change in report.changes}
    assert report.outcome is Outcome.FAILED
    assert outcomes == {
        "a": Outcome.FAILED,
        "later": Outcome.NOT_STARTED,
        "b": Outcome.NOT_STARTED,
    }
    assert make.ref("ConfigMap", "b") in world.cluster.objects


async def test_the_lock_is_given_back_when_a_stage_raises(world, make):
    world.write(make.config("a"))

    async def broken(*_values):
        raise Refused("nothing more")

    async with world.site() as site:
        with pytest.raises(Refused):
            await operations.roll_out(
                site, library.load(world.folder), replace(DIRECT, finish=broken)
            )
    assert await world.locks.list() == ()


async def test_a_state_of_another_cluster_is_refused(world, make):
    world.write(make.config("a"))
    await world.rollout()
    state = await world.state()
    await world.store.save(replace(state, cluster_id="another"), after=state.version)

    with pytest.raises(Refused) as caught:
        await world.rollout()

    assert "another" in caught.value.message
