"""Several processes listen to one site; nothing is lost between them, and nothing runs twice."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rollwright.engine.custody.desired import read_desired
from rollwright.engine.listening import alone, dispatch
from rollwright.engine.listening.alone import lock_key
from rollwright.engine.listening.answering import answers
from rollwright.engine.listening.overtaking import Overtaking
from rollwright.engine.listening.pending import all_pending
from rollwright.engine.listening.running import Ended
from rollwright.engine.operations import named_spec, status
from rollwright.engine.progress import Planned, ignore
from rollwright.errors import LockHeld, StateConflict, Unreachable
from rollwright.plugins.contracts import Firing, LockOwner
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.spec.own_triggers import OwnTrigger
from rollwright.rollouts.spec.trigger import trigger_of

GO = lock_key("default", ("shop",), "go")
HOURLY = ({"name": "go", "use": "interval", "with": {"every": "1h"}},)


async def fire(service, id_, kind="interval", **more):
    trigger = service.declared.trigger("go")
    return await service.dispatcher.accept(trigger, kind, Firing(id=id_, **more))


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def working(*services):
    stop = asyncio.Event()
    tasks = [asyncio.create_task(one.dispatcher.work(stop)) for one in services]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)


async def test_what_another_one_answered_is_not_run_again(estate):
    estate.declare("shop", triggers=HOURLY)
    first, second = estate.service(), estate.service()
    await fire(first, "x")
    await second.dispatcher.recover()
    await first.once(1, asyncio.Event())
    await second.once(1, asyncio.Event())

    assert [how.outcome for _, how in estate.ended] == ["succeeded", "superseded"]


async def test_an_older_request_is_not_run_after_a_newer_one_of_somebody_else(estate):
    estate.declare("shop", triggers=HOURLY)
    first, second = estate.service(), estate.service()
    await fire(first, "older")
    await fire(second, "newer")
    await second.once(1, asyncio.Event())
    await first.once(1, asyncio.Event())

    assert [how.outcome for _, how in estate.ended] == ["succeeded", "superseded"]


async def test_what_a_living_listener_fired_is_left_to_it(estate):
    estate.declare("shop", triggers=HOURLY)
    first, second = estate.service(), estate.service()
    await fire(first, "x")
    owner = LockOwner(id="a", actor="first", operation="listen", host="here")
    async with estate.locks.hold(GO, owner=owner, wait=None):
        assert await second.dispatcher.recover() == 0

    assert await second.dispatcher.recover() == 1


async def test_a_run_at_work_elsewhere_is_not_begun_again(estate):
    estate.declare("shop", triggers=HOURLY)
    first, second = estate.service(), estate.service()
    await fire(first, "x", kind="webhook")
    owner = LockOwner(id="a", actor="first", operation="rollout", host="here")
    async with estate.locks.hold("shop", owner=owner, wait=None):
        found = await second.dispatcher.recover()

    assert found == 0


async def test_whoever_takes_a_trigger_over_takes_over_what_it_fired(estate):
    estate.declare("shop", triggers=HOURLY)
    first, second = estate.service(), estate.service()
    await fire(first, "x")  # and its process ends
    stop = asyncio.Event()
    serving = asyncio.create_task(second.serve(stop))
    await until(lambda: estate.ended)
    stop.set()
    await serving

    assert estate.outcomes == {("shop", "succeeded"): 1}


async def test_three_listeners_make_one_run_of_each_firing(estate):
    names = [f"shop-{number}" for number in range(5)]
    for name in names:
        estate.declare(name, triggers=())
    estate.trigger("all", names, use={"use": "interval", "with": {"every": "1h", "first": "now"}})
    services, stop = [estate.service() for _ in range(3)], asyncio.Event()
    serving = [asyncio.create_task(one.serve(stop)) for one in services]
    await until(lambda: len(estate.ended) >= len(names))
    for one in services:
        await one.dispatcher.recover()
    stop.set()
    await asyncio.gather(*serving)

    assert estate.outcomes == {(name, "succeeded"): 1 for name in names}


class Failing:
    """A store whose saves fail as a test says."""

    def __init__(self, inner, *errors):
        self.inner, self.errors = inner, list(errors)

    def __getattr__(self, name):
        return getattr(self.inner, name)

    async def save(self, state, *, after):
        if self.errors:
            raise self.errors.pop(0)
        return await self.inner.save(state, after=after)


@pytest.mark.parametrize("error", [Unreachable("away"), StateConflict("somebody was faster")])
async def test_a_store_that_fails_for_a_while_loses_nothing(estate, monkeypatch, error):
    monkeypatch.setattr("rollwright.engine.listening.listener.FIRST_WAIT", 0.0)
    monkeypatch.setattr("rollwright.engine.listening.running.BUSY_SECONDS", 0.0)
    estate.declare("shop", triggers=({**HOURLY[0], "retryInterval": "1ms",
                                      "with": {"first": "now"}},))  # fmt: skip
    estate.store = Failing(estate.store, *[error] * 4)
    service, stop = estate.service(), asyncio.Event()
    serving = asyncio.create_task(service.serve(stop))
    await until(lambda: estate.outcomes["shop", "succeeded"])
    stop.set()
    await serving

    assert await all_pending(service.site, "") == ()


async def test_the_lock_of_a_rollout_is_waited_for_however_few_retries_there_are(estate):
    estate.declare("shop", triggers=({**HOURLY[0], "retries": 0},))
    tries = [LockHeld("busy"), LockHeld("busy")]

    class Runner:
        async def run(self, pending, *, at, idle, tell=None):
            from rollwright.engine.listening.running import of_error

            if tries:
                return replace(of_error(tries.pop()), after=0.0)
            return Ended(outcome="succeeded", message="done", is_good=True)

    service = estate.service(runner=Runner())
    await fire(service, "x")
    await service.once(1, asyncio.Event())

    assert estate.outcomes == {("shop", "refused"): 2, ("shop", "succeeded"): 1}


async def test_what_a_person_asked_for_and_failed_is_not_tried_again(estate):
    estate.declare("shop", triggers=())
    (estate.folder / "rollouts" / "shop" / "manifests" / "all.yaml").write_text("{")
    service = estate.service()
    own = trigger_of(OwnTrigger(name="shop", use="oneoff"), "shop")
    await service.dispatcher.accept(own, "manual", Firing(id="x"))
    await service.once(1, asyncio.Event())

    assert estate.outcomes == {("shop", "failed"): 1}
    assert await all_pending(service.site, "") == ()


async def test_a_person_s_run_takes_over_nothing_of_others(estate, monkeypatch):
    monkeypatch.setattr(dispatch, "RESCAN_SECONDS", 0.0)
    estate.declare("shop", triggers=HOURLY)
    estate.declare("web", triggers=())
    await fire(estate.service(), "x")
    service = estate.service()
    service.dispatcher.is_once = True
    own = trigger_of(OwnTrigger(name="web", use="oneoff"), "web")
    await service.dispatcher.accept(own, "manual", Firing(id="y"))
    await service.once(1, asyncio.Event())

    assert estate.outcomes == {("web", "succeeded"): 1}


# ------------------------------------------------------------------ who waits for an answer


async def test_whoever_noted_a_firing_hears_how_a_listener_ended_it(estate):
    estate.declare("shop", triggers=HOURLY)
    person, service = estate.service(), estate.service()
    firing, stop = Firing(id="x", token="T"), asyncio.Event()
    await fire(person, "x", kind="manual", token="T")
    [pending] = await all_pending(person.site, "")
    await service.dispatcher.recover()
    async with working(service):
        found = answers(
            person.site, [("shop", "")], firing, since=pending.at, stop=stop, tell=print
        )
        got = [one async for one in found]

    assert [(one.instance, one.outcome, one.exit_code) for one in got] == [("shop", "succeeded", 0)]
    assert (await status(person.site, "shop")).handled_trigger == "T"


# ------------------------------------------------------------------ what overtakes a run that waits


def planned(source) -> Any:
    return Planned(cast("Plan", SimpleNamespace(source=source, rollback=None)))


@pytest.mark.parametrize(
    ("firing", "present", "is_overtaken"),
    [
        (Firing(id="clock"), "main@1", False),
        (Firing(id="clock"), "main@2", True),
        (Firing(id="push", revision="main@2"), "main@1", True),
        (Firing(id="push", revision="main@1"), "main@1", False),
    ],
)
async def test_a_run_that_waits_makes_way_for_what_is_really_new(
    estate, firing, present, is_overtaken
):
    estate.declare("shop", triggers=HOURLY)
    service = estate.service()
    await fire(service, "first", revision="main@1")
    [pending] = await all_pending(service.site, "")

    async def revision(_rollout):
        return present

    overtaking = Overtaking(site=service.site, revision=revision)
    hear = overtaking.began(pending, ignore)
    hear(planned("main@1"))
    overtaking.turn("shop", is_idle=True)
    await overtaking.by(replace(pending, firing=firing))
    await asyncio.gather(*overtaking._looks)
    desired = await read_desired(service.site, named_spec("shop", ""))

    assert (desired is not None) == is_overtaken


async def test_a_run_that_works_is_asked_about_once_it_waits(estate):
    estate.declare("shop", triggers=HOURLY)
    service, asked = estate.service(), []
    await fire(service, "first")
    [pending] = await all_pending(service.site, "")

    async def revision(rollout):
        asked.append(rollout)
        return "main@1"

    overtaking = Overtaking(site=service.site, revision=revision)
    overtaking.began(pending, ignore)(planned("main@1"))
    await overtaking.by(replace(pending, firing=Firing(id="clock")))
    before = list(asked)
    overtaking.turn("shop", is_idle=True)
    await asyncio.gather(*overtaking._looks)

    assert (before, asked) == ([], ["shop"])


# ------------------------------------------------------------------ locks of triggers


async def test_long_names_of_triggers_have_locks_of_their_own():
    names = [f"{'x' * 58}-{number}" for number in range(2)]
    keys = {lock_key("here", ("shop",), name) for name in names}

    assert len(keys) == 2
    assert all(len(key) <= 63 for key in keys)


def test_sites_that_share_a_store_have_locks_of_their_own():
    keys = {
        lock_key("here", ("shop",), "nightly"),
        lock_key("there", ("shop",), "nightly"),
        lock_key("default", ("shop", "web"), "nightly"),
        lock_key("default", ("billing",), "nightly"),
    }

    assert len(keys) == 4
    assert lock_key("default", ("web", "shop"), "nightly") in keys


async def test_who_listens_instead_is_told_once(estate, monkeypatch):
    monkeypatch.setattr(alone, "PATIENCE_SECONDS", 0)
    estate.declare("shop", triggers=HOURLY)
    service, stop = estate.service(), asyncio.Event()
    told: list[Any] = []
    service.site.tell = told.append
    owner = LockOwner(id="a", actor="anna@there", operation="listen", host="there")
    async with estate.locks.hold(GO, owner=owner, wait=None):
        serving = asyncio.create_task(service.serve(stop))
        await until(lambda: told)
        assert service.listening.owned == set()
    await until(lambda: service.listening.owned)
    stop.set()
    await serving

    [note] = told
    assert note.text.startswith("trigger go: listened to by anna@there since ")
    assert note.text.endswith("; this process takes over when that ends")


async def test_a_trigger_whose_lock_is_lost_is_listened_to_again_and_its_run_ends(estate):
    estate.declare("shop", triggers=({**HOURLY[0], "with": {"first": "now"}},))
    service, stop = estate.service(), asyncio.Event()
    async with AsyncExitStack() as held:
        serving = asyncio.create_task(service.serve(stop))
        await until(lambda: estate.outcomes["shop", "succeeded"])
        owner = LockOwner(id="a", actor="other", operation="listen", host="there")
        await estate.locks.release(GO, reason="test")
        await until(lambda: not service.listening.owned)
        await held.enter_async_context(estate.locks.hold(GO, owner=owner, wait=None))
        assert "may be gone" in service.listening.faults["go"]
        await held.aclose()
        stop.set()
        await serving
