"""The trigger ``git``: one question per place, one firing per rollout and revision."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from rollwright.errors import Unreachable
from rollwright.plugins.contracts import Firing, ListenRequest
from rollwright.triggers import git as module
from rollwright.triggers.git import Git


class World:
    """Sources that a test moves, and what the trigger did."""

    def __init__(self, **rollouts):
        self.places = rollouts
        self.revisions = dict.fromkeys(rollouts.values(), "main@1")
        self.done, self.untouched, self.broken = {}, set(), set()
        self.asked, self.memory, self.errors, self.paths = [], {}, [], []

    def request(self):
        async def nobody(*_about):
            raise AssertionError("nobody is asked")

        async def resolve(rollout):
            self.asked.append(rollout)
            place = self.places[rollout]
            if place in self.broken:
                raise Unreachable(f"{place} is away")
            return self.revisions[place]

        async def touches(rollout, old, new, paths=()):
            self.paths.append(paths)
            if rollout == "lost":
                raise Unreachable("the old commit is gone")
            return rollout not in self.untouched

        async def rolled_out(rollout):
            return self.done.get(rollout, "")

        async def recall():
            return self.memory

        async def remember(memory):
            self.memory = dict(memory)

        return ListenRequest(
            name="poll", rollouts=tuple(self.places), clusters=nobody, query=nobody, resolve=resolve,
            touches=touches, recall=recall, remember=remember, failed=self.errors.append,
            place=self.places.__getitem__, rolled_out=rolled_out,
        )  # fmt: skip

    async def fire(self, count, *, then=lambda: None, **options):
        """Return the first firings; ``then`` is called as soon as the first is handed over."""
        fired = []
        trigger = Git.model_validate({"interval": "1s", **options})
        firings: Any = trigger.listen(self.request())
        async with asyncio.timeout(20), aclosing(firings):
            async for firing in firings:
                fired.append(firing)
                if len(fired) == 1:
                    then()
                if len(fired) == count:
                    break
        return fired

    async def look(self, rounds=1):
        """Let the trigger look so often; return what it fired."""
        fired: list[Firing] = []
        trigger, take = Git(interval=timedelta(seconds=1)), fired.append

        async def listen():
            async for firing in trigger.listen(self.request()):
                take(firing)

        places = len(set(self.places.values()))
        task = asyncio.create_task(listen())
        async with asyncio.timeout(20):
            while len(self.asked) < rounds * places:
                await asyncio.sleep(0)
            for _ in range(50):
                await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return fired


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(Git, "_wait", lambda _self, _failures: timedelta(0))


async def test_the_first_look_fires_what_is_not_rolled_out():
    world = World(web="a", db="b")
    world.done = {"db": "main@1"}

    assert [one.rollouts for one in await world.look()] == [("web",)]
    assert world.memory == {"web": "main@1", "db": "main@1"}


async def test_what_did_not_move_does_not_fire():
    world = World(web="a")
    world.memory = {"web": "main@1"}

    assert await world.look(rounds=5) == []


async def test_what_a_hook_had_rolled_out_does_not_fire():
    world = World(web="a")
    world.memory, world.done = {"web": "main@0"}, {"web": "main@1"}

    assert await world.look(rounds=3) == []


async def test_a_source_that_moved_fires_once_per_revision():
    world = World(web="a")
    world.memory = {"web": "main@0"}
    fired = await world.look(rounds=5)

    assert [(one.id, one.revision) for one in fired] == [("poll:web:main@1", "main@1")]


async def test_one_question_answers_for_all_of_a_place():
    world = World(a="x", b="x", c="x", d="y")
    await world.look()

    assert sorted(world.places[one] for one in world.asked[:2]) == ["x", "y"]


async def test_only_rollouts_that_read_what_changed_fire():
    world = World(web="a", db="a")
    world.memory, world.untouched = {"web": "main@0", "db": "main@0"}, {"db"}

    assert [one.rollouts for one in await world.look()] == [("web",)]
    assert world.memory == {"web": "main@1", "db": "main@1"}


async def test_where_nobody_can_say_it_fires():
    world = World(lost="a")
    world.memory = {"lost": "main@0"}

    assert len(await world.look()) == 1
    assert [str(one) for one in world.errors] == ["the old commit is gone"]


async def test_one_place_that_is_away_disturbs_no_other():
    world = World(web="a", db="b")
    world.broken = {"b"}
    fired = await world.look(rounds=3)

    assert [one.rollouts for one in fired] == [("web",)]
    assert world.errors


async def test_what_was_away_fires_when_it_is_back():
    world = World(web="a", db="b")
    world.broken = {"b"}
    fired = await world.fire(2, then=world.broken.clear)

    assert {one.rollouts for one in fired} == {("web",), ("db",)}


async def test_paths_of_the_document_count():
    world = World(web="a")
    world.memory = {"web": "main@0"}
    await world.fire(1, paths=["apps/*"])

    assert world.paths == [("apps/*",)]


async def test_a_firing_that_was_not_taken_comes_again():
    world = World(web="a")
    world.memory = {"web": "main@0"}
    await world.fire(1)  # whoever listened is gone before the next was asked for

    assert world.memory == {"web": "main@0"}
    assert len(await world.fire(1)) == 1


async def test_a_rollout_that_went_away_is_forgotten():
    world = World(web="a")
    world.memory = {"web": "main@0", "former": "main@0"}
    await world.look()

    assert world.memory == {"web": "main@1"}


async def test_a_server_that_is_away_is_asked_less_and_less_often(monkeypatch):
    monkeypatch.undo()
    waits = [Git(jitter=0)._wait(failures) for failures in (0, 1, 2, 9)]

    assert waits == [timedelta(minutes=n) for n in (1, 2, 4, 10)]
    assert Git(jitter=0, interval=timedelta(hours=1))._wait(5) == timedelta(hours=1)
    assert timedelta(minutes=10) == module.LONGEST_WAIT


def test_nobody_asks_all_the_time():
    with pytest.raises(ValidationError, match="at least 1s"):
        Git.model_validate({"interval": "10ms"})
