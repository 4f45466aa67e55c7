"""A trigger that is fired by hand: what is refused, what is shown, what the command ends with."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from cyclopts import CycloptsError

from rollwright.cli import listen
from rollwright.cli.trigger_meant import meant
from rollwright.cli.trigger_runs import Runs
from rollwright.engine.listening.pending import Pending, settle
from rollwright.engine.listening.running import Ended
from rollwright.errors import InvalidSpec
from rollwright.plugins.contracts import Firing

HOURLY = {"use": "interval", "with": {"every": "1h"}}


def pending(**more):
    given = {"instance": "shop", "rollout": "shop", "cluster": "", "trigger": "go", "kind": "git"}
    return Pending(**{**given, "at": datetime.now(UTC), "firing": Firing(id="x"), **more})


@pytest.mark.parametrize(
    ("name", "key", "words"),
    [
        ("go", "a/b", "trigger 'go' has no instances, so --key means none"),
        ("shop", "a/b", "rollout 'shop' has no instances, so --key means none"),
        ("each", "", "each key of trigger 'each' is a rollout; say which with --key; known: a/b"),
        ("web", "", "each key of rollout 'web' is a rollout of its own: `rollwright trigger each"),
        ("web", "a/b", "each key of rollout 'web' is a rollout of its own: `rollwright trigger"),
    ],
)
async def test_a_key_is_needed_where_there_are_instances_and_nowhere_else(estate, name, key, words):
    estate.declare("shop")
    estate.declare("web", triggers=())
    estate.trigger("each", ["web"], use=HOURLY, instances="perKey")
    service = estate.service()
    each = service.declared.trigger("each")
    await service.dispatcher.accept(each, "interval", Firing(id="y", key="a/b"))

    with pytest.raises(CycloptsError) as caught:
        await meant(service, name, key)
    assert words in str(caught.value)


async def test_a_trigger_that_is_left_out_is_refused_with_its_line(estate):
    estate.declare("shop")
    estate.trigger("bad", ["shop"], use={"use": "cron", "with": {"schedule": "x"}})

    with pytest.raises(InvalidSpec, match=r"bad\.trigger\.yaml:1"):
        await meant(estate.service(), "bad", "")


async def test_the_runs_of_several_rollouts_are_shown_with_their_names(estate, capsys):
    estate.declare("shop", triggers=())
    estate.declare("web", triggers=())
    estate.trigger("both", ["shop", "web"], use=HOURLY)
    runs, firing = Runs(output="text"), Firing(id="x")
    service = estate.service(listener=runs.listener)
    service.dispatcher.ended = runs.ended
    both = service.declared.trigger("both")
    names = await service.dispatcher.accept(both, "manual", firing)
    code = await runs.make(service, dict.fromkeys(names, ""), firing)
    said = capsys.readouterr()

    assert code == 0
    assert "shop: apply-0: applied ConfigMap/shop/shop" in said.err
    assert "web: apply-0: applied ConfigMap/shop/web" in said.err
    assert said.out.count("succeeded") == 2


async def test_what_made_way_ends_as_the_run_that_answers_it(estate, capsys):
    estate.declare("shop")
    runs, older, newer = Runs(output="text"), Firing(id="older"), Firing(id="newer")
    first, second = estate.service(), estate.service()
    first.dispatcher.ended = runs.ended
    trigger = first.declared.trigger("go")
    await first.dispatcher.accept(trigger, "manual", older)
    await second.dispatcher.accept(trigger, "manual", newer)
    making = asyncio.create_task(runs.make(first, {"shop": ""}, older))
    async with asyncio.timeout(20):
        while not runs.overtaken:
            await asyncio.sleep(0.01)
        answer = pending(firing=newer, kind="manual")
        await settle(second.site, answer, outcome="failed", at=datetime.now(UTC))
        code = await making

    assert code == 1
    assert capsys.readouterr().out.endswith("shop: failed\n")


@pytest.mark.parametrize(
    ("how", "line"),
    [
        (Ended(outcome="superseded", message="superseded by a newer run", is_good=True),
         "superseded by a newer run (1.0 s)"),
        (Ended(outcome="failed", message="away", after=10.2), "failed: away (1.0 s); again in 10 s"),
        (Ended(outcome="failed", message="away", after=None), "failed: away (1.0 s)"),
    ],
)  # fmt: skip
def test_the_line_of_a_run_says_everything_once(how, line):
    assert listen.run_line(pending(), how, 1.0, "text").endswith(f"shop (go, git): {line}")


async def test_a_failed_run_says_when_it_is_tried_again(estate, slow, monkeypatch):
    async def fail(*_args, **_more):
        return Ended(outcome="failed", message="away", after=30.0)

    monkeypatch.setattr(slow, "run", fail)
    estate.declare("shop")
    service, stop = estate.service(runner=slow), asyncio.Event()
    working = asyncio.create_task(service.dispatcher.work(stop))
    await service.dispatcher.accept(service.declared.trigger("go"), "oneoff", Firing(id="x"))
    async with asyncio.timeout(20):
        while not estate.ended:
            await asyncio.sleep(0.01)
    stop.set()
    await working
    [(_name, how)] = estate.ended

    assert how.again
    assert 28.0 < how.after < 32.0


async def test_the_beginning_names_the_site_and_what_it_listens_to(estate):
    (estate.folder / "site.toml").write_text(
        '[site]\nname = "here"\n[feedback.mine]\nuse = "evens"'
    )
    estate.declare("shop")
    estate.trigger("late", ["shop"], use=HOURLY, suspend=True)
    service = estate.service()
    words = "listening to 2 triggers of site here: go (oneoff), late (interval, suspended)"

    assert listen._beginning(service) == words
    [fault] = listen.sink_faults(service.site)
    assert "site.toml: feedback.mine: no feedback 'evens'" in fault
