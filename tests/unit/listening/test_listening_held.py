"""What may not run now waits until somebody lets go, and is not forgotten."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from rollwright.engine.listening.pending import all_pending, handled
from rollwright.engine.operations import named_spec
from rollwright.engine.returning import holding
from rollwright.plugins.contracts import Firing

QUIET = ({"name": "go", "use": "interval", "with": {"every": "1h"}},)


async def fire(service, id_, name="go", kind="interval", **more):
    trigger = service.declared.trigger(name)
    return await service.dispatcher.accept(trigger, kind, Firing(id=id_, **more))


@asynccontextmanager
async def working(service):
    stop = asyncio.Event()
    task = asyncio.create_task(service.dispatcher.work(stop))
    try:
        async with asyncio.timeout(20):
            yield
    finally:
        stop.set()
        await task


async def until(condition):
    while not condition():
        await asyncio.sleep(0.01)


async def hold(service, name="shop"):
    await holding.hold(service.site, named_spec(name, ""), reason="look", actor="ann")


async def release(service, name="shop"):
    await holding.release(service.site, named_spec(name, ""), reason="", actor="ann")


@pytest.fixture
async def held(estate):
    """A rollout that ran once, and is held since."""
    estate.declare("shop", triggers=QUIET)
    service = estate.service()
    await fire(service, "first")
    await service.once(1, asyncio.Event())
    await hold(service)
    return estate


def change(estate):
    path = estate.folder / "rollouts" / "shop" / "manifests" / "all.yaml"
    path.write_text(path.read_text().replace('"k": "v"', '"k": "new"'))


async def test_a_held_rollout_is_looked_at_once_it_is_released(held):
    service = held.service()
    change(held)
    async with working(service):
        await fire(service, "second")
        await until(lambda: held.outcomes["shop", "refused"])
        await release(service)
        service.dispatcher.look_soon()
        await until(lambda: held.outcomes["shop", "succeeded"] == 2)

    assert (await handled(service.site, "shop", ""))["id"] == "second"


async def test_what_a_hold_refused_is_noted_for_the_next_listener(held):
    first, second = held.service(), held.service()
    change(held)
    async with working(first):
        await fire(first, "second")
        await until(lambda: held.outcomes["shop", "refused"])
    await release(first)
    await second.dispatcher.recover()
    await second.once(1, asyncio.Event())

    assert held.outcomes["shop", "succeeded"] == 2


async def test_of_what_a_hold_refused_only_the_newest_runs(held):
    service = held.service()
    change(held)
    async with working(service):
        for number in range(5):
            await fire(service, f"{number}")
        await until(lambda: not service.dispatcher.queue.running())
        await release(service)
        service.dispatcher.look_soon()
        await until(lambda: held.outcomes["shop", "succeeded"] == 2)

    assert (await handled(service.site, "shop", ""))["id"] == "4"


async def test_what_a_person_asked_for_is_refused_and_over(held):
    service = held.service()
    change(held)
    await fire(service, "second", kind="manual")
    await service.once(1, asyncio.Event())

    assert held.outcomes["shop", "refused"] == 1
    assert await all_pending(service.site, "") == ()


async def test_a_suspended_rollout_runs_once_its_document_says_so(estate):
    estate.declare("shop", triggers=QUIET, suspend=True)
    service = estate.service()
    async with working(service):
        assert await fire(service, "first") == ()
        assert await fire(service, "second") == ()
        estate.declare("shop", triggers=QUIET)
        await service.rereading.look()
        await until(lambda: estate.outcomes == {("shop", "succeeded"): 1})

    assert (await handled(service.site, "shop", ""))["id"] == "second"


async def test_what_a_suspended_rollout_was_asked_for_outlives_the_listener(estate):
    estate.declare("shop", triggers=QUIET, suspend=True)
    await fire(estate.service(), "first")
    again = estate.service()
    await again.dispatcher.recover()

    assert again.dispatcher.parking.names() == {"shop"}
    assert again.dispatcher.is_idle


async def test_a_suspended_trigger_starts_nothing_and_is_not_listened_to(estate):
    estate.declare("shop", triggers=())
    estate.trigger("now", ["shop"], use={"use": "interval", "with": {"first": "now"}}, suspend=True)
    service, stop = estate.service(), asyncio.Event()
    serving = asyncio.create_task(service.serve(stop))
    assert await fire(service, "x", "now") == ()
    path = estate.folder / "rollouts" / "now.trigger.yaml"
    path.write_text(path.read_text().replace("true", "false"))
    await service.rereading.look()
    async with asyncio.timeout(20):
        await until(lambda: estate.ended)
        stop.set()
        await serving

    assert estate.outcomes == {("shop", "succeeded"): 1}


async def test_a_newer_request_outlives_the_removal_of_what_was_asked_for_before(estate):
    estate.declare("shop", triggers=({"name": "go", "use": "oneoff", "instances": "perKey"},))
    service = estate.service()
    await fire(service, "made", kind="oneoff", key="default/a")
    await service.once(1, asyncio.Event())
    await fire(service, "gone", kind="oneoff", key="default/a", is_gone=True)
    delete = service.site.beside

    def beside(*about, **more):
        # While the removal is at work, the resource is made anew.
        service.site.beside = delete
        task = asyncio.ensure_future(fire(service, "anew", kind="oneoff", key="default/a"))
        guest = delete(*about, **more)
        locked = guest.lock

        @asynccontextmanager
        async def lock(*args):
            async with locked(*args) as one:
                await task
                yield one

        guest.lock = lock
        return guest

    service.site.beside = beside
    await service.once(1, asyncio.Event())

    assert [how.outcome for _, how in estate.ended] == ["succeeded"] * 3
    [name] = {name for name, _ in estate.ended}
    assert (await handled(service.site, name, ""))["id"] == "anew"
    assert json.loads(json.dumps(list(await estate.store.list())))
