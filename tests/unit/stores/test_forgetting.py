"""A rollout is forgotten with its snapshots, or not at all."""

from __future__ import annotations

import pytest

from rollwright.errors import Unreachable
from rollwright.rollouts.state import RolloutState
from rollwright.stores import file
from rollwright.stores.file import FileStore
from rollwright.testing.fake import FakeCluster


async def test_what_breaks_off_among_the_snapshots_leaves_the_rollout_remembered(
    tmp_path, monkeypatch
):
    def break_off(folder):
        raise OSError(5, "Input/output error", str(folder))

    store = FileStore(path=tmp_path).bind(FakeCluster(name="here"))
    await store.put_snapshot("shop", b"set")
    saved = await store.save(RolloutState(rollout="shop"), after="")
    monkeypatch.setattr(file, "rmtree", break_off)

    with pytest.raises(Unreachable, match="Input/output error"):
        await store.delete("shop", after=saved.version)

    assert await store.load("shop") == saved
