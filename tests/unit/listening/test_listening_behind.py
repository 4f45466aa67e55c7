"""A request that brings nothing new waits behind the run at work, and one that made way is answered."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import partial

from rollwright.engine.custody.desired import read_desired
from rollwright.engine.listening import answering, behind
from rollwright.engine.listening.answering import answers
from rollwright.engine.listening.pending import pending_of, settle
from rollwright.engine.listening.said import Said
from rollwright.engine.operations import named_spec
from rollwright.plugins.contracts import Firing, LockOwner

OWNER = LockOwner(id="a", actor="anna", operation="rollout", host="there")


async def fire(service, id_, **more):
    trigger = service.declared.trigger("go")
    return await service.dispatcher.accept(trigger, "manual", Firing(id=id_, **more))


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def test_of_those_that_wait_behind_a_run_only_the_newest_is_made(estate, monkeypatch):
    monkeypatch.setattr(behind, "LOOK_SECONDS", 0.01)
    estate.declare("shop")
    first, second = estate.service(), estate.service()
    async with estate.locks.hold("shop", owner=OWNER, wait=None):
        await fire(first, "older")
        waiting = [asyncio.create_task(first.once(1, asyncio.Event()))]
        await until(first.dispatcher.queue.running)
        await fire(second, "newer")
        waiting.append(asyncio.create_task(second.once(1, asyncio.Event())))
        await until(lambda: estate.ended)
        desired = await read_desired(first.site, named_spec("shop", ""))
    await asyncio.gather(*waiting)

    assert desired is None  # whoever is at work need not make way
    assert [how.outcome for _, how in estate.ended] == ["superseded", "succeeded"]


async def test_what_waits_behind_a_run_and_is_stopped_stays_noted(estate):
    estate.declare("shop")
    service, stop = estate.service(), asyncio.Event()
    service.dispatcher.is_once = True
    async with estate.locks.hold("shop", owner=OWNER, wait=None):
        await fire(service, "x")
        waiting = asyncio.create_task(service.once(1, stop))
        await until(service.dispatcher.queue.running)
        stop.set()
        await waiting
    noted = await pending_of(service.site, "shop", "")

    assert [how.outcome for _, how in estate.ended] == ["cancelled"]
    assert noted is not None
    assert noted.firing.id == "x"


async def test_what_made_way_is_no_answer_while_something_newer_is_asked_for(estate, monkeypatch):
    monkeypatch.setattr(answering, "LOOK_SECONDS", 0.01)
    estate.declare("shop")
    service = estate.service()
    await fire(service, "older")
    older = await pending_of(service.site, "shop", "")
    assert older is not None
    await fire(service, "newer")
    newer = await pending_of(service.site, "shop", "")
    assert newer is not None
    await settle(service.site, older, outcome="superseded", at=datetime.now(UTC))

    async def wait():
        asked, stop = [("shop", "")], asyncio.Event()
        hear = partial(answers, since=older.at, stop=stop, tell=print)
        heard = hear(service.site, asked, older.firing)
        return [one.outcome async for one in heard]

    waiting = asyncio.create_task(wait())
    for _ in range(20):
        await asyncio.sleep(0)
    assert not waiting.done()
    await settle(service.site, newer, outcome="failed", at=datetime.now(UTC))
    await settle(service.site, older, outcome="superseded", at=datetime.now(UTC))

    assert await waiting == ["failed"]


def test_the_same_fault_is_said_again_when_it_was_over_or_long_ago():
    now = [0.0]
    said = Said(clock=lambda: now[0])
    first = [said.is_news("go", words) for words in ("away", "late", "away", "late")]
    was_said = said.forget("go")
    again = said.is_news("go", "away")
    now[0] = 700.0

    assert (first, was_said, again) == ([True, True, False, False], True, True)
    assert said.is_news("go", "away")
