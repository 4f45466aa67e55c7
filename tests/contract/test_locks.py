from __future__ import annotations

import asyncio
import sys
from importlib import import_module

import pytest

from rollwright.locks import BUILTIN
from rollwright.locks.file import FileLocks
from rollwright.locks.memory import MemoryLocks
from rollwright.testing.contracts import LockContract

HOLDER = """
import asyncio, sys
from datetime import timedelta
from pathlib import Path
from rollwright.locks.file import FileLocks
from rollwright.plugins.contracts import LockOwner

async def main():
    owner = LockOwner(id="dead", actor="zoe", operation="rollout")
    async with FileLocks(path=Path(sys.argv[1])).hold(sys.argv[2], owner=owner, wait=timedelta()) as lock:
        print(lock.token, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


class TestFileLocks(LockContract):
    @pytest.fixture
    def locks(self, tmp_path):
        return FileLocks(path=tmp_path / "locks")

    @pytest.fixture
    def others(self, tmp_path):
        return FileLocks(path=tmp_path / "locks")

    @pytest.fixture
    def dead_holder(self, tmp_path):
        async def die(key: str) -> int:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                HOLDER,
                str(tmp_path / "locks"),
                key,
                stdout=asyncio.subprocess.PIPE,
            )
            assert process.stdout
            token = int(await process.stdout.readline())
            process.kill()
            await process.wait()
            return token

        return die


class TestMemoryLocks(LockContract):
    @pytest.fixture
    def locks(self):
        return MemoryLocks()


@pytest.mark.parametrize("target", BUILTIN.values())
def test_every_option_of_a_lock_is_described(target):
    module, _, name = target.partition(":")
    model = getattr(import_module(module), name)
    properties = model.model_json_schema().get("properties", {})

    assert all(one.get("description") for one in properties.values())
