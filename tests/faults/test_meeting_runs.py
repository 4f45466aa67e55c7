"""Runs that meet, stores that refuse, a server that restarts."""

from __future__ import annotations

import asyncio
from pathlib import Path
from runpy import run_path

import pytest

from rollwright.sandbox import up
from rollwright.testing.http import status
from rollwright.testing.proxy import FaultProxy
from rollwright.testing.sandbox import namespace_name

HERE = Path(__file__).parent

REFUSING = {
    "conflict": status(409, reason="Conflict", message="the object has been modified"),
    "forbidden": status(403, reason="Forbidden", message="quota of the store"),
    "too-large": status(413, reason="RequestEntityTooLarge", message="request is too large"),
}


@pytest.mark.parametrize("number", range(3))
async def test_of_two_runs_at_once_one_goes_after_the_other(
    number, new_scene, runner, second_runner, look
):
    scene = new_scene({"use": "lease", "ttl": "5s", "renewEvery": "1s"})
    await runner.run("rollout", scene.first().shop.folder)
    folder = scene.second().shop.folder

    ended = await asyncio.gather(
        runner.run("rollout", folder), second_runner.run("rollout", folder)
    )

    seen = await look(scene)
    outcomes = sorted(one.outcome for one in ended)
    assert outcomes in (["Refused", "succeeded"], ["succeeded", "succeeded"]), ended[0].answer
    assert seen.inventory == seen.uids
    assert seen.journal is None
    del number


def writes_state(passing):
    return passing.is_write and "/secrets" in passing.path and "rollwright" in passing.path


@pytest.mark.parametrize("name", REFUSING)
@pytest.mark.parametrize("write", [1, 2])
async def test_a_store_that_refuses_stops_the_run_and_the_next_one_goes_on(
    name, write, new_scene, runner, proxy, look
):
    scene = new_scene()
    await runner.run("rollout", scene.first().shop.folder)
    writes = []

    def refuse(passing):
        if writes_state(passing):
            writes.append(passing)
            return REFUSING[name] if len(writes) >= write else None
        return None

    proxy.trouble = refuse
    refused = await runner.run("rollout", scene.second().shop.folder)
    proxy.reset()

    ended = await runner.run("rollout", scene.shop.folder)

    seen = await look(scene)
    assert refused.outcome != "succeeded"
    assert ended.outcome == "succeeded", ended.answer
    assert seen.inventory == seen.uids
    assert seen.journal is None


@pytest.fixture(scope="module")
def own_sandbox():
    with up("faults", ephemeral=True, on_progress=lambda _text: None) as started:
        yield started


@pytest.mark.parametrize("component", ["kube-apiserver", "etcd"])
async def test_a_server_that_is_killed_and_comes_back_only_costs_time(
    component, own_sandbox, tmp_path, runner, look
):
    scene_of = run_path(str(HERE / "conftest.py"))["Scene"]
    sandbox = own_sandbox
    name = namespace_name("restart")
    api = sandbox.api()
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    api.call("POST", "/api/v1/namespaces", body)
    api.close()
    async with FaultProxy(sandbox.kubeconfig) as proxy:
        through = proxy.write_kubeconfig(tmp_path / "kubeconfig")
        scene = scene_of(tmp_path / "shop", name, through)
        fallen = asyncio.Event()

        async def fall(passing):
            if passing.is_write and "deployments" in passing.path and not fallen.is_set():
                fallen.set()
                await asyncio.to_thread(sandbox.kill, component)
                await asyncio.to_thread(sandbox.revive)

        proxy.before = fall

        ended = await runner.run("rollout", scene.first().shop.folder)

        assert fallen.is_set()
        assert ended.outcome == "succeeded", ended.answer


@pytest.mark.parametrize("seconds", [86_400, -86_400], ids=["forward", "back"])
async def test_a_wall_clock_that_jumps_does_not_matter(seconds, new_scene, runner, look):
    scene = new_scene({"use": "lease", "ttl": "3s", "renewEvery": "500ms"})

    jumped = await runner.run("rollout", scene.first().shop.folder, jump=seconds)

    after = await runner.run("rollout", scene.second().shop.folder)
    seen = await look(scene)
    assert [jumped.outcome, after.outcome] == ["succeeded"] * 2, (jumped.answer, after.answer)
    assert seen.inventory == seen.uids
