"""A site whose states, locks and limits are all in etcd, with a real cluster as the target."""

from __future__ import annotations

import asyncio
import json
import runpy
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rollwright.engine.site import open_site
from rollwright.errors import LockHeld
from rollwright.etcd import requests
from rollwright.rollouts.trigger import Trigger
from rollwright.testing.lock_contract import AN_OWNER, AT_ONCE

CLUSTER = runpy.run_path(str(Path(__file__).parents[1] / "cluster" / "conftest.py"))
NOW = datetime(2025, 6, 1, tzinfo=UTC)


@pytest.fixture
def options(etcd):
    return etcd.options()


@pytest.fixture
async def shop(sandbox, namespace, tmp_path, options):
    shop = CLUSTER["Shop"](tmp_path / "shop", namespace, sandbox.kubeconfig)
    shop.settle(store={"use": "etcd", **options}, locks={"use": "etcd", **options, "ttl": "5s"})
    with (shop.folder / "site.toml").open("a") as file:
        file.write("\n[limits.rollouts]\nmax = 1\nper = 'site'\n")
    shop.write(CLUSTER["Make"].config("a"))
    yield shop
    await shop.remove()


async def run(shop, *words):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "rollwright", *words, "--cluster", "here", "-o", "json",
        cwd=shop.folder, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, json.loads(output)


async def test_a_rollout_leaves_its_state_and_nothing_else(shop, client, options):
    first = await shop.rollout()
    again = await shop.plan()
    answer = await client.range(requests.range_below(options["prefix"]))
    parts = {one.key.decode().removeprefix(options["prefix"]).split("/")[2] for one in answer.kvs}

    assert (first.outcome, again.is_done) == ("succeeded", True)
    assert (await shop.state()).token > 0
    assert parts <= {"states", "snapshots", "installation-key", "epoch"}
    assert not [one for one in answer.kvs if one.lease]


async def test_a_limit_of_one_holds_between_rollouts(shop):
    trigger = Trigger(id="t", kind="manual", rollout=shop.name, actor="ann", received_at=NOW)
    async with shop.open() as one, shop.open() as other:
        spec = shop.load().spec
        another = spec.model_copy(update={"name": "another"})
        async with one.lock(spec, trigger):
            other.lock_wait = timedelta()
            with pytest.raises(LockHeld, match="'rollouts' of site"):
                async with other.lock(another, trigger):
                    pass
        async with other.lock(another, trigger) as lock:
            lock.check()


async def test_a_break_stays_on_record_though_the_next_run_finds_no_place(shop):
    await shop.rollout()
    trigger = Trigger(id="t", kind="manual", rollout=shop.name, actor="ann", received_at=NOW)
    async with shop.open() as one, shop.open() as other:
        spec = shop.load().spec
        service = await one.locks(spec)
        async with service.hold(shop.name, owner=AN_OWNER, wait=AT_ONCE):
            await service.release(shop.name, reason="it hangs")
        async with one.lock(spec.model_copy(update={"name": "another"}), trigger):
            other.lock_wait = timedelta()
            with pytest.raises(LockHeld, match=r"of another by ann"):
                async with other.lock(spec, trigger):
                    pass

    assert [entry.kind for entry in (await shop.state()).audit] == ["break"]


async def test_doctor_looks_at_every_member(shop, etcd):
    code, found = await run(shop, "doctor")
    levels = {one["subject"]: one["level"] for one in found["findings"]}

    assert code == 0
    assert levels[f"etcd {etcd.endpoints[0]}"] == "ok"
    assert (levels["store etcd"], levels["lock etcd"]) == ("ok", "ok")


async def test_doctor_says_which_etcd_does_not_answer(shop):
    wrong = shop.folder / "wrong.toml"
    text = (shop.folder / "site.toml").read_text()
    wrong.write_text(text.replace("endpoints = [", 'endpoints = ["127.0.0.1:1"] #'))
    code, found = await run(shop, "doctor", "--site", str(wrong))
    (bad,) = [one for one in found["findings"] if one["subject"] == "etcd 127.0.0.1:1"]

    assert (code, bad["level"]) == (3, "fail")
    assert "is it running" in bad["advice"]
    assert bad["text"].startswith("no answer")


async def test_locks_are_listed_and_broken(shop):
    async with open_site(start=shop.folder) as site:
        service = await site._bind("locks", "here")
        async with service.hold("shop", owner=AN_OWNER, wait=AT_ONCE) as lock:
            _, listed = await run(shop, "locks")
            code, broken = await run(shop, "locks", "--break", "shop", "--reason", "it hangs")
            await asyncio.wait_for(lock.lost.wait(), 10)

    assert [(one["key"], one["token"]) for one in listed["items"]] == [("shop", lock.token)]
    assert (code, broken["items"][0]["key"]) == (0, "shop")
