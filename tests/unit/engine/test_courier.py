"""Letters: tried again, kept in order, and many at once told as one."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from rollwright.engine.telling import courier as module
from rollwright.engine.telling.courier import Courier, Letter
from rollwright.errors import Unreachable
from rollwright.rollouts.feedback import Event
from rollwright.rollouts.telling import STORM_COUNT
from rollwright.testing.feedback_contract import a_feedback

SOON = timedelta(seconds=10)


class Ear:
    """Hears, after failing as often as it is told to."""

    def __init__(self, *, fails=0):
        self.fails, self.tries, self.heard = fails, 0, []

    async def tell(self, feedback):
        self.tries += 1
        await asyncio.sleep(0)
        if self.fails:
            self.fails -= 1
            raise Unreachable("not now")
        self.heard.append(feedback)


class Board(Ear):
    def shows(self, feedback):
        return str(feedback.event)


@pytest.fixture
async def courier():
    courier = Courier(delays=(0.0, 0.0, 0.0, 0.0))
    yield courier
    await courier.close()


def letters(sink, *feedback, name="team"):
    return [Letter(sink=sink, name=name, feedback=one) for one in feedback]


async def carry(courier, many):
    for one in many:
        courier.post(one)
    await courier.settle(many, SOON)


async def test_what_passes_is_tried_again(courier):
    ear = Ear(fails=4)
    [letter] = many = letters(ear, a_feedback())
    await carry(courier, many)

    assert (letter.tries, letter.error, len(ear.heard)) == (5, "", 1)


async def test_after_five_tries_it_comes_back(courier):
    [letter] = many = letters(Ear(fails=9), a_feedback())
    await carry(courier, many)

    assert (letter.tries, letter.error) == (5, "not now")


async def test_letters_of_a_rollout_keep_their_order(courier):
    ear = Ear(fails=2)
    many = letters(ear, *(a_feedback(message=str(n)) for n in range(5)))
    await carry(courier, many)

    assert [one.message for one in ear.heard] == list("01234")


async def test_one_that_fails_does_not_keep_those_of_other_sinks():
    courier = Courier(delays=(60.0,))
    good, bad = Ear(), Ear(fails=9)
    [one], [two] = letters(bad, a_feedback()), letters(good, a_feedback(), name="other")
    courier.post(one)
    courier.post(two)
    await courier.settle([two], SOON)
    await courier.settle([one], timedelta(0))
    await courier.close()

    assert (len(good.heard), one.error) == (1, "not now")


async def test_a_state_that_is_overtaken_is_not_shown(courier):
    board = Board()
    many = letters(board, a_feedback(event=Event.PLANNED), a_feedback(event=Event.SUCCEEDED))
    await carry(courier, many)

    assert [one.event for one in board.heard] == [Event.SUCCEEDED]
    assert [one.is_void for one in many] == [True, False]


async def test_a_storm_is_told_as_one():
    courier, ear = Courier(), Ear()
    many = letters(ear, *(a_feedback(rollout=f"r{n}") for n in range(STORM_COUNT + 30)))
    await carry(courier, many)
    await courier.close()

    assert len(ear.heard) == STORM_COUNT + 1
    assert ear.heard[-1].title == "30 more events within a minute"


async def test_states_are_no_storm(courier):
    board = Board()
    await carry(
        courier, letters(board, *(a_feedback(rollout=f"r{n}") for n in range(STORM_COUNT + 30)))
    )

    assert len(board.heard) == STORM_COUNT + 30


async def test_the_end_of_the_process_waits_for_a_limited_time(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", timedelta(milliseconds=20))
    courier = Courier()

    class Deaf:
        async def tell(self, _feedback):
            await asyncio.Event().wait()

    [letter] = letters(Deaf(), a_feedback())
    courier.post(letter)
    async with asyncio.timeout(10):
        await courier.close()

    assert letter.error == "there was no answer in time"


async def test_a_sink_is_left_alone_for_as_long_as_it_asks(monkeypatch):
    slept = []

    async def sleep(seconds):
        slept.append(seconds)
        now.append(now[-1] + seconds)
        await real_sleep(0)

    real_sleep, now = asyncio.sleep, [0.0]
    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now[-1])

    class Busy(Ear):
        async def tell(self, feedback):
            self.tries += 1
            if self.tries == 1:
                error = Unreachable("too many")
                error.retry_after_seconds = 30.0
                raise error
            self.heard.append(feedback)

    courier, busy = Courier(delays=(1.0,)), Busy()
    one, other = letters(busy, a_feedback(), a_feedback(rollout="other"))
    courier.post(one)
    await real_sleep(0)
    courier.post(other)
    while not (one.done.is_set() and other.done.is_set()):
        await real_sleep(0)

    assert max(slept) <= 30.0
    assert now[-1] >= 30.0
    assert len(busy.heard) == 2


async def test_what_asks_for_longer_than_anybody_waits_comes_back_at_once(courier):
    class Closed(Ear):
        async def tell(self, feedback):
            self.tries += 1
            error = Unreachable("come back tomorrow")
            error.retry_after_seconds = 86400.0
            raise error

    [letter] = many = letters(Closed(), a_feedback())
    await carry(courier, many)

    assert (letter.tries, letter.error) == (1, "come back tomorrow")
