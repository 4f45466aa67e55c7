"""Many writers on one branch, and writers that die."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from rollwright.errors import StateConflict
from rollwright.rollouts.state import RolloutState

WRITERS, SAVES = 8, 4

WRITER = """
import asyncio, sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from rollwright.rollouts.state import RolloutState
from rollwright.stores.git.store import GitStore

url, cache, rollout, saves = sys.argv[1:]

async def main():
    options = dict(url=url, cache=Path(cache), password={"env": "GIT_STORE_PASSWORD"})
    store = GitStore.model_validate(options).bind(SimpleNamespace(name="prod"))
    state = await store.load(rollout) or RolloutState(rollout=rollout)
    for number in range(int(saves)):
        state = await store.save(RolloutState(
            rollout=rollout, token=number + 1, version=state.version), after=state.version)

asyncio.run(main())
"""


@pytest.fixture
def start(options):
    """Start a process that saves one rollout some times."""
    started = []

    def start(rollout, cache, saves=SAVES):
        command = (sys.executable, "-c", WRITER, options["url"], str(cache), rollout, str(saves))
        started.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("are_apart", [True, False])
async def test_all_commits_of_eight_writers_land(
    server, repository, options, make, start, are_apart
):
    root = options["cache"]
    caches = [root / str(number) if are_apart else root for number in range(WRITERS)]
    writers = [start(f"shop-{number}", cache) for number, cache in enumerate(caches)]
    ended = [await asyncio.to_thread(writer.communicate, timeout=200) for writer in writers]
    store = make()
    kept = [await store.load(f"shop-{number}") for number in range(WRITERS)]

    assert [writer.returncode for writer in writers] == [0] * WRITERS, ended
    assert [one.token for one in kept if one] == [SAVES] * WRITERS
    assert server.git(repository, "rev-list", "--count", "rollwright") == str(WRITERS * SAVES)
    assert server.git(repository, "rev-list", "--merges", "rollwright") == ""


async def test_of_eight_writers_of_one_rollout_one_wins(make, options, server, repository):
    stores = [make(cache=options["cache"] / str(number)) for number in range(WRITERS)]
    first = await stores[0].save(RolloutState(rollout="shop"), after="")
    saves = (
        store.save(replace(first, token=number + 1), after=first.version)
        for number, store in enumerate(stores)
    )
    ended = await asyncio.gather(*saves, return_exceptions=True)
    won = [one for one in ended if isinstance(one, RolloutState)]

    assert len(won) == 1
    assert sum(isinstance(one, StateConflict) for one in ended) == WRITERS - 1
    assert await stores[3].load("shop") == won[0]
    assert server.git(repository, "rev-list", "--count", "rollwright") == "2"


async def test_a_branch_that_two_make_at_once_has_both_states(make, options):
    stores = [make(cache=options["cache"] / str(number)) for number in range(4)]
    await asyncio.gather(
        *(
            store.save(RolloutState(rollout=f"shop-{number}"), after="")
            for number, store in enumerate(stores)
        )
    )

    assert await stores[0].list() == tuple(f"shop-{number}" for number in range(4))


@pytest.mark.parametrize("service", ["upload", "receive"])
async def test_a_writer_that_is_killed_leaves_a_copy_that_works(
    server, repository, make, options, start, service
):
    store = make()
    await store.save(RolloutState(rollout="bank"), after="")
    arrived, gone = threading.Event(), threading.Event()

    def gate(method, path):
        if method != "POST" or not path.endswith(f"git-{service}-pack") or arrived.is_set():
            return None
        arrived.set()
        gone.wait(60)
        return 0

    server.gate = gate
    writer = start("shop", options["cache"])
    there = await asyncio.to_thread(arrived.wait, 60)
    os.kill(writer.pid, signal.SIGKILL)
    await asyncio.to_thread(writer.wait, 60)
    gone.set()
    before = await store.load("shop")
    saved = await store.save(RolloutState(rollout="shop"), after=before.version if before else "")

    assert there
    assert await store.load("shop") == saved
    assert await store.list() == ("bank", "shop")


async def test_nobody_works_in_a_copy_beside_the_git_of_a_killed_process(
    server, make, options, start
):
    store = make()
    await store.save(RolloutState(rollout="bank"), after="")
    arrived, gone = threading.Event(), threading.Event()

    def gate(method, path):
        if not arrived.is_set() and path.endswith("service=git-receive-pack"):
            arrived.set()
            gone.wait(60)

    server.gate = gate
    writer = start("shop", options["cache"], saves=1)
    await asyncio.to_thread(arrived.wait, 60)
    writer.kill()
    await asyncio.to_thread(writer.wait, 60)
    # The git that the writer started still pushes; whoever comes next sees what came of it.
    reading = asyncio.create_task(store.load("shop"))
    await asyncio.sleep(0)
    was_waiting = not reading.done()
    gone.set()
    loaded = await reading

    assert was_waiting
    assert loaded is None or loaded.token == 1
    assert (loaded is None) == (await store.load("shop") is None)
