"""How many requests may be on their way at once."""

from __future__ import annotations

import asyncio

from rollwright.kube.limiter import Answer, InFlightLimiter
from rollwright.kube.pace import Pace
from rollwright.kube.retry import Timing


async def answer(limiter: InFlightLimiter, how: Answer, count: int = 1) -> None:
    for _ in range(count):
        limiter.release(await limiter.acquire(), how)


async def test_it_starts_at_32() -> None:
    assert InFlightLimiter().limit == 32


async def test_20_good_answers_allow_one_more() -> None:
    limiter = InFlightLimiter()
    await answer(limiter, Answer.GOOD, 19)
    before = limiter.limit

    await answer(limiter, Answer.GOOD)

    assert (before, limiter.limit) == (32, 33)


async def test_it_never_passes_the_ceiling() -> None:
    limiter = InFlightLimiter()

    await answer(limiter, Answer.GOOD, 20 * 40)

    assert limiter.limit == 64


async def test_an_overload_halves_and_two_are_left() -> None:
    limiter = InFlightLimiter()
    limits = []
    for _ in range(6):
        await answer(limiter, Answer.OVERLOADED)
        limits.append(limiter.limit)

    assert limits == [16, 8, 4, 2, 2, 2]


async def test_a_burst_of_overloads_halves_once() -> None:
    limiter = InFlightLimiter()
    tickets = [await limiter.acquire() for _ in range(32)]

    for ticket in tickets:
        limiter.release(ticket, Answer.OVERLOADED)

    assert limiter.limit == 16


async def test_a_refusal_says_nothing_about_the_load() -> None:
    limiter = InFlightLimiter()

    await answer(limiter, Answer.SILENT, 100)

    assert limiter.limit == 32


async def test_a_low_ceiling_is_kept() -> None:
    limiter = InFlightLimiter(ceiling=1)

    await answer(limiter, Answer.OVERLOADED)

    assert limiter.limit == 1


async def test_who_comes_first_goes_first() -> None:
    limiter = InFlightLimiter(start=1, floor=1, ceiling=1)
    order: list[int] = []

    async def one(number: int) -> None:
        ticket = await limiter.acquire()
        order.append(number)
        await asyncio.sleep(0)
        limiter.release(ticket, Answer.GOOD)

    await asyncio.gather(*(one(number) for number in range(5)))

    assert (order, limiter.in_flight) == ([0, 1, 2, 3, 4], 0)


async def test_who_gives_up_while_waiting_takes_no_place() -> None:
    limiter = InFlightLimiter(start=1, floor=1, ceiling=1)
    ticket = await limiter.acquire()
    waiting = asyncio.create_task(limiter.acquire())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)

    limiter.release(ticket, Answer.GOOD)

    assert limiter.in_flight == 0


async def test_who_gives_up_when_admitted_hands_the_place_on() -> None:
    limiter = InFlightLimiter(start=1, floor=1, ceiling=1)
    ticket = await limiter.acquire()
    first = asyncio.create_task(limiter.acquire())
    second = asyncio.create_task(limiter.acquire())
    await asyncio.sleep(0)
    limiter.release(ticket, Answer.GOOD)
    first.cancel()

    await second

    assert (first.cancelled(), limiter.in_flight) == (True, 1)


async def test_a_pace_keeps_equal_distances() -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    pace = Pace(4, Timing(clock=lambda: 100.0, sleep=sleep))

    for _ in range(4):
        await pace.wait()

    assert pauses == [0.25, 0.5, 0.75]
