"""A process that listens for deliveries and kills itself where it is told to. No test itself.

Arguments: the folder of the site, a point, and how often that point is passed before it kills.
Prints the address of the receiver; ends when standard input does.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

from rollwright.engine.listening import dispatch, noting, pending
from rollwright.engine.listening.pending import overtaken
from rollwright.engine.listening.running import Ended
from rollwright.engine.listening.service import make_service
from rollwright.engine.operations import named_spec
from rollwright.engine.site import open_site
from rollwright.locks.file import FileLocks
from rollwright.plugins.contracts import LockOwner
from rollwright.stores.file import FileStore
from rollwright.testing.fake import FakeCluster
from rollwright.webhooks.server import receiving


class Killer:
    """Ends this process, without any warning, at a point."""

    def __init__(self, point, count):
        self.point, self.left = point, count

    def passes(self, point):
        if self.point == "term" and point == "after the note":
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGTERM)
        if point == self.point:
            self.left -= 1
            if self.left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)


class Runner:
    """Writes down which runs began and ended; each holds its rollout's lock, as all runs do."""

    def __init__(self, log, killer):
        self.log, self.killer = log, killer
        self.site: Any = None

    def note(self, word, pending):
        with self.log.open("a") as file:
            file.write(f"{word} {pending.instance} {pending.firing.id}\n")

    async def run(self, pending, *, at, idle, tell=None):
        self.killer.passes("before the run")
        locks = await self.site.locks(named_spec(pending.instance, pending.cluster))
        owner = LockOwner(id=uuid4().hex, actor="me", operation="rollout", host="here")
        async with locks.hold(pending.instance, owner=owner, wait=None):
            if await overtaken(self.site, pending):  # as the walk sees under its lock
                return Ended(outcome="superseded", message="", is_good=True, is_settled=False)
            self.note("began", pending)
            await asyncio.sleep(0.01)
            self.killer.passes("during the run")
            self.note("ended", pending)
        self.killer.passes("after the run")
        return Ended(outcome="succeeded", message="done", is_good=True, exit_code=0)


def wrap(runner, killer):
    """Pass a point before and after each note, and write down what is settled."""
    keep, settle = pending.keep, pending.settle

    async def kept(site, asked):
        killer.passes("before the note")
        noted = await keep(site, asked)
        killer.passes("after the note")
        return noted

    async def settled(site, asked, **more):
        await settle(site, asked, **more)
        runner.note("settled", asked)
        killer.passes("after it is settled")

    noting.__dict__.update(keep=kept)
    dispatch.__dict__.update(settle=settled)


def open_estate(folder):
    """Open a site whose state is in files; its cluster is made up, and nobody asks it."""
    site, cluster = open_site(start=folder), FakeCluster([])
    site.use_cluster(cluster)
    site.use_store(FileStore(path=folder / "states").bind(cluster))
    site.use_locks(FileLocks(path=folder / "locks").bind(cluster))
    return site


async def main(folder, point, count):
    killer = Killer(point, count)
    runner = Runner(folder / "runs.log", killer)
    wrap(runner, killer)
    dispatch.__dict__.update(RESCAN_SECONDS=0.5)
    async with open_estate(folder) as site:
        runner.site = site
        service = make_service(site, runner=runner)
        settings = site.loaded.file.webhooks.model_copy(update={"port": 0, "burst": 10_000})
        stop = asyncio.Event()
        async with receiving(service, settings, stop=stop, tell=lambda _entry: None) as receiver:
            print(dict(receiver.hooks)["hook"], flush=True)
            ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
            serving = asyncio.create_task(service.serve(stop))
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait([ended, stopping], return_when=asyncio.FIRST_COMPLETED)
            stop.set()
            await serving
        os._exit(0)  # a thread still reads what the test may say


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
