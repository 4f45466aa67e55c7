"""``kill -9`` at any moment: the next run converges, and nothing is lost, doubled or left over."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass

import pytest

POINTS = 200
SAMPLE = 10
IS_ALL = os.environ.get("ROLLWRIGHT_FAULTS") == "all"
SEEDS = range(POINTS) if IS_ALL else range(0, POINTS, POINTS // SAMPLE)
PHASES = ("first", "second", "delete")
LEASE = {"use": "lease", "ttl": "1s", "renewEvery": "300ms"}


@dataclass(frozen=True)
class Point:
    """Where a run is killed: which run, at which request, at which moment of it."""

    phase: str
    share: float
    """Which of the run's requests, from 0 to 1."""
    moment: str
    """Before the server hears of the request, or after it has answered."""
    is_lease: bool

    @classmethod
    def of(cls, seed):
        chance = random.Random(seed)  # noqa: S311  (repeatable)
        return cls(
            phase=PHASES[seed % 3],
            share=chance.random(),
            moment=chance.choice(["before", "after"]),
            is_lease=chance.random() < 0.2,
        )


class Killing:
    """Kills the run at one of its requests."""

    def __init__(self, runner, number):
        self._runner, self._number = runner, number
        self.at = None

    async def __call__(self, passing):
        if passing.number == self._number and self._runner.pid:
            self.at = f"{passing.method} {passing.path}"
            self._runner.kill()


async def carry_out(scene, runner, phase):
    if phase == "delete":
        return await runner.run("delete", scene.shop.folder)
    getattr(scene, phase)()
    return await runner.run("rollout", scene.shop.folder)


async def undisturbed(scene, runner, proxy, phase):
    """Carry out what comes before a phase; return how many requests the phase takes."""
    for former in PHASES[: PHASES.index(phase)]:
        ended = await carry_out(scene, runner, former)
        assert ended.outcome == "succeeded", ended.answer
    proxy.reset()


@dataclass(frozen=True)
class Reference:
    """What a phase leaves when nothing disturbs it, and how many requests it takes."""

    count: int
    seen: object


@pytest.fixture(scope="module")
def known():
    return {}


@pytest.fixture
def reference(known, new_scene, runner, proxy, look):
    """Carry a phase out undisturbed, once for all points."""

    async def measure(phase):
        if phase not in known:
            scene = new_scene()
            await undisturbed(scene, runner, proxy, phase)
            ended = await carry_out(scene, runner, phase)
            assert ended.outcome == "succeeded", ended.answer
            known[phase] = Reference(len(proxy.passed), await look(scene))
        return known[phase]

    return measure


@pytest.mark.parametrize("phase", PHASES)
async def test_an_undisturbed_run_owns_what_is_there(phase, reference):
    seen = (await reference(phase)).seen

    assert seen.inventory == seen.uids
    assert seen.journal is None


@pytest.mark.parametrize("seed", SEEDS)
async def test_after_a_kill_the_next_run_ends_as_if_nothing_had_happened(
    seed, reference, new_scene, runner, proxy, look
):
    point = Point.of(seed)
    wanted = await reference(point.phase)
    scene = new_scene(LEASE if point.is_lease else None)
    await undisturbed(scene, runner, proxy, point.phase)
    killing = Killing(runner, 1 + int(point.share * wanted.count))
    setattr(proxy, point.moment, killing)
    killed = await carry_out(scene, runner, point.phase)
    proxy.reset()

    ended = await carry_out(scene, runner, point.phase)

    seen = await look(scene)
    is_gone_already = point.phase == "delete" and ended.outcome == "NotFound"
    assert killed.was_killed or killing.at is None, killed.answer
    assert ended.outcome == "succeeded" or is_gone_already, (point, killing.at, ended.answer)
    assert seen.objects == wanted.seen.objects, (point, killing.at)
    assert seen.inventory == seen.uids, (point, killing.at)
    assert (seen.journal, seen.others) == (None, wanted.seen.others), (point, killing.at)
