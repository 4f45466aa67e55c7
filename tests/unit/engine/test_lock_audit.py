from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from rollwright import library
from rollwright.engine.custody.lock_audit import takeover_of
from rollwright.engine.progress import Note
from rollwright.errors import Refused
from rollwright.plugins.contracts import LockOwner, LockRecord
from rollwright.rollouts.describe.lines import text
from rollwright.rollouts.describe.statuses import describe_status

AT = datetime(2025, 6, 1, 12, 0, tzinfo=UTC)
FORMER = LockRecord(
    key="shop",
    owner=LockOwner(id="1", actor="ann", operation="rollout (manual)", host="desk"),
    token=7,
    acquired_at=AT - timedelta(hours=1),
    expires_at=AT - timedelta(minutes=59),
)


def held(former: LockRecord | None) -> Any:
    """Return as much of a lock as the audit asks for."""
    return SimpleNamespace(taken_from=former, token=8)


def message(former):
    entry = takeover_of(held(former), actor="bob@desk", at=AT)
    assert entry
    return entry.kind, entry.actor, entry.message


def test_a_lock_that_was_free_leaves_nothing():
    assert takeover_of(held(None), actor="bob", at=AT) is None


def test_a_takeover_names_both_owners():
    kind, actor, words = message(FORMER)

    assert (kind, actor) == ("takeover", "bob@desk")
    assert words == (
        "the lock of ann on desk (rollout (manual)), held since 2025-06-01T11:00:00Z,"
        " ran out at 2025-06-01T11:01:00Z and was taken over; token 7 → 8, now of bob@desk"
    )


def test_a_lock_that_does_not_expire_died_with_its_process():
    assert "died with its process" in message(replace(FORMER, expires_at=None))[2]


def test_a_break_says_who_and_why():
    kind, _, words = message(replace(FORMER, broken="it hangs (eve@desk)"))

    assert kind == "break"
    assert words.startswith("the lock of ann on desk (rollout (manual)) was broken: it hangs (eve")


def test_a_host_is_not_said_twice():
    owner = replace(FORMER.owner, actor="ann@desk")

    assert "ann@desk (rollout" in message(replace(FORMER, owner=owner))[2]


@pytest.fixture
def broken(world, make):
    """Locks whose last holder was broken, seen by the next run only."""

    async def run(before=None):
        owner = LockOwner(id="1", actor="ann", operation="rollout")
        async with world.locks.hold("shop", owner=owner, wait=timedelta()):
            await world.locks.release("shop", reason="it hangs (eve)")
        if before:
            await before()
        return await world.rollout()

    return run


async def test_a_run_saves_and_tells_whose_lock_it_took(world, make, broken):
    world.write(make.config("a"))
    await broken()
    (entry,) = (await world.state()).audit

    assert (entry.kind, "it hangs (eve)" in entry.message) == ("break", True)
    assert entry.message in [one.text for one in world.heard if isinstance(one, Note)]


async def test_a_run_that_is_refused_when_it_begins_saves_it_too(world, make, broken):
    world.write(make.config("a"))
    await world.rollout()
    world.write(make.config("a", k="w"))
    inner, loads = world.store.load, []

    async def load(rollout):
        state = await inner(rollout)
        if rollout == "shop":  # not what is noted beside it
            loads.append(state)
        if (
            len(loads) == 2 and rollout == "shop"
        ):  # the one under the lock: somebody has saved meanwhile
            hold = replace(state, extra={"x": "y"})
            return await world.store.save(hold, after=state.version)
        return state

    world.store = make.wrapped(world.store, load=load)
    with pytest.raises(Refused, match="changed the state"):
        await broken()

    assert [one.kind for one in (await world.state()).audit] == ["break"]


async def test_status_shows_the_takeover_of_the_last_run_only(world, make, broken):
    async def shown():
        async with world.site() as site:
            overview = await library.status(world.folder, site=site)
        return text(describe_status(overview))

    world.write(make.config("a"))
    await broken()
    first = await shown()
    world.write(make.config("a", k="w"))
    await world.rollout()

    assert "break at " in first
    assert "break at " not in await shown()
