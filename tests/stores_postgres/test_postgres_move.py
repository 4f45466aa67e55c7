"""States that are moved into PostgreSQL and back, as a site does it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from rollwright.engine.custody.keeping_state import Move
from rollwright.engine.operations import named_spec
from rollwright.engine.site import open_site
from rollwright.testing.fake import FakeCluster
from rollwright.testing.store_contract import a_full_state, a_revision


@pytest.fixture
async def site(tmp_path, options):
    given = "\n".join(f"{key} = {toml(value)}" for key, value in options.items())
    (tmp_path / "site.toml").write_text(f"""
[stores.default]
use = "file"
with = {{path = "{tmp_path}/states"}}
[stores.pg]
use = "postgres"
[stores.pg.with]
{given}
[locks.default]
use = "memory"
""")
    site = open_site(start=tmp_path)
    site.use_cluster(FakeCluster())
    yield site
    await site.close()


def toml(value):
    return f'{{ env = "{value["env"]}" }}' if isinstance(value, dict) else json.dumps(value)


async def test_a_move_there_and_back_keeps_everything(site):
    file, postgres = [await site.store_named(one, named_spec("x")) for one in ("default", "pg")]
    snapshot = await file.put_snapshot("shop", b"the set")
    revisions = (a_revision(1), a_revision(2, snapshot=snapshot))
    state = await file.save(replace(a_full_state(), revisions=revisions), after="")
    await file.put_key(b"key")
    there = Move(site=site, source="default", target="pg", actor="ann", is_removed=True)
    back = Move(site=site, source="pg", target="default", actor="ann", is_removed=True)
    await there.run()
    history = await postgres.history("shop")
    await back.run()
    found = await file.load("shop")

    assert [one.number for _, one in history] == [2, 1]
    assert (await postgres.list(), await postgres.key()) == ((), b"key")
    assert found is not None
    assert replace(found, version="", audit=()) == replace(state, version="", audit=())
    assert await file.get_snapshot("shop", snapshot) == b"the set"
