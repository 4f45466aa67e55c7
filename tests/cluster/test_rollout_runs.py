"""Runs that meet, are cancelled or die: one at a time, and the next one goes on from there."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import timedelta

import pytest

from rollwright.engine import operations
from rollwright.engine.progress import Planned, StageBegan
from rollwright.errors import LockHeld, Refused
from rollwright.rollouts.report import Outcome

pytestmark = pytest.mark.cluster

ENDLESS = "never-ready"


async def start(shop, listener):
    """Begin a run that waits for long; return its site and its task once it waits."""
    shop.declare(health={"timeout": "40s"})
    site = shop.open()
    task = asyncio.create_task(shop.rollout(site=site, tell=listener))
    await listener.until_applied("web")
    return site, task


async def test_a_second_run_is_refused_and_told_who_is_at_work(shop, make, listener):
    shop.write(make.deployment("web", ENDLESS))
    site, first = await start(shop, listener)
    async with site, shop.open() as other:
        other.lock_wait = timedelta()

        with pytest.raises(LockHeld) as caught:
            await shop.rollout(site=other)

        site.stop.set()
        await first
    assert caught.value.exit_code == 4
    assert operations.manual_trigger("x").actor in caught.value.message
    assert " since " in caught.value.message


async def test_a_run_that_waited_for_another_one_plans_anew_or_refuses(shop, make, listener):
    shop.write(make.deployment("web", ENDLESS))
    site, first = await start(shop, listener)
    heard = type(listener)()
    async with site, shop.open() as other:
        second = asyncio.create_task(shop.rollout(site=other, tell=heard))
        await heard.until(lambda one: isinstance(one, Planned))
        site.stop.set()
        await first

        with pytest.raises(Refused) as caught:
            await second

    assert caught.value.exit_code == 4
    assert "plan" in str(caught.value.hint)


async def test_a_run_at_work_is_not_called_interrupted(shop, make, listener):
    shop.write(make.deployment("web", ENDLESS))
    site, first = await start(shop, listener)
    heard = type(listener)()
    async with site, shop.open() as other:
        other.tell = heard
        await operations.plan(other, shop.load())
        site.stop.set()
        await first

    assert any(note.endswith("still holds the lock") for note in heard.notes)


async def test_a_cancelled_run_closes_its_journal_and_the_next_one_converges(shop, make, listener):
    shop.write(make.deployment("web", ENDLESS), make.config("settings"))
    site, task = await start(shop, listener)
    async with site:
        site.stop.set()
        report = await task
    state = await shop.state()
    shop.write(make.deployment("web"))

    again = await shop.rollout()

    assert report.outcome is Outcome.CANCELLED
    assert "again" in report.hint
    assert (state.journal, state.last.outcome) == (None, "cancelled")
    assert again.outcome is Outcome.SUCCEEDED


async def test_a_run_that_is_stopped_before_it_begins_writes_nothing(shop, make):
    shop.write(make.config("settings"))
    async with shop.open() as site:
        site.stop.set()
        report = await shop.rollout(site=site)

    assert report.outcome is Outcome.CANCELLED
    assert await shop.get("ConfigMap", "settings") is None


CHILD = """
import asyncio, sys
from rollwright import library
from rollwright.engine.progress import Applied

def tell(progress):
    if isinstance(progress, Applied):
        print(progress.change.ref.name, flush=True)

asyncio.run(library.rollout(sys.argv[1], tell=tell))
"""


async def killed_after(shop, name):
    """Run a rollout in a process of its own and kill it as soon as an object is applied."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, str(shop.folder),
        stdout=asyncio.subprocess.PIPE, env=dict(os.environ),
    )  # fmt: skip
    try:
        assert process.stdout
        async for line in process.stdout:
            if line.decode().strip() == name:
                break
    finally:
        process.kill()
        await process.wait()


async def test_after_a_kill_the_next_run_converges_and_owns_what_is_there(
    shop, make, kubectl, listener
):
    locks = {"use": "lease", "namespace": shop.name, "ttl": "2s", "renewEvery": "500ms"}
    shop.settle(locks=locks)
    shop.write(
        *(make.config(f"c-{number}") for number in range(8)), make.deployment("web", ENDLESS)
    )
    await killed_after(shop, "web")
    orphaned = await shop.state()
    shop.write(make.deployment("web"))
    shop.drop("configmap-c-7")

    report = await shop.rollout(tell=listener)

    state = await shop.state()
    label = f"rollwright.dev/rollout={shop.name}"
    listed = kubectl("-n", shop.name, "get", "configmaps,deployments", "-l", label, "-o", "json")
    there = {one["metadata"]["name"] for one in json.loads(listed)["items"]}
    assert orphaned.journal is not None
    assert report.outcome is Outcome.SUCCEEDED, report.message
    assert any("was interrupted" in note for note in listener.notes)
    assert state.journal is None
    assert {entry.ref.name for entry in state.inventory} == there
    assert there == {"web", *(f"c-{number}" for number in range(7))}


async def test_a_lock_of_an_earlier_time_does_not_write_over_a_later_run(shop, make):
    from dataclasses import replace

    shop.write(make.config("settings"))
    await shop.rollout()
    async with shop.open() as site:
        spec = shop.load().spec
        store = await site.store(spec)
        state = await store.load(shop.name)
        await store.save(replace(state, token=state.token + 10**9), after=state.version)
    shop.write(make.config("settings", key="other"))

    with pytest.raises(Refused) as caught:
        await shop.rollout()

    assert caught.value.exit_code == 4
    assert (await shop.get("ConfigMap", "settings")).body["data"] == {"key": "value"}


async def test_while_nothing_happens_nothing_is_asked(shop, make, listener):
    locks = {"use": "file", "path": str(shop.folder / "locks")}
    shop.settle(locks=locks)
    shop.write(make.deployment("web", ENDLESS), make.deployment("other", ENDLESS))
    site, task = await start(shop, listener)
    async with site:
        cluster = await site.cluster(shop.load().spec)
        await settled(cluster)
        before = dict(cluster.calls)
        await asyncio.sleep(1.5)
        after = dict(cluster.calls)
        site.stop.set()
        await task

    assert after == before


async def settled(cluster):
    """Return once no request was counted for a moment: the watches around the pods stand."""
    calls: dict[str, int] = {}
    for _ in range(20):
        await asyncio.sleep(0.5)
        if dict(cluster.calls) == calls and calls.get("watch", 0) >= 5:
            return
        calls = dict(cluster.calls)


async def test_an_object_that_somebody_deletes_while_it_is_waited_for_has_vanished(
    shop, make, listener, kubectl
):
    shop.write(make.deployment("web", ENDLESS))
    site, task = await start(shop, listener)
    async with site:
        await listener.until(lambda one: hasattr(one, "status"))
        kubectl("-n", shop.name, "delete", "deployment", "web", "--wait=true")
        report = await task

    assert report.outcome is Outcome.FAILED
    assert "not there any more" in report.message


async def test_a_listener_that_fails_does_not_break_a_run(shop, make):
    def listener(progress):
        if not isinstance(progress, StageBegan):
            raise KeyError("oops")

    shop.write(make.config("settings"))

    with pytest.warns(RuntimeWarning, match="oops"):
        report = await shop.rollout(tell=listener)

    assert report.outcome is Outcome.SUCCEEDED
