from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime, timedelta

import pytest

from rollwright.kube import connect
from rollwright.locks.lease import LeaseLocks
from rollwright.locks.objects import LeaseObjects
from rollwright.testing.contracts import LockContract
from rollwright.testing.lock_contract import AN_OWNER, ANOTHER, AT_ONCE

pytestmark = pytest.mark.cluster

OPTIONS = {"ttl": "3s", "renewEvery": "500ms"}

HOLDER = """
import asyncio, sys
from datetime import timedelta
from pathlib import Path
from rollwright.errors import LockLost
from rollwright.kube import connect
from rollwright.locks.lease import LeaseLocks
from rollwright.plugins.contracts import LockOwner

async def main(kubeconfig, options, key):
    cluster = await connect(kubeconfig=kubeconfig)
    locks = LeaseLocks.model_validate_json(options).bind(cluster)
    owner = LockOwner(id="dead", actor="zoe", operation="rollout")
    async with locks.hold(key, owner=owner, wait=timedelta()) as lock:
        print(lock.token, flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        try:
            lock.check()
            print("held", flush=True)
        except LockLost:
            print("lost", flush=True)
    await cluster.close()

asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
"""


@pytest.fixture
async def cluster(sandbox):
    cluster = await connect(kubeconfig=sandbox.kubeconfig)
    yield cluster
    await cluster.close()


@pytest.fixture
async def another_cluster(sandbox):
    cluster = await connect(kubeconfig=sandbox.kubeconfig)
    yield cluster
    await cluster.close()


@pytest.fixture
def plugin(namespace):
    return LeaseLocks.model_validate({"namespace": namespace, **OPTIONS})


@pytest.fixture
async def start_holder(sandbox, plugin):
    """Start a process that holds a lock until it reads a line, then says whether it still does."""
    processes = []

    async def start(key):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            HOLDER,
            str(sandbox.kubeconfig),
            plugin.model_dump_json(by_alias=True),
            key,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        processes.append(process)
        assert process.stdout
        return process, int(await process.stdout.readline())

    yield start
    for process in processes:
        if process.returncode is None:
            process.kill()
        await process.wait()


class TestLeaseLocks(LockContract):
    @pytest.fixture
    def locks(self, cluster, plugin):
        return plugin.bind(cluster)

    @pytest.fixture
    def others(self, another_cluster, plugin):
        return plugin.bind(another_cluster)

    @pytest.fixture
    def dead_holder(self, start_holder, locks):
        async def die(key):
            process, token = await start_holder(key)
            process.kill()
            await process.wait()
            (record,) = await locks.list()
            left = record.expires_at - datetime.now(UTC)
            await asyncio.sleep(max(0.0, left.total_seconds()))
            return token

        return die


async def test_acquire_and_release_are_three_requests(cluster, plugin):
    locks = plugin.bind(cluster)
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE):
        pass
    before = sum(cluster.calls.values())
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE):
        pass

    assert sum(cluster.calls.values()) - before == 3


async def test_the_server_stamps_every_renewal(cluster, plugin, namespace):
    objects = LeaseObjects(cluster, namespace)
    async with plugin.bind(cluster).hold("shop", owner=AN_OWNER, wait=AT_ONCE):
        stamps = set()
        for _ in range(100):
            record = await objects.read("shop")
            assert record
            stamps.add(record.stamped_at)
            if len(stamps) > 2:
                break
            await asyncio.sleep(0.05)

    assert len(stamps - {None}) > 1


async def test_a_frozen_holder_stops_before_its_next_write(cluster, plugin, start_holder):
    locks = plugin.bind(cluster)
    process, token = await start_holder("shop")
    os.kill(process.pid, signal.SIGSTOP)
    async with locks.hold("shop", owner=ANOTHER, wait=timedelta(seconds=30)) as lock:
        os.kill(process.pid, signal.SIGCONT)
        process.stdin.write(b"\n")
        said = (await process.stdout.readline()).decode().strip()
        await process.wait()
        (record,) = await locks.list()

        lock.check()
        assert (said, record.owner.id) == ("lost", "run-2")
        assert lock.token > token
