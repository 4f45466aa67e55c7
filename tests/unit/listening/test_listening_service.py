"""A site that listens: firings become runs, none is lost, none starves another."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import replace

import pytest

from rollwright.engine.custody.notes import notes_name
from rollwright.engine.listening import dispatch
from rollwright.engine.listening.pending import all_pending, handled
from rollwright.engine.listening.running import Ended, LocalRunner
from rollwright.errors import NotFound, Unreachable
from rollwright.plugins.contracts import Firing
from rollwright.rollouts.instances import instance_name


def trigger_named(service, name):
    return service.declared.trigger(name)


async def test_a_one_off_rolls_out_and_the_service_ends(estate):
    estate.declare("shop")

    assert await estate.listen() == {("shop", "succeeded"): 1}


async def test_what_cannot_be_read_stops_no_other(estate):
    estate.declare("shop")
    (estate.folder / "rollouts" / "bad").mkdir()
    (estate.folder / "rollouts" / "bad" / "rollout.yaml").write_text("kind: Rollout\nspec: 1")
    estate.trigger("lost", ["nobody"])
    service = estate.service()

    assert await estate.listen(service) == {("shop", "succeeded"): 1}
    assert len(service.declared.faults) == 2


async def test_a_trigger_fires_every_rollout_with_its_labels(estate):
    for name in ("a", "b", "c"):
        estate.declare(name, triggers=())
    path = estate.folder / "rollouts" / "b" / "rollout.yaml"
    document = json.loads(path.read_text())
    document["metadata"]["labels"] = {"team": "x"}
    path.write_text(json.dumps(document))
    estate.trigger("some", ["a", {"select": {"labels": {"team": "x"}}}])

    assert await estate.listen() == {("a", "succeeded"): 1, ("b", "succeeded"): 1}


async def test_a_suspended_rollout_is_not_run(estate):
    estate.declare("shop", suspend=True)

    assert await estate.listen() == {}


async def test_fifty_firings_during_a_run_make_one_more(estate, slow):
    estate.declare("shop")
    service = estate.service(runner=slow)
    stop = asyncio.Event()
    working = asyncio.create_task(service.dispatcher.work(stop))
    await service.dispatcher.accept(trigger_named(service, "go"), "oneoff", Firing(id="first"))
    while not slow.began:
        await asyncio.sleep(0)
    firings = [
        service.dispatcher.accept(trigger_named(service, "go"), "oneoff", Firing(id=str(number)))
        for number in range(50)
    ]
    await asyncio.gather(*firings)
    slow.gates["shop"].set()
    while not service.dispatcher.is_idle:
        await asyncio.sleep(0)
    stop.set()
    await working

    assert slow.began == [("shop", "first"), ("shop", "49")]


async def test_what_was_accepted_and_not_run_is_run_after_a_restart(estate):
    estate.declare("shop", triggers=({"name": "go", "use": "interval"},))
    service = estate.service()
    await service.dispatcher.accept(trigger_named(service, "go"), "interval", Firing(id="x"))
    again = estate.service()

    assert await again.dispatcher.recover() == 1
    await again.once(1, asyncio.Event())
    assert estate.outcomes == {("shop", "succeeded"): 1}
    assert await estate.service().dispatcher.recover() == 0


async def test_a_firing_that_was_answered_is_not_run_again(estate):
    estate.declare("shop")
    service = estate.service()
    for _ in range(2):
        await service.dispatcher.accept(trigger_named(service, "go"), "oneoff", Firing(id="x"))
        await service.once(1, asyncio.Event())

    assert estate.outcomes == {("shop", "succeeded"): 1}
    assert (await handled(service.site, "shop", ""))["outcome"] == "succeeded"


async def test_a_run_that_is_killed_stays_pending(estate, slow):
    estate.declare("shop")
    service = estate.service(runner=slow)
    await service.dispatcher.accept(trigger_named(service, "go"), "oneoff", Firing(id="x"))
    working = asyncio.create_task(service.dispatcher.work(asyncio.Event()))
    await asyncio.sleep(0.05)
    working.cancel()
    for task in tuple(service.dispatcher._tasks):
        task.cancel()
    await asyncio.gather(working, return_exceptions=True)

    assert [one.firing.id for one in await all_pending(service.site, "")] == ["x"]


async def test_each_key_is_a_rollout_of_its_own(estate):
    estate.declare("shop", triggers=({"name": "go", "use": "oneoff", "instances": "perKey"},))
    service = estate.service()
    for key in ("default/a", "default/b"):
        firing = Firing(id=key, key=key)
        await service.dispatcher.accept(trigger_named(service, "go"), "oneoff", firing)
    await service.once(2, asyncio.Event())

    names = {instance_name("shop", key) for key in ("default/a", "default/b")}
    assert {name for name, _ in estate.outcomes} == names
    assert set(await estate.store.list()) >= {notes_name(name) for name in names}


async def test_an_instance_whose_resource_is_gone_is_removed(estate):
    estate.declare("shop", triggers=({"name": "go", "use": "oneoff", "instances": "perKey"},))
    service = estate.service()
    for number, is_gone in enumerate((False, True)):
        firing = Firing(id=str(number), key="default/a", is_gone=is_gone)
        await service.dispatcher.accept(trigger_named(service, "go"), "oneoff", firing)
        await service.once(1, asyncio.Event())

    assert {how.outcome for _, how in estate.ended} == {"succeeded"}
    assert instance_name("shop", "default/a") not in await estate.store.list()


async def test_removing_what_was_never_there_is_good(estate):
    estate.declare("shop", triggers=({"name": "go", "use": "oneoff", "instances": "perKey"},))
    service = estate.service()
    firing = Firing(id="1", key="default/a", is_gone=True)
    await service.dispatcher.accept(trigger_named(service, "go"), "oneoff", firing)
    await service.once(1, asyncio.Event())

    assert [how.is_good for _, how in estate.ended] == [True]


async def test_failing_rollouts_do_not_keep_the_others_waiting(estate, monkeypatch):
    monkeypatch.setattr(dispatch, "SPREAD_SECONDS", 0)
    names = [f"good-{number}" for number in range(20)] + [f"bad-{number}" for number in range(10)]
    for name in names:
        estate.declare(name, triggers=())
    estate.trigger("all", names)
    rounds: Counter[str] = Counter()

    class Runner:
        async def run(self, pending, *, at, idle, tell=None):
            if pending.rollout.startswith("bad"):
                await asyncio.sleep(0.05)
                return Ended(outcome="failed", message="no", after=0.0)
            rounds[pending.rollout] += 1
            return Ended(outcome="succeeded", message="ok", is_good=True)

    service = estate.service(runner=Runner())
    stop = asyncio.Event()
    working = asyncio.create_task(service.dispatcher.work(stop))
    for number in range(5):
        await service.dispatcher.accept(
            trigger_named(service, "all"), "interval", Firing(id=str(number))
        )
        async with asyncio.timeout(5):
            while min((rounds[name] for name in names[:20]), default=0) <= number:
                await asyncio.sleep(0.001)
    stop.set()
    await working

    assert set(rounds.values()) == {5}


async def test_a_failed_run_is_tried_again_until_it_is_well(estate):
    estate.declare("shop", triggers=({"name": "go", "use": "oneoff", "retryInterval": "1ms"},))
    estate.cluster.fail(
        "apply", next(iter(_refs("shop"))), Unreachable("gone"), Unreachable("gone")
    )

    outcomes = await estate.listen()

    assert outcomes["shop", "succeeded"] == 1
    assert outcomes["shop", "failed"] >= 1


def _refs(name):
    from rollwright.rollouts.manifest import ObjectRef

    yield ObjectRef("", "ConfigMap", "shop", name)


async def test_retries_end_where_the_trigger_says_so(estate):
    trigger = {"name": "go", "use": "oneoff", "retryInterval": "1ms", "retries": 2}
    estate.declare("shop", triggers=(trigger,))

    class Failing:
        async def run(self, pending, *, at, idle, tell=None):
            return Ended(outcome="failed", message="no")

    assert await estate.listen(estate.service(runner=Failing())) == {("shop", "failed"): 3}


async def test_two_services_share_the_triggers(estate):
    estate.declare("shop", triggers=({"name": "go", "use": "interval", "with": {"first": "now"}},))
    first, second = estate.service(), estate.service()
    stop = asyncio.Event()
    both = [asyncio.create_task(one.serve(stop)) for one in (first, second)]
    async with asyncio.timeout(10):
        while not estate.ended:
            await asyncio.sleep(0.01)
    stop.set()
    await asyncio.gather(*both)

    assert estate.outcomes == {("shop", "succeeded"): 1}


async def test_a_trigger_that_breaks_off_is_listened_to_again(estate, monkeypatch):
    monkeypatch.setattr("rollwright.engine.listening.listener.FIRST_WAIT", 0.0)
    estate.declare("shop")
    service, tries = estate.service(), []
    plugin = next(iter(service.listening.all())).plugin

    async def listen(self, request):
        tries.append(request.name)
        if len(tries) < 3:
            raise Unreachable("the server is away")
        yield Firing(id="x")

    monkeypatch.setattr(type(plugin), "listen", listen)

    assert await estate.listen(service) == {("shop", "succeeded"): 1}
    assert len(tries) == 3


async def test_a_name_that_nothing_has_is_told_with_those_that_are(estate):
    estate.declare("shop")
    declared = estate.service().declared

    with pytest.raises(NotFound, match="known: go"):
        declared.trigger("nope")
    with pytest.raises(NotFound, match="known: shop"):
        declared.rollout("nope")


async def test_what_a_trigger_brings_stands_where_the_document_says(estate):
    estate.declare("shop")
    seen = []

    class Seeing:
        async def run(self, pending, *, at, idle, tell=None):
            from rollwright.engine.listening.running import trigger_of

            seen.append(trigger_of(pending, at))
            return Ended(outcome="succeeded", message="ok", is_good=True)

    service = estate.service(runner=Seeing())
    spec = trigger_named(service, "go").model_copy(update={"at": "cluster.spec"})
    object.__setattr__(service.dispatcher, "declared", replace(service.declared, triggers=(spec,)))
    await service.dispatcher.accept(spec, "resource", Firing(id="x", config={"size": 3}))
    await service.once(1, asyncio.Event())

    assert seen[0].config == {"cluster": {"spec": {"size": 3}}}
    assert (seen[0].kind, seen[0].revision) == ("resource", "")


async def test_a_rollout_that_is_not_declared_any_more_is_not_run(estate):
    estate.declare("shop")
    service = estate.service()
    runner = LocalRunner(service.site, {})
    service.dispatcher.runner = runner
    await service.dispatcher.accept(trigger_named(service, "go"), "oneoff", Firing(id="x"))
    await service.once(1, asyncio.Event())

    assert [how.outcome for _, how in estate.ended] == ["gone"]


@pytest.mark.parametrize(
    ("one", "other"), [("a/b-c", "a-b/c"), ("A/b", "a/b"), ("x" * 80, "x" * 81)]
)
def test_two_keys_never_have_one_name(one, other):
    names = {instance_name("shop", one), instance_name("shop", other)}

    assert len(names) == 2
    assert all(len(name) <= 63 and name.strip("-") == name for name in names)
