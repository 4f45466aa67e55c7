from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from rollwright.errors import LockHeld, RolloutError, Unreachable
from rollwright.locks.file import FileLocks
from rollwright.locks.folder import LockFolder
from rollwright.testing.lock_contract import AN_OWNER, ANOTHER, AT_ONCE

PROGRAM = """
import asyncio, sys
from datetime import timedelta
from pathlib import Path
from rollwright.locks.file import FileLocks
from rollwright.plugins.contracts import LockOwner

async def main(path, count, log):
    locks = FileLocks(path=path)
    owner = LockOwner(id=str(log), actor="zoe", operation="rollout")
    for _ in range(count):
        async with locks.hold("shop", owner=owner, wait=None) as lock:
            with open(log, "a") as file:
                file.write(f"in {lock.token}\\n")
            await asyncio.sleep(0)
            with open(log, "a") as file:
                file.write(f"out {lock.token}\\n")

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
"""

WAITER = """
import asyncio, sys
from pathlib import Path
from rollwright.locks.file import FileLocks
from rollwright.plugins.contracts import LockOwner

async def main(path):
    owner = LockOwner(id="dead", actor="zoe", operation="rollout")
    async with FileLocks(path=path).hold("shop", owner=owner, wait=None):
        await asyncio.Event().wait()

asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "locks"


@pytest.fixture
def locks(path):
    return FileLocks(path=path)


async def test_processes_exclude_one_another(path, tmp_path):
    log = tmp_path / "log"
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, str(path), "20", str(log)
        )
        for _ in range(3)
    ]
    codes = [await process.wait() for process in processes]
    lines = log.read_text().splitlines()
    tokens = [int(line.split()[1]) for line in lines[::2]]

    assert codes == [0, 0, 0]
    assert lines == [f"{way} {token}" for token in tokens for way in ("in", "out")]
    assert tokens == sorted(set(tokens))
    assert len(tokens) == 60


async def test_a_waiter_that_was_killed_does_not_block_the_next(path, locks):
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE):
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", WAITER, str(path))
        while not await asyncio.to_thread(lambda: list(path.glob("shop.queue/*"))):
            await asyncio.sleep(0.01)
        process.kill()
        await process.wait()
    async with locks.hold("shop", owner=ANOTHER, wait=AT_ONCE) as lock:
        lock.check()

    assert not list(path.glob("shop.queue/*"))


async def test_one_who_would_not_wait_does_not_overtake(locks):
    folder = LockFolder(locks.path)
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE):
        place = folder.enqueue("shop", ANOTHER)
    with pytest.raises(LockHeld, match="bob"):
        async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE):
            pass
    folder.leave(place)


async def test_a_damaged_note_costs_nothing(path, locks):
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE) as first:
        pass
    (path / "shop.json").write_bytes(b"{")
    listed = await locks.list()
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE) as second:
        second.check()

    assert listed == ()
    assert second.token >= first.token


async def test_a_hundred_waiters_are_served_in_order(locks):
    log = []

    async def work(number):
        async with locks.hold("shop", owner=ANOTHER, wait=None):
            log.append(number)

    tasks = []
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE):
        for number in range(100):
            tasks.append(asyncio.ensure_future(work(number)))
            while len(list(locks.path.glob("shop.queue/*"))) <= number:
                await asyncio.sleep(0.001)
    await asyncio.gather(*tasks)

    assert log == list(range(100))


@pytest.mark.parametrize("turns", range(1, 8))
async def test_a_cancelled_acquisition_leaves_nothing(locks, turns):
    async def hold():
        async with locks.hold("shop", owner=AN_OWNER, wait=None):
            await asyncio.Event().wait()

    task = asyncio.ensure_future(hold())
    for _ in range(turns):
        await asyncio.sleep(0.0005)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert await locks.list() == ()


async def test_no_file_stays_open(locks):
    def opened():
        return len(list(Path("/proc/self/fd").iterdir()))

    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE):
        pass
    before = opened()
    for _ in range(5):
        async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE):
            with pytest.raises(LockHeld):
                async with locks.hold("shop", owner=ANOTHER, wait=AT_ONCE):
                    pass
            await locks.list()
            await locks.release("shop", reason="test")

    assert opened() == before


async def test_a_broken_lock_leaves_a_note(path, locks):
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE):
        await locks.release("shop", reason="it hangs")

    broken = json.loads((path / "shop.json").read_text())["broken"]
    assert (broken["owner"]["actor"], broken["broken"]) == ("ann", "it hangs")


async def test_a_frozen_process_in_the_folder_is_reported(path, locks, monkeypatch):
    import fcntl

    monkeypatch.setattr("rollwright.locks.folder.GUARD_SECONDS", 0.0)
    path.mkdir()
    with (path / ".guard").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(Unreachable, match="another process"):
            await locks.list()


async def test_clusters_are_apart(locks):
    one, two = (locks.bind(SimpleNamespace(name=name)) for name in ("a/b", ".."))
    async with (
        one.hold("shop", owner=AN_OWNER, wait=AT_ONCE),
        two.hold("shop", owner=AN_OWNER, wait=AT_ONCE),
    ):
        assert [len(await service.list()) for service in (one, two, locks)] == [1, 1, 0]


async def test_a_path_below_a_file_is_an_error_of_ours(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RolloutError):
        async with FileLocks(path=tmp_path / "file" / "x").hold(
            "shop", owner=AN_OWNER, wait=AT_ONCE
        ):
            pass
