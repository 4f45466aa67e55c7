"""The action Pause: how long, the rest after a resume, and who says go."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from rollwright.actions.pause import Pause
from rollwright.errors import Unreachable
from rollwright.plugins.contracts import ActionRequest, time_limit
from rollwright.rollouts.plan import Step
from rollwright.rollouts.report import Outcome
from rollwright.testing.fake import FakeCluster


@pytest.fixture
def asked():
    def asked(**rest):
        step = Step(name="look", action="Pause", changes=())
        return ActionRequest(step=step, cluster=FakeCluster(), rollout="shop", **rest)

    return asked


async def test_it_waits(asked):
    before = datetime.now(UTC)
    result = await Pause(duration="50ms").run(asked())

    assert result.outcome is Outcome.SUCCEEDED
    assert datetime.now(UTC) - before >= timedelta(milliseconds=50)


async def test_a_resumed_run_waits_for_the_rest_only(asked):
    begun_at = datetime.now(UTC) - timedelta(hours=1)
    result = await asyncio.wait_for(Pause(duration="1h").run(asked(begun_at=begun_at)), 5)

    assert result.outcome is Outcome.SUCCEEDED


async def test_a_run_that_stops_does_not_wait(asked):
    result = await Pause(duration="1h").run(asked(must_stop=lambda: True))

    assert result.outcome is Outcome.CANCELLED


async def test_it_says_until_when(asked):
    told: list[str] = []
    await Pause(duration="1ms").run(asked(tell=told.append))

    assert told[0].startswith("waits until ")


@pytest.mark.parametrize(("word", "outcome"), [(True, Outcome.SUCCEEDED), (False, Outcome.FAILED)])
async def test_a_person_decides(asked, word, outcome):
    questions = []

    async def ask(question):
        questions.append(question)
        return word

    result = await Pause(until="approval", message="look at the shop").run(asked(ask=ask))

    assert (result.outcome, questions) == (outcome, ["look at the shop"])


async def test_with_nobody_to_ask_it_fails(asked):
    result = await Pause(until="approval").run(asked())

    assert result.outcome is Outcome.FAILED
    assert "nobody can be asked" in result.message
    assert "terminal" in result.hint


async def test_a_run_that_stops_asks_no_longer(asked):
    is_stopping = False
    ended = []

    async def ask(_question):
        nonlocal is_stopping
        is_stopping = True
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("asking")
        return True

    request = asked(ask=ask, must_stop=lambda: is_stopping)
    result = await asyncio.wait_for(Pause(until="approval").run(request), 30)

    assert (result.outcome, ended) == (Outcome.CANCELLED, ["asking"])


async def test_who_asks_may_fail(asked):
    async def ask(_question):
        raise Unreachable("nobody there")

    result = await Pause(until="approval").run(asked(ask=ask))

    assert (result.outcome, result.message) == (Outcome.FAILED, "nobody there")


@pytest.mark.parametrize(
    "options", [{}, {"duration": "1s", "until": "approval"}, {"until": "monday"}, {"duration": 5}]
)
def test_options_that_mean_nothing_are_refused(options):
    with pytest.raises(ValidationError):
        Pause.model_validate(options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"duration": "90s"}, "wait 1m30s"),
        ({"until": "approval"}, "wait until a person says go"),
        ({"until": "approval", "message": "look"}, "wait until a person says go: look"),
    ],
)
def test_it_says_what_it_will_do(options, words):
    assert str(Pause.model_validate(options)) == words


def test_the_engine_gives_it_the_time_it_needs():
    default = timedelta(minutes=10)

    assert time_limit(Pause(duration="1h"), default) > timedelta(hours=1)
    assert time_limit(Pause(until="approval"), default) == timedelta.max
    assert time_limit(object(), default) == default
