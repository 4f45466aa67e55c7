from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from rollwright.engine.approval.permitting import refuse_breached
from rollwright.engine.progress import Note
from rollwright.engine.stages import DIRECT
from rollwright.errors import GuardRefused, LockHeld, Refused
from rollwright.plugins.contracts import LockOwner
from rollwright.rollouts.plan import Guard
from rollwright.rollouts.state import Journal


def a_journal(token):
    return Journal(
        run_id="r1", plan_id="p", owner="ada@desk", token=token, started_at=datetime.now(UTC)
    )


async def leave_open(world, make, token=1):
    """Leave the state as a run that was killed leaves it."""
    world.write(make.config("a"))
    await world.rollout()
    state = await world.state()
    await world.store.save(replace(state, journal=a_journal(token)), after=state.version)
    world.heard.clear()


def notes(world):
    return [one.text for one in world.heard if isinstance(one, Note)]


async def test_an_interrupted_run_is_told_and_gone_on_from(world, make):
    await leave_open(world, make)

    await world.rollout()

    assert any("ada@desk" in note and note.endswith("was interrupted") for note in notes(world))
    assert (await world.state()).journal is None


async def test_a_run_that_holds_the_lock_is_not_called_interrupted(world, make):
    owner = LockOwner(id="x", actor="ada@desk", operation="rollout")
    async with world.locks.hold("shop", owner=owner, wait=None) as lock:
        await leave_open_while_held(world, make, lock.token)

        with pytest.raises(LockHeld):
            await world.rollout()

    assert any(note.endswith("still holds the lock") for note in notes(world))


async def leave_open_while_held(world, make, token):
    from rollwright.locks.memory import MemoryLocks

    kept, world.locks = world.locks, MemoryLocks().bind(world.cluster)
    await leave_open(world, make, token)
    world.locks = kept


async def test_a_state_of_a_later_lock_is_not_overwritten(world, make):
    world.write(make.config("a"))
    await world.rollout()
    state = await world.state()
    await world.store.save(replace(state, token=state.token + 10**9), after=state.version)
    world.write(make.config("a", k="new"))

    with pytest.raises(Refused, match="later lock"):
        await world.rollout()


async def test_a_suspended_rollout_is_refused(world, make):
    world.declare(suspend=True)
    world.write(make.config("a"))

    with pytest.raises(Refused, match="suspended"):
        await world.rollout()


@pytest.mark.parametrize("policy", ["always", "onPrune", "onConflict"])
async def test_an_approval_is_asked_for_only_when_its_reason_is_there(world, make, policy):
    world.write(make.config("a"), make.config("b"))
    await world.rollout()
    world.declare(approval=policy)
    world.write(make.config("a"))
    needs = policy != "onConflict"

    if needs:
        with pytest.raises(Refused, match=policy):
            await world.rollout()
    else:
        await world.rollout()

    assert (make.ref("ConfigMap", "b") in world.cluster.objects) is needs


def test_a_guard_on_deletes_says_how_to_let_it_pass():
    guard = Guard(id="PR-02", limit="50 %", value="80 %", is_breached=True, message="too many")

    with pytest.raises(GuardRefused) as caught:
        refuse_breached((guard,))

    assert "--allow-prune" in str(caught.value.hint)


def test_another_guard_is_not_waived_by_allowing_deletes():
    guard = Guard(id="AP-1", limit="x", value="y", is_breached=True, message="no")

    with pytest.raises(GuardRefused) as caught:
        refuse_breached((guard,))

    assert caught.value.hint is None


def test_the_stages_without_guards_on_deletes_are_others():
    assert DIRECT.allowing_prune().approve is not DIRECT.approve
