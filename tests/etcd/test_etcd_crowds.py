"""Many processes at one lock, and at one limit. The numbers are small unless all is asked for."""

from __future__ import annotations

import asyncio
import runpy
from pathlib import Path

import pytest

from rollwright.etcd.shim import rpc
from rollwright.locks.etcd import EtcdLocks

HEAVY = runpy.run_path(str(Path(__file__).parent / "conftest.py"))["HEAVY"]
PROCESSES, ROUNDS = (50, 20) if HEAVY else (5, 8)


@pytest.fixture
def options(etcd):
    return etcd.options(ttl="15s")


async def leases_of(client):
    answer = await client.call("Lease", "LeaseLeases", rpc().LeaseLeasesRequest())
    return {one.ID for one in answer.leases}


async def run_all(worker, task, options, path):
    started = [await worker(task, options, path, ROUNDS) for _ in range(PROCESSES)]
    said = await asyncio.gather(*(one.process.stdout.read() for one in started))
    return [text.decode().strip() for text in said]


@pytest.mark.timeout(900)
async def test_one_lock_lets_one_in_in_the_order_they_came(worker, options, tmp_path, client):
    file, before = tmp_path / "count", await leases_of(client)
    file.write_text("0")
    said = await run_all(worker, "count", options, file)
    tokens = [int(line) for line in file.with_suffix(".tokens").read_text().split()]

    assert said == ["done"] * PROCESSES
    assert int(file.read_text()) == PROCESSES * ROUNDS
    assert tokens == sorted(set(tokens))
    assert await leases_of(client) <= before


@pytest.mark.timeout(900)
async def test_a_limit_of_four_never_lets_five_in(worker, options, tmp_path, bound, client):
    before = await leases_of(client)
    said = await run_all(worker, "crowd", options, tmp_path)
    seen = [int(line) for line in (tmp_path / "seen").read_text().split()]
    limit = bound.keep(EtcdLocks.model_validate(options).limit("rollouts", 4))

    assert said == ["done"] * PROCESSES
    assert len(seen) == PROCESSES * ROUNDS
    assert max(seen) <= 4
    assert max(seen) > 1
    assert await limit.list("site") == ()
    assert await leases_of(client) <= before
