from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from rollwright.engine.progress import Applied, Planned
from rollwright.errors import ClusterError, LockLost, StateConflict, Unreachable
from rollwright.rollouts.report import Outcome


def outcomes(report):
    return {change.ref.name: change.outcome for change in report.changes}


async def test_a_refused_write_is_a_result_and_the_journal_is_closed(world, make):
    world.write(make.config("a"))
    refusal = ClusterError("no room", status=507, hint="make room")
    world.cluster.fail("apply", make.ref("ConfigMap", "a"), refusal)

    report = await world.rollout()

    assert (report.outcome, report.hint) == (Outcome.FAILED, "make room")
    assert "no room" in report.message
    assert (await world.state()).journal is None


async def test_what_failed_is_done_by_the_next_run(world, make):
    world.write(make.config("a"), make.config("b"))
    world.cluster.fail("apply", make.ref("ConfigMap", "a"), Unreachable("gone away"))
    await world.rollout()

    report = await world.rollout()

    assert report.outcome is Outcome.SUCCEEDED
    assert {ref.name for ref in world.cluster.objects} == {"a", "b", "shop"}
    assert (await world.plan()).is_done


async def test_a_dependant_of_a_failure_is_skipped_with_its_cause(world, make):
    waiting = make.deployment("web")
    waiting["metadata"]["annotations"] = {
        "rollwright.dev/depends-on": "/namespaces/shop/ConfigMap/a"
    }
    world.write(make.config("a"), waiting)
    world.cluster.fail("apply", make.ref("ConfigMap", "a"), ClusterError("no", status=403))

    report = await world.rollout()

    web = next(change for change in report.changes if change.ref.name == "web")
    assert (web.outcome, web.message) == (
        Outcome.SKIPPED,
        "because ConfigMap/shop/a did not succeed",
    )


async def test_a_bug_while_writing_does_not_leave_dependants_waiting(world, make):
    world.write(make.config("a"), make.deployment("web"))
    world.cluster.fail("apply", make.ref("ConfigMap", "a"), KeyError("bug"))

    with pytest.raises(KeyError):
        await world.rollout()

    assert (await world.state()).journal is not None


async def test_a_lost_lock_stops_the_run_and_leaves_the_journal_open(world, make):
    world.write(make.config("a"), make.deployment("web"))
    world.cluster.fail("apply", make.ref("ConfigMap", "a"), LockLost("lock 'shop' is lost"))

    with pytest.raises(LockLost) as caught:
        await world.rollout()

    assert caught.value.exit_code == 4
    assert world.cluster.objects.get(make.web) is None
    assert (await world.state()).journal is not None


async def test_a_lock_that_is_lost_during_a_wait_ends_the_wait(world, make):
    world.declare(health={"timeout": "1h"})
    world.write(make.deployment("web"))
    held, locks = [], world.locks

    @asynccontextmanager
    async def hold(key, **options):
        async with locks.hold(key, **options) as lock:
            held.append(lock)
            yield lock

    def tell(progress):
        if isinstance(progress, Applied):
            held[0].lost.set()

    world.locks = make.wrapped(locks, hold=hold)

    with pytest.raises(LockLost):
        await world.rollout(tell=tell)

    assert (await world.state()).journal is not None


async def test_a_state_that_somebody_else_saved_is_no_silent_success(world, make):
    world.write(make.config("a"))
    store, calls = world.store, []

    async def conflicting(state, *, after):
        calls.append(after)
        if len(calls) == 2:
            raise StateConflict("somebody else saved")
        return await store.save(state, after=after)

    world.store = make.wrapped(store, save=conflicting)

    with pytest.raises(StateConflict) as caught:
        await world.rollout()

    assert caught.value.exit_code == 4
    assert "rollwright status" in str(caught.value.hint)


async def test_a_prune_asks_again_and_spares_what_somebody_protected(world, make):
    world.write(make.config("a"), make.config("b"))
    await world.rollout()
    world.write(make.config("a"))
    gone = make.ref("ConfigMap", "b")

    def tell(progress):
        if isinstance(progress, Planned):
            body = world.cluster.objects[gone]
            body["metadata"].setdefault("annotations", {})["rollwright.dev/prune"] = "keep"
            body["metadata"]["labels"] = {}
            world.cluster.put(body)

    report = await world.rollout(tell=tell)

    assert report.outcome is Outcome.SUCCEEDED
    assert "could not delete" in report.message
    assert gone in world.cluster.objects


async def test_a_long_chain_is_carried_out_in_order(world, make):
    bodies = [make.config("c-0")]
    for number in range(1, 200):
        body = make.config(f"c-{number}")
        needs = f"/namespaces/shop/ConfigMap/c-{number - 1}"
        body["metadata"]["annotations"] = {"rollwright.dev/depends-on": needs}
        bodies.append(body)
    world.write(*reversed(bodies))

    report = await world.rollout()

    names = [sent.ref.name for sent in world.cluster.requests if sent.call == "apply"]
    assert report.outcome is Outcome.SUCCEEDED
    assert names == [f"c-{number}" for number in range(200)]
