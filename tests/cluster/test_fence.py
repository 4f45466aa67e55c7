"""A run that was overtaken by a later one writes nothing more, whatever its clock told it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import replace
from datetime import timedelta

import pytest

from rollwright.engine import operations
from rollwright.engine.stages import DIRECT
from rollwright.errors import LockLost
from rollwright.locks.memory import MemoryLocks
from rollwright.plugins.contracts import GetRequest
from rollwright.rollouts.describe.lines import text
from rollwright.rollouts.describe.statuses import describe_status
from rollwright.rollouts.ownership.applyset import FENCE
from rollwright.rollouts.ownership.fields import parent_ref
from rollwright.rollouts.report import Outcome
from rollwright.testing.lock_contract import AN_OWNER

pytestmark = pytest.mark.cluster

ENDLESS = "never-ready"
LATER = {"rollwright.dev/wave": "1"}

CHILD = """
import asyncio, sys
from rollwright import library
from rollwright.engine.progress import Applied
from rollwright.errors import RolloutError

def tell(progress):
    if isinstance(progress, Applied):
        print(progress.change.ref.name, flush=True)

try:
    asyncio.run(library.rollout(sys.argv[1], tell=tell))
except RolloutError as error:
    print(type(error).__name__, flush=True)
"""


@pytest.fixture
def in_waves(make):
    """Return a config of the second wave."""

    def late(**data):
        config = make.config("late", **data)
        config["metadata"]["annotations"] = LATER
        return config

    return late


class Gate:
    """Stages that stop before a wave until the gate is opened."""

    def __init__(self, wave):
        self.wave, self.is_there, self.opened = wave, asyncio.Event(), asyncio.Event()

    @property
    def stages(self):
        async def execute(site, run, wave):
            if wave is run.plan.waves[self.wave]:
                self.is_there.set()
                await self.opened.wait()
            return await DIRECT.execute(site, run, wave)

        return replace(DIRECT, execute=execute)


async def begun(shop, before, gate):
    """Begin a run whose locks know of nobody else; so many held them before.

    Returns:
        Its site, and its task once it is at the gate or has ended.
    """
    site, locks = shop.open(), MemoryLocks()
    for _ in range(before):
        async with locks.hold(shop.name, owner=AN_OWNER, wait=timedelta()):
            pass
    site.use_locks(locks, "here")
    task = asyncio.create_task(operations.roll_out(site, shop.load(), gate.stages))
    waiting = asyncio.create_task(gate.is_there.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED, timeout=60)
    waiting.cancel()
    return site, task


async def parent_of(shop):
    async with shop.cluster() as cluster:
        ref = parent_ref(shop.name, shop.name)
        return await cluster.get(GetRequest(ref=ref, api_version="v1"))


async def test_a_run_writes_its_token_into_the_parent(shop, make):
    shop.write(make.config("a"))
    await shop.rollout()
    state = await shop.state()

    assert (await parent_of(shop)).annotations[FENCE] == str(state.token)


async def test_a_run_that_lost_unnoticed_stops_before_its_next_wave(shop, make, in_waves):
    shop.write(make.config("early", key="first"), in_waves(key="first"))
    gate = Gate(1)
    first_site, first = await begun(shop, 0, gate)
    shop.write(make.config("early", key="second"), in_waves(key="second"))
    open_gate = Gate(0)
    open_gate.opened.set()
    async with first_site:
        second_site, second = await begun(shop, 5, open_gate)
        async with second_site:
            report = await second
        gate.opened.set()

        with pytest.raises(LockLost, match="a run with a later lock"):
            await first

    assert report.outcome is Outcome.SUCCEEDED, report.message
    assert (await shop.get("ConfigMap", "late")).body["data"] == {"key": "second"}
    assert (await shop.state()).journal is None


async def test_a_run_with_an_older_token_does_not_begin(shop, make, tmp_path):
    shop.write(make.config("early"))
    site, task = await begun(shop, 9, gate := Gate(0))
    gate.opened.set()
    async with site:
        await task
    # Another store, which knows nothing of the later run.
    store = {"use": "file", "path": str(tmp_path / "state")}
    shop.settle(store=store, locks={"use": "lease", "namespace": shop.name})
    before = await parent_of(shop)
    shop.write(make.config("more"))
    site, task = await begun(shop, 0, Gate(0))
    async with site:
        with pytest.raises(LockLost, match="a run with a later lock"):
            await task

    assert await shop.get("ConfigMap", "more") is None
    assert (await parent_of(shop)).resource_version == before.resource_version


async def test_a_fence_that_somebody_removed_is_put_back(shop, make, in_waves, kubectl):
    shop.write(make.config("early"), in_waves(key="first"))
    site, task = await begun(shop, 0, gate := Gate(1))
    async with site:
        kubectl("-n", shop.name, "delete", "configmap", shop.name)
        gate.opened.set()
        report = await task
    state = await shop.state()

    assert report.outcome is Outcome.SUCCEEDED, report.message
    assert (await parent_of(shop)).annotations[FENCE] == str(state.token)


async def test_a_wave_costs_at_most_one_request_for_the_fence(shop, make):
    def config(number, value):
        body = make.config(f"c-{number}", key=value)
        body["metadata"]["annotations"] = {"rollwright.dev/wave": str(number)}
        return body

    shop.write(*(config(number, "one") for number in range(4)))
    await shop.rollout()
    shop.write(*(config(number, "two") for number in range(4)))
    report = await shop.rollout()
    shop.write(config(0, "three"))
    single = await shop.rollout()

    assert report.calls["get"] - single.calls["get"] == 3


async def test_a_frozen_run_that_wakes_up_writes_nothing(shop, make, in_waves):
    locks = {"use": "lease", "namespace": shop.name, "ttl": "2s", "renewEvery": "500ms"}
    shop.settle(locks=locks)
    shop.write(make.deployment("web", ENDLESS), in_waves(key="first"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, str(shop.folder),
        stdout=asyncio.subprocess.PIPE, env=dict(os.environ),
    )  # fmt: skip
    try:
        assert process.stdout
        async for line in process.stdout:
            if line.decode().strip() == "web":
                break
        os.kill(process.pid, signal.SIGSTOP)
        shop.write(make.deployment("web"), in_waves(key="second"))
        report = await shop.rollout()
        after = [await shop.get("Deployment", "web"), await shop.get("ConfigMap", "late")]
        state = await shop.state()
        os.kill(process.pid, signal.SIGCONT)
        said = [line.decode().strip() async for line in process.stdout]
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    now = [await shop.get("Deployment", "web"), await shop.get("ConfigMap", "late")]
    async with shop.open() as site:
        shown = text(describe_status(await operations.status(site, shop.name, cluster="here")))

    assert report.outcome is Outcome.SUCCEEDED, report.message
    assert said[-1:] == ["LockLost"]
    assert [one.generation for one in now] == [one.generation for one in after]
    assert now[1].resource_version == after[1].resource_version
    assert (await shop.state()).version == state.version
    (entry,) = [one for one in state.audit if one.kind == "takeover"]
    actor = operations.manual_trigger("x").actor
    assert entry.message.count(actor) == 2
    assert "takeover at" in shown


async def test_a_broken_lock_is_on_record_with_who_and_why(shop, make, listener):
    shop.write(make.deployment("web", ENDLESS))
    shop.declare(health={"timeout": "40s"})
    site = shop.open()
    async with site:
        first = asyncio.create_task(shop.rollout(site=site, tell=listener))
        await listener.until_applied("web")
        service = await site.locks(shop.load().spec)
        await service.release(shop.name, reason="it hangs (eve@desk)")
        shop.write(make.deployment("web"))
        await shop.rollout(tell=listener)
        await asyncio.gather(first, return_exceptions=True)
    state = await shop.state()

    (entry,) = [one for one in state.audit if one.kind == "break"]
    assert "it hangs (eve@desk)" in entry.message
    assert any("was broken: it hangs" in note for note in listener.notes)
