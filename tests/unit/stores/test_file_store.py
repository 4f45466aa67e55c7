from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from rollwright.errors import InvalidDocument, NotFound, RolloutError, Unreachable
from rollwright.rollouts.state import RolloutState
from rollwright.stores.file import FileStore
from rollwright.testing.store_contract import a_full_state, a_revision, an_entry

COUNT = """
import asyncio, sys
from dataclasses import replace
from pathlib import Path
from rollwright.errors import StateConflict
from rollwright.stores.file import FileStore

async def main(store, saves):
    while saves:
        state = await store.load("shop")
        extra = {"count": str(int(state.extra["count"]) + 1)}
        try:
            await store.save(replace(state, extra=extra), after=state.version)
        except StateConflict:
            continue
        saves -= 1

asyncio.run(main(FileStore(path=Path(sys.argv[1])), int(sys.argv[2])))
"""

TOO_LARGE = """
import asyncio, resource, sys
from dataclasses import replace
from pathlib import Path
from rollwright.errors import RolloutError
from rollwright.stores.file import FileStore

async def main(store):
    state = await store.load("shop")
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    try:
        await store.save(replace(state, extra={"large": "x" * 100_000}), after=state.version)
    except RolloutError as error:
        print(error.message, "|", error.hint)

asyncio.run(main(FileStore(path=Path(sys.argv[1]))))
"""


@pytest.fixture
def store(tmp_path):
    return FileStore(path=tmp_path)


async def test_two_processes_lose_no_update(store, tmp_path):
    await store.save(RolloutState(rollout="shop", extra={"count": "0"}), after="")
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", COUNT, str(tmp_path), "100")
        for _ in range(2)
    ]
    codes = [await process.wait() for process in processes]
    state = await store.load("shop")

    assert (codes, state.extra["count"]) == ([0, 0], "200")


async def test_a_full_disk_leaves_the_old_state(store, tmp_path):
    saved = await store.save(a_full_state(), after="")
    told = subprocess.run(
        [sys.executable, "-c", TOO_LARGE, str(tmp_path)], capture_output=True, text=True, check=True
    ).stdout

    assert "shop.json.part: File too large; the old state is kept | look at the disk" in told
    assert await store.load("shop") == saved
    assert not list(tmp_path.glob("*.part"))


async def test_a_half_written_file_of_a_crash_is_overwritten(store, tmp_path):
    (tmp_path / "shop.json.part").write_bytes(b"{")
    saved = await store.save(a_full_state(), after="")

    assert await store.load("shop") == saved


@pytest.mark.parametrize("data", [b"", b"{", b"\x00" * 4096])
async def test_a_damaged_file_is_named(store, tmp_path, data):
    path = tmp_path / "shop.json"
    path.write_bytes(data)
    for call in (store.load("shop"), store.save(a_full_state(), after="1-x")):
        with pytest.raises(InvalidDocument) as caught:
            await call

        assert str(path) in caught.value.message


async def test_a_damaged_snapshot_is_named(store, tmp_path):
    snapshot = await store.put_snapshot("shop", b"data")
    (path,) = (tmp_path / "shop.snapshots").iterdir()
    path.write_bytes(b"other")
    with pytest.raises(InvalidDocument, match="damaged") as caught:
        await store.get_snapshot("shop", snapshot)

    assert str(path) in caught.value.message


async def test_files_are_private(store, tmp_path):
    await store.save(a_full_state(), after="")
    await store.put_snapshot("shop", b"data")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]

    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


async def test_a_state_is_one_readable_file(store, tmp_path):
    saved = await store.save(a_full_state(), after="")
    body = json.loads((tmp_path / "shop.json").read_text())

    assert (body["kind"], body["format"], body["state"]["version"]) == (
        "RolloutState",
        1,
        saved.version,
    )


async def test_a_snapshot_goes_with_the_last_revision_that_named_it(store):
    ids = [await store.put_snapshot("shop", data) for data in (b"1", b"2")]
    revisions = tuple(a_revision(number, snapshot=one) for number, one in enumerate(ids, 1))
    first = await store.save(RolloutState(rollout="shop", revisions=revisions), after="")
    await store.save(replace(first, revisions=revisions[1:]), after=first.version)

    assert await store.get_snapshot("shop", ids[1]) == b"2"
    with pytest.raises(NotFound):
        await store.get_snapshot("shop", ids[0])


async def test_clusters_are_apart(store):
    names = ("a", "a/b", "..", "arn:aws:eks:eu-west-1:1:cluster/x", "x" * 400, "")
    stores = [store.bind(SimpleNamespace(name=name)) for name in names]
    for number, one in enumerate(stores):
        await one.save(RolloutState(rollout="shop", token=number), after="")
    states = [await one.load("shop") for one in stores]

    assert [state.token for state in states] == list(range(len(names)))
    assert await store.list() == ()


async def test_a_path_below_a_file_is_an_error_of_ours(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RolloutError):
        await FileStore(path=tmp_path / "file" / "states").save(a_full_state(), after="")


async def test_a_frozen_saver_is_reported(store, tmp_path, monkeypatch):
    import fcntl

    monkeypatch.setattr("rollwright.stores.writing.PATIENCE_SECONDS", 0.0)
    with (tmp_path / "shop.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(Unreachable, match="another process"):
            await store.save(a_full_state(), after="")


async def test_ten_thousand_objects_are_one_file(store, tmp_path):
    inventory = tuple(an_entry(number) for number in range(10_000))
    await store.save(RolloutState(rollout="shop", inventory=inventory), after="")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["shop.json", "shop.lock"]


def test_unknown_options_are_refused():
    with pytest.raises(ValidationError):
        FileStore.model_validate({"path": "/x", "pathh": "/y"})
