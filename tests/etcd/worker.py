"""A process that takes locks, for tests that need several of them, or one that dies."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from rollwright.errors import RolloutError
from rollwright.locks.etcd import EtcdLocks
from rollwright.plugins.contracts import LockOwner
from rollwright.rollouts.state import RolloutState

TASKS: dict[str, Any] = {}
OWNER = LockOwner(id=f"run-{os.getpid()}", actor="zoe", operation="rollout", host="host-9")


class Target:
    """A cluster that only says who it is."""

    name = "shop"

    async def identity(self):
        return "3d0f2b1c-0000-4000-8000-000000000001"


def say(*words):
    print(*words, flush=True)


TARGET: Any = Target()


async def hold(options, key):
    """Hold a lock until a line comes, then say whether it is still held."""
    locks = EtcdLocks.model_validate(options).bind(TARGET)
    async with locks.hold(key, owner=OWNER, wait=timedelta(seconds=60)) as lock:
        say(lock.token)
        await asyncio.to_thread(sys.stdin.readline)
        try:
            lock.check()
            say("held")
        except RolloutError as error:
            say(f"{type(error).__name__} {error}")
    await locks.close()


async def write_when_told(options, key):
    """Hold a lock, and save a state under it when a line comes, whatever our own clock says."""
    from rollwright.stores.etcd import EtcdStore

    locks = EtcdLocks.model_validate(options).bind(TARGET)
    plain = {name: value for name, value in options.items() if name != "ttl"}
    store = EtcdStore.model_validate(plain).bind(TARGET)
    async with locks.hold(key, owner=OWNER, wait=timedelta(seconds=60)) as lock:
        state = RolloutState(rollout=key, token=lock.token)
        state = await store.save(state, after="")
        say(lock.token)
        await asyncio.to_thread(sys.stdin.readline)
        try:
            await store.save(replace(state, extra={"by": "old"}), after=state.version)
            say("saved")
        except RolloutError as error:
            say(f"{type(error).__name__} {error}")
    await store.close()
    await locks.close()


async def count(options, path, rounds):
    """Add one to a number in a file, again and again, as slowly as goes wrong without a lock."""
    locks = EtcdLocks.model_validate(options).bind(TARGET)
    file = Path(path)
    for _ in range(int(rounds)):
        async with locks.hold("shop", owner=OWNER, wait=None) as lock:
            number = int(file.read_text())
            await asyncio.sleep(0)
            file.write_text(str(number + 1))
            with file.with_suffix(".tokens").open("a") as tokens:
                tokens.write(f"{lock.token}\n")
            lock.check()
    await locks.close()
    say("done")


async def crowd(options, path, rounds):
    """Enter a limit of four, and write down how many are in."""
    limit = EtcdLocks.model_validate(options).limit("rollouts", 4)
    folder = Path(path)
    for number in range(int(rounds)):
        async with limit.hold("site", owner=OWNER, wait=None):
            mine = folder / f"in-{os.getpid()}-{number}"
            mine.touch()
            inside = len(list(folder.glob("in-*")))
            await asyncio.sleep(0.005)
            mine.unlink()
            with (folder / "seen").open("a") as seen:
                seen.write(f"{inside}\n")
    await limit.close()
    say("done")


TASKS |= {"hold": hold, "write": write_when_told, "count": count, "crowd": crowd}

if __name__ == "__main__":
    asyncio.run(TASKS[sys.argv[1]](json.loads(sys.argv[2]), *sys.argv[3:]))
