"""Answers to a Pause from elsewhere than the terminal of the run."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from rollwright import library
from rollwright.engine.operations import named_spec
from rollwright.engine.progress import Note
from rollwright.engine.stepping.answers import Decision, leave_answer, waiting_questions
from rollwright.errors import NotFound, Refused, Unreachable
from rollwright.rollouts.describe.lines import text
from rollwright.rollouts.describe.statuses import describe_status
from rollwright.rollouts.machine.statuses import status_form
from rollwright.rollouts.report import Outcome

SPEC = named_spec("shop")


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    """Look for answers again and again at once."""
    monkeypatch.setattr("rollwright.engine.stepping.answers.LOOK_SECONDS", 0.005)


def pause(name, **options):
    return {"name": name, "action": {"use": "Pause", "with": {"until": "approval", **options}}}


def declare(world, make, *steps, **spec):
    world.write(make.config("a"))
    groups = [{"name": "g", "steps": list(steps), **spec}]
    world.declare(groups=groups, rest="last")


async def questions(world, count=1):
    """Return what is waited for, as soon as that many steps wait."""
    async with world.site() as site, asyncio.timeout(10):
        while len(found := await waiting_questions(site, SPEC)) < count:
            await asyncio.sleep(0.005)
        return found


async def answer(
    world, decision: Decision = "approve", *, actor="ada@desk", reason="looks good", **which
):
    async with world.site() as site:
        return await leave_answer(
            site, SPEC, decision=decision, actor=actor, reason=reason, **which
        )


@asynccontextmanager
async def at_work(world, *, ask=None):
    """Roll out meanwhile; a run that nobody answers is ended."""

    async def rollout():
        async with world.site() as site:
            site.ask = ask
            return await library.rollout(world.folder, site=site)

    task = asyncio.create_task(rollout())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def audit(state):
    return [(one.kind, one.actor, one.message) for one in state.audit]


@pytest.mark.parametrize(
    ("decision", "outcome", "words"),
    [("approve", Outcome.SUCCEEDED, "approved"), ("reject", Outcome.FAILED, "rejected")],
)
async def test_somebody_answers_from_elsewhere(world, make, decision, outcome, words):
    declare(world, make, pause("look"))
    async with at_work(world) as run:
        await questions(world)
        said = await answer(world, decision)
        report = await asyncio.wait_for(run, 10)
    state = await world.state()

    assert said == f"shop: g/look of run {report.run_id} {words} by ada@desk"
    assert report.outcome is outcome
    assert audit(state) == [(decision, "ada@desk", f"g/look {words}: looks good")]


async def test_the_run_says_how_to_answer(world, make):
    declare(world, make, pause("look"))
    async with at_work(world):
        await questions(world)
        notes = [one.text for one in world.heard if isinstance(one, Note)]

    assert "g/look: waits for an answer: `rollwright approve shop`, or reject" in notes


async def test_a_no_is_told_with_its_reason(world, make):
    declare(world, make, pause("look"))
    async with at_work(world) as run:
        await questions(world)
        await answer(world, "reject", reason="the numbers are bad")
        report = await asyncio.wait_for(run, 10)

    assert report.message == "g/look: ada@desk said no: the numbers are bad"


async def test_the_terminal_may_answer_too(world, make):
    declare(world, make, pause("look"))

    async def ask(_question):
        return True

    async with at_work(world, ask=ask) as run:
        report = await asyncio.wait_for(run, 10)
    (entry,) = (await world.state()).audit

    assert (report.outcome, entry.kind, entry.message) == (
        Outcome.SUCCEEDED,
        "approve",
        "g/look approved",
    )
    assert entry.actor


async def test_the_terminal_is_no_longer_asked_once_somebody_else_answered(world, make):
    declare(world, make, pause("look"))
    ended = []

    async def ask(_question):
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("asking")

    async with at_work(world, ask=ask) as run:
        await questions(world)
        await answer(world)
        report = await asyncio.wait_for(run, 10)

    assert (report.outcome, ended) == (Outcome.SUCCEEDED, ["asking"])


async def test_a_question_tells_what_is_asked(world, make):
    declare(world, make, pause("look", message="is the shop up?"))
    async with at_work(world):
        (found,) = await questions(world)

    assert (found.step, found.question) == ("g/look", "is the shop up?")


async def test_status_shows_who_waits_and_how_to_answer(world, make):
    declare(world, make, pause("look", message="is the shop up?"))
    async with at_work(world):
        await questions(world)
        async with world.site() as site:
            overview = await library.status(world.folder, site=site)

    told = text(describe_status(overview))
    assert "step g/look waits for a person since" in told
    assert "is the shop up?" in told
    assert "`rollwright approve shop`" in told
    assert status_form(overview)["questions"][0]["step"] == "g/look"


async def test_one_pause_after_another_has_its_own_answer(world, make):
    declare(world, make, pause("one"), pause("two"))
    async with at_work(world) as run:
        await questions(world)
        await answer(world)
        async with asyncio.timeout(10):
            while [one.step for one in await questions(world)] != ["g/two"]:
                await asyncio.sleep(0.005)
        await answer(world, "reject")
        report = await asyncio.wait_for(run, 10)

    assert report.message == "g/two: ada@desk said no: looks good"


async def test_an_answer_holds_for_its_run_only(world, make):
    declare(world, make, pause("look"))
    async with at_work(world) as run:
        await questions(world)
        await answer(world, "reject")
        await asyncio.wait_for(run, 10)
    async with at_work(world) as run:
        found = await questions(world)

    assert [one.step for one in found] == ["g/look"]


async def test_an_answer_that_came_while_nobody_was_at_work_is_found(world, make):
    declare(world, make, pause("look"))
    async with at_work(world) as run:
        await questions(world)
        run.cancel()  # as a process that is killed: the journal stays open
        await asyncio.gather(run, return_exceptions=True)
    await answer(world)
    report = await world.rollout()

    assert report.outcome is Outcome.SUCCEEDED


# ------------------------------------------------------------------ which step is meant


@pytest.mark.parametrize("step", ["g/two", "two"])
async def test_a_step_is_named_where_several_wait(world, make, step):
    declare(world, make, pause("one"), pause("two"), parallel=True)
    async with at_work(world):
        await questions(world, 2)
        with pytest.raises(Refused, match="several steps wait for an answer: g/one, g/two") as no:
            await answer(world)
        said = await answer(world, step=step)

    assert no.value.hint == "name one of them"
    assert "g/two" in said


async def test_a_run_may_be_named_by_how_its_id_begins(world, make):
    declare(world, make, pause("look"))
    async with at_work(world) as run:
        (found,) = await questions(world)
        await answer(world, run_id=found.run[:6])
        report = await asyncio.wait_for(run, 10)

    assert report.outcome is Outcome.SUCCEEDED


async def test_an_answer_is_given_once(world, make, monkeypatch):
    declare(world, make, pause("look"))
    monkeypatch.setattr("rollwright.engine.stepping.answers.LOOK_SECONDS", 3600)
    async with at_work(world):
        await questions(world)
        await answer(world)
        with pytest.raises(Refused, match="g/look was approved already, by ada@desk"):
            await answer(world, "reject", actor="bob", step="g/look")


@pytest.mark.parametrize(
    ("which", "why"),
    [
        ({"step": "other"}, "step 'other' waits for no answer; waiting: g/look"),
        ({"run_id": "ffffffffffffff"}, "run ffffffffffffff is not under way; run "),
    ],
)
async def test_what_does_not_wait_cannot_be_answered(world, make, which, why):
    declare(world, make, pause("look"))
    async with at_work(world):
        await questions(world)
        with pytest.raises(NotFound, match=why):
            await answer(world, **which)


async def test_without_a_run_there_is_nothing_to_answer(world, make):
    world.write(make.config("a"))
    with pytest.raises(NotFound, match="no rollout 'shop' is remembered"):
        await answer(world)
    await world.rollout()
    with pytest.raises(NotFound, match="no run is under way") as found:
        await answer(world)

    assert "rollwright history shop" in (found.value.hint or "")


async def test_a_run_that_waits_for_nobody_says_so(world, make):
    declare(world, make, {"name": "wait", "action": {"use": "Pause", "with": {"duration": "1h"}}})
    async with at_work(world):
        async with asyncio.timeout(10):
            while (state := await world.state()) is None or state.journal is None:
                await asyncio.sleep(0.005)
        with pytest.raises(NotFound, match="waits for no answer") as found:
            await answer(world)

    assert "until: approval" in (found.value.hint or "")


async def test_a_store_that_is_away_for_a_while_ends_no_wait(world, make):
    declare(world, make, pause("look"))
    real, is_away = world.store, asyncio.Event()

    async def load(name):
        if is_away.is_set():
            raise Unreachable("the store is away")
        return await real.load(name)

    world.store = make.wrapped(real, load=load)
    async with at_work(world) as run:
        await questions(world)
        is_away.set()
        async with asyncio.timeout(10):
            while not any("cannot look" in getattr(one, "text", "") for one in world.heard):
                await asyncio.sleep(0.005)
        is_away.clear()
        await answer(world)
        report = await asyncio.wait_for(run, 10)

    assert report.outcome is Outcome.SUCCEEDED
