"""Answers that are lost, torn, refused for now or late: the run ends as if nothing had happened."""

from __future__ import annotations

import asyncio
import os
import random
from dataclasses import dataclass

import pytest

from rollwright.testing.http import status
from rollwright.testing.proxy import Fault

IS_ALL = os.environ.get("ROLLWRIGHT_FAULTS") == "all"
SEEDS = range(20 if IS_ALL else 2)

BUSY = status(429, headers={"Retry-After": "1"}, reason="TooManyRequests", message="busy")
BROKEN = status(500, reason="InternalError", message="etcdserver: leader changed")
AWAY = status(503, reason="ServiceUnavailable", message="the server is starting")

TROUBLES = {
    "dropped": Fault.DROP,
    "answer-lost": Fault.LOSE_ANSWER,
    "torn": Fault.TEAR,
    "busy": BUSY,
    "broken": BROKEN,
    "away": AWAY,
}


@dataclass
class Sometimes:
    """Makes the same trouble at a few of a run's requests, never twice in a row."""

    trouble: object
    chance: random.Random
    count: int = 4
    last: int = 0

    def __call__(self, passing):
        is_next = passing.number - self.last < 2
        if self.count and not is_next and self.chance.random() < 0.15:
            self.count, self.last = self.count - 1, passing.number
            return self.trouble
        return None


async def both_versions(scene, runner):
    first = await runner.run("rollout", scene.first().shop.folder)
    second = await runner.run("rollout", scene.second().shop.folder)
    return first, second


@pytest.fixture(scope="module")
def known():
    return {}


@pytest.fixture
def reference(known, new_scene, runner, look):
    async def measure():
        if "seen" not in known:
            scene = new_scene()
            for ended in await both_versions(scene, runner):
                assert ended.outcome == "succeeded", ended.answer
            known["seen"] = await look(scene)
        return known["seen"]

    return measure


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", TROUBLES)
async def test_a_run_ends_as_if_nothing_had_happened(
    name, seed, reference, new_scene, runner, proxy, look
):
    wanted = await reference()
    scene = new_scene()
    chance = random.Random(f"{name}-{seed}")  # noqa: S311  (repeatable)
    proxy.trouble = Sometimes(TROUBLES[name], chance)

    ended = await both_versions(scene, runner)

    proxy.reset()
    seen = await look(scene)
    assert [one.outcome for one in ended] == ["succeeded"] * 2, [one.answer for one in ended]
    assert seen.objects == wanted.objects
    assert seen.inventory == seen.uids
    assert (seen.journal, seen.others) == (None, wanted.others)


async def test_every_watch_is_gone_once(reference, new_scene, runner, proxy, look):
    wanted = await reference()
    scene = new_scene()
    told = set()

    def gone_once(passing):
        if not passing.is_watch or passing.path in told:
            return None
        told.add(passing.path)
        return Fault.GONE

    proxy.trouble = gone_once

    ended = await both_versions(scene, runner)

    seen = await look(scene)
    assert told
    assert [one.outcome for one in ended] == ["succeeded"] * 2, [one.answer for one in ended]
    assert seen.objects == wanted.objects


async def test_every_watch_is_torn_again_and_again(reference, new_scene, runner, proxy, look):
    wanted = await reference()
    scene = new_scene()
    counts: dict[str, int] = {}

    def torn(passing):
        if not passing.is_watch:
            return None
        counts[passing.path] = counts.get(passing.path, 0) + 1
        return Fault.TEAR if counts[passing.path] <= 3 else None

    proxy.trouble = torn

    ended = await both_versions(scene, runner)

    seen = await look(scene)
    assert counts
    assert [one.outcome for one in ended] == ["succeeded"] * 2, [one.answer for one in ended]
    assert seen.objects == wanted.objects


async def test_slow_answers_only_cost_time(new_scene, runner, proxy, look):
    scene = new_scene()

    async def slow(passing):
        if passing.number % 7 == 0:
            await asyncio.sleep(0.3)

    proxy.after = slow

    ended = await runner.run("rollout", scene.first().shop.folder)

    seen = await look(scene)
    assert ended.outcome == "succeeded", ended.answer
    assert seen.inventory == seen.uids


async def test_a_server_that_only_refuses_ends_the_run_with_its_words(new_scene, runner, proxy):
    scene = new_scene()
    refusal = status(403, reason="Forbidden", message="nobody may patch here")
    proxy.trouble = lambda passing: refusal if passing.method == "PATCH" else None

    ended = await runner.run("rollout", scene.first().shop.folder)

    text = str(ended.answer)
    assert ended.outcome != "succeeded"
    assert "nobody may patch here" in text or "may not" in text, text
