"""What people change in the files of a site is seen while it is listened to."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from rollwright.engine.listening import rereading
from rollwright.engine.listening.alone import lock_key
from rollwright.engine.listening.readiness import Readiness
from rollwright.engine.progress import Note
from rollwright.plugins.contracts import Firing

SOON = {"use": "interval", "with": {"every": "1h", "first": "now"}}


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(rereading, "SETTLE_SECONDS", 0)


@asynccontextmanager
async def listening(service):
    """Listen; files are read anew when a test says so."""
    stop = asyncio.Event()
    serving = asyncio.create_task(service.serve(stop))
    try:
        async with asyncio.timeout(20):
            yield
    finally:
        stop.set()
        await serving


async def until(condition):
    while not condition():
        await asyncio.sleep(0.01)


def heard(service):
    said: list[str] = []
    service.site.tell = lambda what: said.append(what.text) if isinstance(what, Note) else None
    return said


async def test_what_did_not_change_is_not_read_again(estate):
    estate.declare("shop")
    service = estate.service()

    assert not await service.rereading.look()


async def test_a_new_rollout_is_listened_to(estate):
    estate.declare("shop", triggers=(SOON,))
    service = estate.service()
    async with listening(service):
        await until(lambda: estate.outcomes["shop", "succeeded"])
        estate.declare("web", triggers=(SOON,))
        assert await service.rereading.look()
        await until(lambda: estate.outcomes["web", "succeeded"])

    assert estate.outcomes["shop", "succeeded"] == 1


async def test_a_changed_trigger_is_listened_to_as_it_is_now(estate):
    later = {"use": "interval", "name": "go", "with": {"every": "1h"}}
    estate.declare("shop", triggers=(later,))
    service = estate.service()
    async with listening(service):
        estate.declare("shop", triggers=({**later, **SOON},))
        await service.rereading.look()
        await until(lambda: estate.outcomes["shop", "succeeded"])

    assert [one.name for one in service.listening.all()] == ["go"]


async def test_a_one_off_fires_once_whatever_changes_beside_it(estate):
    estate.declare("shop")
    estate.declare("web", triggers=(SOON,))
    service = estate.service()
    async with listening(service):
        await until(lambda: len(estate.ended) == 2)
        estate.declare("shop", labels={}, health={"timeout": "5s"})
        estate.declare("api", triggers=(SOON,))
        await service.rereading.look()
        await until(lambda: estate.outcomes["api", "succeeded"])

    assert estate.outcomes["shop", "succeeded"] == 1


@pytest.mark.parametrize("text", ["kind: Rollout\nspec: 1", "{", ""])
async def test_a_file_that_cannot_be_read_any_more_changes_nothing(estate, text):
    estate.declare("shop", triggers=(SOON,))
    service = estate.service()
    said = heard(service)
    (estate.folder / "rollouts" / "shop" / "rollout.yaml").write_text(text)
    await service.rereading.look()

    assert "shop" in service.declared.rollouts
    assert [one.name for one in service.declared.triggers] == ["shop-interval"]
    assert len(said) == len(service.declared.faults) == 1


async def test_a_file_of_triggers_that_cannot_be_read_keeps_them(estate):
    estate.declare("shop", triggers=())
    estate.trigger("hourly", ["shop"], use="interval")
    service = estate.service()
    path = estate.folder / "rollouts" / "hourly.trigger.yaml"
    for text in ("{", path.read_text().replace("interval", "intervall")):
        path.write_text(text)
        await service.rereading.look()

    assert [one.use.name for one in service.listening.all()] == ["interval"]


async def test_a_file_that_is_mended_is_taken_again(estate):
    estate.declare("shop", triggers=(SOON,))
    service = estate.service()
    path = estate.folder / "rollouts" / "shop" / "rollout.yaml"
    good = path.read_text()
    for text in ("{", good):
        path.write_text(text)
        await service.rereading.look()

    assert service.declared.faults == ()


async def test_a_removed_rollout_is_not_run_and_nothing_of_it_is_deleted(estate):
    estate.declare("shop", triggers=(SOON,))
    estate.declare("web", triggers=(SOON,))
    service = estate.service()
    async with listening(service):
        await until(lambda: len(estate.ended) == 2)
        trigger = service.declared.trigger("shop-interval")
        (estate.folder / "rollouts" / "shop" / "rollout.yaml").unlink()
        await service.rereading.look()
        await until(
            lambda: service.listening.owned == {lock_key("default", ("web",), "web-interval")}
        )
        assert await service.dispatcher.accept(trigger, "interval", Firing(id="x")) == ()

    assert {"shop", "web"} <= set(await estate.store.list())


async def test_a_rollout_that_is_called_otherwise_runs_under_its_new_name_alone(estate):
    estate.declare("shop", triggers=())
    estate.trigger("go", ["shop"], use="interval")
    service = estate.service()
    await service.dispatcher.accept(service.declared.trigger("go"), "interval", Firing(id="x"))
    path = estate.folder / "rollouts" / "shop" / "rollout.yaml"
    path.write_text(path.read_text().replace('{"name": "shop"}', '{"name": "store"}'))
    await service.once(1, asyncio.Event())

    assert estate.outcomes == {("shop", "gone"): 1}
    assert "shop" not in await estate.store.list()


async def test_runs_begin_with_what_the_file_says_by_then(estate):
    estate.declare("shop", triggers=())
    estate.trigger("go", ["shop"], use="interval")
    service = estate.service()
    await service.dispatcher.accept(service.declared.trigger("go"), "interval", Firing(id="x"))
    estate.declare("shop", triggers=(), source={"path": "nowhere"})
    service.dispatcher.is_once = True
    await service.once(1, asyncio.Event())

    assert estate.outcomes == {("shop", "failed"): 1}


async def test_a_trigger_that_cannot_be_made_is_left_out_until_it_is_mended(estate):
    estate.declare("shop", triggers=())
    estate.trigger("go", ["shop"], use=SOON)
    estate.trigger("bad", ["shop"], use={"use": "interval", "with": {"evry": "1h"}})
    service = estate.service()
    [(name, error)] = service.listening.left_out.items()
    assert (name, [one.name for one in service.listening.all()]) == ("bad", ["go"])
    assert "bad.trigger.yaml:1 spec.when.with.evry: " in error.message
    [verdict] = [one for one in await Readiness(service=service).verdicts() if "bad" in one.subject]
    assert (verdict.is_good, "evry" in verdict.words) == (False, True)

    async with listening(service):
        estate.trigger("bad", ["shop"], use={"use": "interval", "with": {"every": "1h"}})
        await service.rereading.look()

        assert service.listening.left_out == {}
        assert {one.name for one in service.listening.all()} == {"bad", "go"}
