"""Three hundred rollouts, a hundred of which always fail slowly: the others keep their interval."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from rollwright.engine.listening.dispatch import PLACES
from rollwright.engine.listening.queue import Lane
from rollwright.engine.listening.running import Ended

GOOD, BAD, ROUNDS = 200, 100, 3
PATIENCE = 120


class Mixed:
    """Runs the good ones for real; the bad ones hold their place for long, then fail."""

    def __init__(self, local):
        self.local = local
        self.ended: Counter[str] = Counter()
        self.at_work: Counter[str] = Counter()
        self.most = 0

    async def run(self, pending, **how):
        name = pending.instance
        self.at_work[name[:3]] += 1
        try:
            if not name.startswith("bad"):
                return await self.local.run(pending, **how)
            # Those of the first round stand where everybody begins.
            if sum(1 for one in self.ended if one.startswith("bad")) == BAD:
                self.most = max(self.most, self.at_work["bad"])
            await asyncio.sleep(0.3)
            return Ended(outcome="failed", message="as always")
        finally:
            self.ended[name] += 1
            self.at_work[name[:3]] -= 1

    def rounds(self):
        return [self.ended[f"good-{number}"] for number in range(GOOD)]


@pytest.fixture
async def mixed(estate):
    every = {"every": "1s", "first": "now"}
    for kind, count in (("good", GOOD), ("bad", BAD)):
        for number in range(count):
            estate.declare(f"{kind}-{number}", use="interval", options=every)
    service = estate.service()
    runner = service.dispatcher.runner = Mixed(service.dispatcher.runner)
    stop = asyncio.Event()
    serving = asyncio.create_task(service.serve(stop))
    try:
        async with asyncio.timeout(PATIENCE):
            while min(runner.rounds()) < ROUNDS or len(runner.ended) < GOOD + BAD:
                assert not serving.done()
                await asyncio.sleep(0.05)
        yield estate, service, runner
    finally:
        stop.set()
        async with asyncio.timeout(PATIENCE):
            await serving


@pytest.mark.slow
async def test_those_that_fail_slowly_keep_no_other_from_its_interval(mixed):
    estate, service, runner = mixed
    rounds = runner.rounds()
    depth = service.dispatcher.queue.depth()

    # Nobody is left behind: all of the good ones had their turns, as often as one another.
    assert max(rounds) <= 2 * min(rounds)
    # The bad ones wait among themselves, and hold no more places than are theirs.
    assert runner.most <= PLACES[Lane.TROUBLED]
    assert depth[Lane.TROUBLED] >= BAD - PLACES[Lane.TROUBLED] - runner.at_work["bad"]
    # And the metrics say so.
    assert estate.value("rollwright_queue_depth", lane="troubled") >= BAD / 2
    failed = {one.outcome for name, one in estate.ended if name.startswith("good")}
    assert failed <= {"succeeded", "superseded"}
