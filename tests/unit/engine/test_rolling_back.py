"""Revisions, rollbacks and holds over a cluster in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollwright import library
from rollwright.engine import operations
from rollwright.engine.progress import Note
from rollwright.engine.returning import holding
from rollwright.engine.returning.history import prepare_rollback, roll_back
from rollwright.engine.returning.revisions import load_record, load_revision
from rollwright.engine.stages import DIRECT
from rollwright.errors import ClusterError, GuardRefused, NotFound, Refused, StateConflict
from rollwright.rollouts.report import Outcome
from rollwright.rollouts.revisions import snapshot

REFUSED = ClusterError("no", status=403)


async def two_revisions(world, make):
    world.write(make.config("a", k="1"))
    await world.rollout()
    world.write(make.config("a", k="2"))
    await world.rollout()


async def fail(world, make, k="bad", name="b"):
    """Roll out a change of ``a`` beside an object that the server refuses."""
    world.write(make.config("a", k=k), make.config(name))
    world.cluster.fail("apply", make.ref("ConfigMap", name), REFUSED)
    return await world.rollout()


async def kill(world, *, at="finish"):
    """Roll out and break off at a stage, as a process that is killed there."""

    async def killed(*_values):
        raise KeyboardInterrupt

    async with world.site() as site:
        with pytest.raises(KeyboardInterrupt):
            await operations.roll_out(
                site, library.load(world.folder), replace(DIRECT, **{at: killed})
            )


def value(world, make, name="a"):
    return world.cluster.objects[make.ref("ConfigMap", name)]["data"]["k"]


def notes(world):
    return [one.text for one in world.heard if isinstance(one, Note)]


# ------------------------------------------------------------------ what is kept


async def test_a_success_keeps_its_objects_and_its_document(world, make):
    world.write(make.config("a"), make.config("b"))
    report = await world.rollout()

    state = await world.state()
    async with world.site() as site:
        record = await load_record(site, library.load(world.folder).spec, state, 1)

    (revision,) = state.revisions
    assert record.wanted.digest == revision.digest
    assert record.spec == library.load(world.folder).spec
    assert (revision.plan_id, revision.kind, revision.message) == (
        report.plan.id, "manual", report.message,
    )  # fmt: skip


async def test_a_snapshot_is_kept_before_the_state_names_it(world, make):
    world.write(make.config("a"))
    store, order = world.store, []

    async def put_snapshot(rollout, data):
        order.append("snapshot")
        return await store.put_snapshot(rollout, data)

    async def save(state, *, after):
        order.append("closed" if state.journal is None else "opened")
        return await store.save(state, after=after)

    world.store = make.wrapped(store, put_snapshot=put_snapshot, save=save)
    await world.rollout()

    assert order == ["opened", "snapshot", "closed"]


async def test_a_failure_keeps_no_objects(world, make):
    await fail(world, make)

    state = await world.state()

    assert (state.revisions[0].outcome, state.revisions[0].snapshot) == ("failed", "")
    async with world.site() as site:
        with pytest.raises(NotFound, match="it failed"):
            await load_revision(site, library.load(world.folder).spec, state, 1)


async def test_a_set_that_is_too_large_to_keep_fails_no_run(world, make, monkeypatch):
    monkeypatch.setattr(snapshot, "LIMIT_BYTES", 10)
    world.write(make.config("a"))

    report = await world.rollout()

    assert report.outcome is Outcome.SUCCEEDED
    assert any("cannot be gone back to" in note for note in notes(world))


async def test_the_last_success_stays_though_many_failures_follow(world, make):
    world.declare(retain={"revisions": 2})
    world.write(make.config("a"))
    await world.rollout()
    for number in range(4):
        await fail(world, make, k=str(number))

    state = await world.state()

    assert [one.number for one in state.revisions] == [1, 4, 5]
    async with world.site() as site:
        assert len(await load_revision(site, library.load(world.folder).spec, state, 1)) == 1


# ------------------------------------------------------------------ onFailure: rollback


async def test_a_failed_run_is_rolled_back_under_its_own_lock(world, make):
    world.declare(onFailure="rollback")
    await two_revisions(world, make)
    locks, taken = world.locks, []

    def hold(key, **options):
        taken.append(key)
        return locks.hold(key, **options)

    world.locks = make.wrapped(locks, hold=hold)
    report = await fail(world, make)

    assert taken == ["shop"]
    assert (report.outcome, report.rollback.outcome) == (Outcome.FAILED, Outcome.SUCCEEDED)
    assert "rolled back to revision 2, which is held" in report.message
    assert value(world, make) == "2"
    assert make.ref("ConfigMap", "b") not in world.cluster.objects


async def test_without_it_a_failed_run_stops(world, make):
    await two_revisions(world, make)

    report = await fail(world, make)

    assert report.rollback is None
    assert (await world.state()).hold is None


async def test_a_failed_rollback_is_not_rolled_back_again(world, make):
    world.declare(onFailure="rollback")
    await two_revisions(world, make)
    world.write(make.config("a", k="bad"), make.config("b"))
    world.cluster.fail("apply", make.ref("ConfigMap", "b"), REFUSED)
    apply, seen = world.cluster.apply, []

    async def refusing(request):
        if request.ref.name == "a" and not request.is_dry_run:
            seen.append(request.body["data"]["k"])
            if request.body["data"]["k"] == "2":
                raise REFUSED
        return await apply(request)

    world.cluster.apply = refusing
    report = await world.rollout()

    state = await world.state()
    assert report.rollback.outcome is Outcome.FAILED
    assert "rolling back to revision 2 failed" in report.message
    assert seen.count("2") == 1
    assert [one.outcome for one in state.revisions[-2:]] == ["failed", "failed"]
    assert (state.journal, state.hold.revision) == (None, 2)
    with pytest.raises(Refused) as caught:
        await world.rollout()
    assert "rollback failed: `rollwright rollback shop`" in str(caught.value.hint)
    world.cluster.apply = apply
    async with world.site() as site:
        again = await library.rollback(world.folder, site=site)
    assert (again.outcome, value(world, make)) == (Outcome.SUCCEEDED, "2")


async def test_what_succeeded_before_is_not_rolled_back_for_failing_now(world, make):
    world.declare(onFailure="rollback")
    world.write(make.config("a", k="1"))
    await world.rollout()
    world.cluster.remove(make.ref("ConfigMap", "a"))
    world.cluster.fail("apply", make.ref("ConfigMap", "a"), REFUSED)

    report = await world.rollout()

    assert (report.outcome, report.rollback) == (Outcome.FAILED, None)
    assert "has the same objects" in report.message


async def test_a_cancelled_run_is_not_rolled_back(world, make):
    world.declare(onFailure="rollback")
    await two_revisions(world, make)
    world.write(make.config("a", k="3"))

    async with world.site() as site:
        site.stop.set()
        report = await operations.roll_out(site, library.load(world.folder))

    assert (report.outcome, report.rollback) == (Outcome.CANCELLED, None)
    assert (await world.state()).hold is None


async def test_a_hold_put_on_meanwhile_keeps_a_failed_run_from_going_back(world, make):
    world.declare(onFailure="rollback")
    await two_revisions(world, make)
    site_of, spec = world.site, library.load(world.folder).spec

    async def finish(site, run, report):
        done = await DIRECT.finish(site, run, report)
        async with site_of() as other:
            await holding.hold(other, spec, reason="hands off", actor="bob")
        return done

    world.write(make.config("a", k="3"), make.config("b"))
    world.cluster.fail("apply", make.ref("ConfigMap", "b"), REFUSED)
    async with world.site() as site:
        report = await operations.roll_out(
            site, library.load(world.folder), replace(DIRECT, finish=finish)
        )

    assert report.rollback is None
    assert "not rolled back" in report.message
    assert "hands off" in report.message


# ------------------------------------------------------------------ holds


async def test_nothing_is_written_while_the_bad_set_is_still_wanted(world, make):
    world.declare(onFailure="rollback")
    await two_revisions(world, make)
    await fail(world, make)
    before, calls = await world.state(), world.cluster.calls["apply"]

    with pytest.raises(Refused, match="held at revision 2"):
        await world.rollout()

    assert (await world.state(), world.cluster.calls["apply"]) == (before, calls)


async def test_the_plan_of_a_held_rollout_says_so(world, make):
    world.declare(onFailure="rollback")
    await two_revisions(world, make)
    await fail(world, make)

    plan = await world.plan()

    assert [guard.id for guard in plan.breached] == ["RB-05"]


async def test_another_source_is_rolled_out_and_ends_the_hold(world, make):
    world.declare(onFailure="rollback")
    await two_revisions(world, make)
    await fail(world, make)
    world.write(make.config("a", k="3"))

    report = await world.rollout()

    assert report.outcome is Outcome.SUCCEEDED
    assert (await world.state()).hold is None


async def test_a_release_lets_the_bad_set_be_tried_again(world, make):
    world.declare(onFailure="rollback")
    await two_revisions(world, make)
    await fail(world, make)
    async with world.site() as site:
        await library.release(world.folder, reason="repaired", site=site)

    report = await world.rollout()

    assert (report.outcome, value(world, make)) == (Outcome.SUCCEEDED, "bad")


async def test_a_hold_by_hand_refuses_every_run(world, make):
    await two_revisions(world, make)
    async with world.site() as site:
        await library.hold(world.folder, reason="freeze", site=site)
        for k in "23":
            world.write(make.config("a", k=k))
            with pytest.raises(Refused, match="freeze"):
                await world.rollout()
        with pytest.raises(Refused, match="freeze"):
            await library.rollback(world.folder, site=site)
        with pytest.raises(Refused, match="freeze"):
            removal = await operations.prepare_delete(site, "shop")
            await operations.delete(site, removal)


@pytest.mark.parametrize("word", ["hold", "release"])
async def test_a_hold_or_release_does_not_break_a_run_at_work(world, make, word):
    await two_revisions(world, make)
    world.write(make.config("a", k="3"))
    spec = library.load(world.folder).spec
    site_of = world.site

    async def execute(site, run, wave):
        async with site_of() as other:
            await getattr(holding, word)(other, spec, reason="now", actor="bob")
        return await DIRECT.execute(site, run, wave)

    if word == "release":
        async with world.site() as site:
            await holding.hold(site, spec, reason="then", actor="ada")
            await holding.release(site, spec, reason="", actor="ada")
    async with world.site() as site:
        report = await operations.roll_out(
            site, library.load(world.folder), replace(DIRECT, execute=execute)
        )

    state = await world.state()
    assert (report.outcome, state.journal, len(state.revisions)) == (Outcome.SUCCEEDED, None, 3)
    assert (state.hold is not None) is (word == "hold")


async def test_holding_is_tried_again_when_somebody_else_saves_meanwhile(world, make):
    await two_revisions(world, make)
    store, tries = world.store, []

    async def save(state, *, after):
        tries.append(after)
        if len(tries) < 3:
            raise StateConflict("somebody else saved")
        return await store.save(state, after=after)

    world.store = make.wrapped(store, save=save)
    async with world.site() as site:
        await library.hold(world.folder, reason="freeze", site=site)

    assert (await world.state()).hold.reason == "freeze"


# ------------------------------------------------------------------ rollback by hand


async def test_today_s_guards_hold_for_a_rollback(world, make):
    world.write(make.config("a"))
    await world.rollout()
    world.write(make.config("a"), make.config("b"))
    world.declare(prune={"maxCount": 0})
    await world.rollout()

    async with world.site() as site:
        with pytest.raises(GuardRefused, match="PR-03"):
            await library.rollback(world.folder, site=site)
        report = await library.rollback(world.folder, allow_prune=True, site=site)

    assert report.outcome is Outcome.SUCCEEDED


async def test_only_the_name_is_needed(world, make):
    await two_revisions(world, make)

    async with world.site() as site:
        prepared = await prepare_rollback(site, "shop", reason="it was slow")
        report = await roll_back(site, prepared)

    assert (report.outcome, value(world, make)) == (Outcome.SUCCEEDED, "1")
    assert (await world.state()).hold.reason == "rolled back to revision 1: it was slow"


async def test_the_revision_gone_back_to_stays_in_the_history_while_it_is_held(world, make):
    world.declare(retain={"revisions": 1})
    world.write(make.config("a", k="1"))
    await world.rollout()
    world.declare(retain={"revisions": 2})
    world.write(make.config("a", k="2"))
    await world.rollout()
    world.declare(retain={"revisions": 1})

    async with world.site() as site:
        await library.rollback(world.folder, site=site)

    assert [one.number for one in (await world.state()).revisions] == [1, 3]


# ------------------------------------------------------------------ runs that were killed


@pytest.mark.parametrize("at", ["execute", "finish"])
async def test_a_killed_run_is_resumed(world, make, at):
    await two_revisions(world, make)
    world.write(make.config("a", k="3"))
    await kill(world, at=at)

    report = await world.rollout()

    assert (report.outcome, value(world, make)) == (Outcome.SUCCEEDED, "3")
    assert any("was interrupted" in note for note in notes(world))
    assert (await world.state()).journal is None


@pytest.mark.parametrize("at", ["execute", "finish"])
async def test_a_killed_run_is_rolled_back_where_that_is_the_policy(world, make, at):
    world.declare(onInterrupted="rollback")
    await two_revisions(world, make)
    world.write(make.config("a", k="3"))
    await kill(world, at=at)

    report = await world.rollout()

    state = await world.state()
    assert (report.outcome, report.rollback.outcome) == (Outcome.FAILED, Outcome.SUCCEEDED)
    assert "was interrupted; rolled back to revision 2" in report.message
    assert (value(world, make), state.journal, state.hold.revision) == ("2", None, 2)
    with pytest.raises(Refused, match="held at revision 2"):
        await world.rollout()


async def test_a_new_source_goes_on_after_a_killed_run(world, make):
    world.declare(onInterrupted="rollback")
    await two_revisions(world, make)
    world.write(make.config("a", k="3"))
    await kill(world)
    world.write(make.config("a", k="4"))

    report = await world.rollout()

    assert (report.outcome, report.rollback, value(world, make)) == (Outcome.SUCCEEDED, None, "4")


async def test_a_killed_first_run_is_resumed_because_there_is_no_way_back(world, make):
    world.declare(onInterrupted="rollback")
    world.write(make.config("a", k="3"))
    await kill(world)

    report = await world.rollout()

    assert (report.outcome, report.rollback) == (Outcome.SUCCEEDED, None)


async def test_a_killed_rollback_is_brought_to_its_end_by_the_next_trigger(world, make):
    world.declare(onFailure="rollback")
    await two_revisions(world, make)
    world.write(make.config("a", k="bad"), make.config("b"))
    world.cluster.fail("apply", make.ref("ConfigMap", "b"), REFUSED)

    async def execute(site, run, wave):
        if run.plan.rollback:
            raise KeyboardInterrupt
        return await DIRECT.execute(site, run, wave)

    async with world.site() as site:
        with pytest.raises(KeyboardInterrupt):
            await operations.roll_out(
                site, library.load(world.folder), replace(DIRECT, execute=execute)
            )
    assert value(world, make) == "bad"
    report = await world.rollout()

    state = await world.state()
    assert (report.rollback.outcome, value(world, make)) == (Outcome.SUCCEEDED, "2")
    assert (state.journal, state.revisions[-1].rolled_back_to) == (None, 2)
    assert state.hold.bad_digest == state.revisions[2].digest
