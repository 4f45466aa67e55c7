"""Runs of triggers as flow runs: started once, found again, ended as the worker says."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from rollwright.engine.listening.pending import Pending, keep
from rollwright.engine.listening.service import make_service
from rollwright.engine.operations import named_spec
from rollwright.engine.progress import Note
from rollwright.engine.site import open_site
from rollwright.errors import NotFound
from rollwright.flows.dispatching import PrefectRunner, prefect_runner
from rollwright.plugins.contracts import Firing

pytestmark = [
    pytest.mark.flow,
    # Prefect leaves connections to its server to the garbage collector when a loop ends.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]


@pytest.fixture
async def deployment(server, record):
    """A deployment whose runs nobody takes, but the test."""
    flow = await record.ask("/flows/", name="rollout")
    name = f"by-hand-{datetime.now(UTC).timestamp()}".replace(".", "-")
    made = await record.ask("/deployments/", name=name, flow_id=flow["id"], paused=False)
    return made["id"], f"rollout/{name}"


@pytest.fixture
def service(tmp_path, monkeypatch):
    monkeypatch.setattr("rollwright.flows.dispatching.FIRST_LOOK", 0.02)
    (tmp_path / "site.toml").write_text(
        '[stores.default]\nuse = "memory"\n[locks.default]\nuse = "memory"\n'
    )
    folder = tmp_path / "rollouts" / "shop"
    folder.mkdir(parents=True)
    document = {
        "apiVersion": "rollwright.dev/v1alpha1", "kind": "Rollout", "metadata": {"name": "shop"},
        "spec": {"source": {"path": "."}, "triggers": [{"name": "go", "use": "oneoff"}]},
    }  # fmt: skip
    (folder / "rollout.yaml").write_text(json.dumps(document))
    return make_service(open_site(start=tmp_path))


def a_pending(id_="push-1", **more):
    given = {"instance": "shop", "rollout": "shop", "cluster": "", "trigger": "go", "kind": "git"}
    firing = Firing(id=id_, config={"secret": "hush"}, data={"rows": [1]})
    return Pending(**{**given, "at": datetime.now(UTC), "firing": firing, **more})


class Worker:
    """Ends flow runs as a test says."""

    def __init__(self, record, deployment_id):
        self.record, self.deployment_id = record, deployment_id

    async def runs(self):
        wanted = {"id": {"any_": [self.deployment_id]}}
        found = await self.record.ask("/flow_runs/filter", deployments=wanted)
        return sorted(found, key=lambda one: one["created"])

    async def next_run(self, count=1):
        async with asyncio.timeout(20):
            while len(found := await self.runs()) < count:
                await asyncio.sleep(0.02)
        return found[count - 1]

    async def put(self, run, type_, name="", message=""):
        state = {"type": type_, "name": name or type_.title(), "message": message}
        await self.record.ask(f"/flow_runs/{run['id']}/set_state", state=state, force=True)


@pytest.fixture
def worker(record, deployment):
    return Worker(record, deployment[0])


@pytest.fixture
def runner(service, deployment):
    return PrefectRunner(service.site, service.declared.rollouts, deployment[1])


@asynccontextmanager
async def running(runner, pending, idle=lambda _is_idle: None):
    task = asyncio.create_task(runner.run(pending, at="cluster", idle=idle))
    try:
        yield task
        async with asyncio.timeout(20):
            await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_parameters_are_names_and_never_what_a_trigger_brought(runner, worker):
    async with running(runner, a_pending()):
        run = await worker.next_run()
        await worker.put(run, "COMPLETED")

    assert run["parameters"] == {
        "file": "rollouts/shop/rollout.yaml",
        "pending": "shop",
        "trigger": "push-1:shop",
        "at": "cluster",
    }
    assert run["idempotency_key"] == f"{worker.deployment_id}:push-1:shop"
    assert run["tags"] == ["trigger:go"]


@pytest.mark.parametrize(
    ("type_", "name", "outcome", "is_good", "again"),
    [
        ("COMPLETED", "RolledOut", "succeeded", True, True),
        ("COMPLETED", "NoChange", "succeeded", True, True),
        ("COMPLETED", "Superseded", "superseded", True, True),
        ("FAILED", "Failed", "failed", False, True),
        ("FAILED", "NotReady", "timed-out", False, True),
        ("FAILED", "Busy", "failed", False, True),
        ("FAILED", "Refused", "refused", False, False),
        ("FAILED", "Held", "refused", False, False),
        ("CRASHED", "Crashed", "failed", False, True),
        ("CANCELLED", "Cancelled", "cancelled", False, False),
    ],
)
async def test_the_queue_knows_how_it_ended(runner, worker, type_, name, outcome, is_good, again):
    async with running(runner, a_pending()) as task:
        await worker.put(await worker.next_run(), type_, name, "because")
        how = await task

    assert (how.outcome, how.is_good, how.again) == (outcome, is_good, again)
    assert how.message == "because"


async def test_a_listener_that_starts_anew_waits_for_the_same_run(service, runner, worker):
    async with running(runner, a_pending()) as task:
        run = await worker.next_run()
        service.site.stop.set()
        left = await task
    service.site.stop.clear()
    other = PrefectRunner(service.site, runner.rollouts, runner.deployment)
    async with running(other, a_pending()) as task:
        await worker.put(run, "COMPLETED", "RolledOut")
        how = await task

    assert (left.outcome, left.is_settled) == ("cancelled", False)
    assert (how.outcome, len(await worker.runs())) == ("succeeded", 1)


async def test_a_run_that_ended_while_nobody_listened_is_not_run_twice(runner, worker):
    async with running(runner, a_pending()):
        await worker.put(await worker.next_run(), "COMPLETED", "RolledOut")
    other = PrefectRunner(runner.site, runner.rollouts, runner.deployment)
    async with running(other, a_pending()) as task:
        how = await task

    assert (how.outcome, len(await worker.runs())) == ("succeeded", 1)


async def test_another_try_is_another_run(runner, worker):
    async with running(runner, a_pending()):
        await worker.put(await worker.next_run(), "FAILED")
    async with running(runner, a_pending()) as task:
        again = await worker.next_run(2)
        await worker.put(again, "COMPLETED")
        how = await task

    assert how.is_good
    assert again["idempotency_key"] == f"{worker.deployment_id}:push-1:shop:1"


async def test_another_try_after_a_restart_is_another_run(runner, worker):
    async with running(runner, a_pending()):
        await worker.put(await worker.next_run(), "CRASHED")
    other = PrefectRunner(runner.site, runner.rollouts, runner.deployment)
    async with running(other, a_pending()) as task:
        await worker.put(await worker.next_run(2), "COMPLETED")

    assert (await task).is_good


async def test_a_run_that_was_cancelled_while_nobody_listened_is_not_made_again(runner, worker):
    async with running(runner, a_pending()):
        await worker.put(await worker.next_run(), "CANCELLED")
    other = PrefectRunner(runner.site, runner.rollouts, runner.deployment)
    async with running(other, a_pending()) as task:
        how = await task

    assert (how.outcome, how.again, len(await worker.runs())) == ("cancelled", False, 1)


async def test_a_run_that_was_held_is_made_again(runner, worker):
    async with running(runner, a_pending()) as task:
        await worker.put(await worker.next_run(), "FAILED", "Held")
        held = await task
    other = PrefectRunner(runner.site, runner.rollouts, runner.deployment)
    async with running(other, a_pending()):
        await worker.put(await worker.next_run(2), "COMPLETED")

    assert (held.is_held, held.cause) == (True, "Held")


async def test_a_run_that_a_limit_cancelled_is_tried_again(runner, worker):
    async with running(runner, a_pending()) as task:
        run = await worker.next_run()
        await worker.put(run, "CANCELLED", message="Deployment concurrency limit reached.")
        how = await task

    assert (how.outcome, how.again) == ("failed", True)


async def test_a_run_that_was_deleted_is_tried_again(runner, worker):
    async with running(runner, a_pending()) as task:
        run = await worker.next_run()
        (await worker.record.client.delete(f"/flow_runs/{run['id']}")).raise_for_status()
        how = await task

    assert (how.outcome, how.again) == ("failed", True)
    assert "was deleted before it ended" in how.message


@pytest.fixture
async def pool(worker):
    """A pool of the deployment; give its path."""
    name = f"pool-{worker.deployment_id}"
    made = await worker.record.ask("/work_pools/", name=name, type="process")
    client = worker.record.client
    changed = {"work_pool_name": made["name"], "work_queue_name": "default"}
    (await client.patch(f"/deployments/{worker.deployment_id}", json=changed)).raise_for_status()
    yield f"/work_pools/{name}"
    await client.delete(f"/work_pools/{name}")


async def told_of(runner, worker, monkeypatch):
    """Return what is told of a run that nobody takes."""
    monkeypatch.setattr("rollwright.flows.dispatching.WORKER_SECONDS", -1.0)
    heard: list[Note] = []
    runner.site.tell = heard.append
    async with running(runner, a_pending()):
        run = await worker.next_run()
        async with asyncio.timeout(20):
            while not heard:
                await asyncio.sleep(0.02)
        await worker.put(run, "COMPLETED")
    [note] = heard
    return note.text


async def test_a_run_without_a_pool_is_told(runner, worker, monkeypatch):
    assert "no work pool" in await told_of(runner, worker, monkeypatch)


async def test_a_run_whose_worker_is_away_is_told(runner, worker, pool, monkeypatch):
    words = await told_of(runner, worker, monkeypatch)

    assert "is online: prefect worker start --pool pool-" in words


async def test_a_run_of_a_paused_pool_is_told(runner, worker, pool, monkeypatch):
    (await worker.record.client.patch(pool, json={"is_paused": True})).raise_for_status()

    assert "is paused: prefect work-pool resume pool-" in await told_of(runner, worker, monkeypatch)


async def test_a_run_of_a_paused_queue_is_told(runner, worker, pool, monkeypatch):
    change = {"is_paused": True}
    client = worker.record.client
    (await client.patch(f"{pool}/queues/default", json=change)).raise_for_status()

    assert "its queue is paused: prefect work-queue resume default" in await told_of(
        runner, worker, monkeypatch
    )


async def test_a_run_that_waits_for_a_person_gives_its_place_back(runner, worker):
    heard: list[bool] = []
    async with running(runner, a_pending(), heard.append):
        run = await worker.next_run()
        await worker.put(run, "PAUSED", "Suspended")
        async with asyncio.timeout(20):
            while not heard:
                await asyncio.sleep(0.02)
        await worker.put(run, "RUNNING")
        async with asyncio.timeout(20):
            while len(heard) < 2:
                await asyncio.sleep(0.02)
        await worker.put(run, "COMPLETED")

    assert heard == [True, False]


async def test_a_deployment_that_is_not_there_is_told(service, server):
    runner = PrefectRunner(service.site, service.declared.rollouts, "rollout/nowhere")
    how = await runner.run(a_pending(), at="", idle=lambda _is_idle: None)

    assert "no deployment 'rollout/nowhere'" in how.message
    assert how.again


async def test_a_server_that_is_away_leaves_it_to_the_queue(service, server, unused_tcp_port):
    from prefect.settings import PREFECT_API_URL, temporary_settings

    runner = PrefectRunner(service.site, service.declared.rollouts, "rollout/rollout")
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{unused_tcp_port}/api"}):
        how = await runner.run(a_pending(), at="", idle=lambda _is_idle: None)

    assert (how.outcome, how.again, how.cause) == ("failed", True, "Unreachable")


async def test_a_rollout_that_is_gone_starts_nothing(runner, worker):
    pending = a_pending(rollout="lost", instance="lost")
    how = await runner.run(pending, at="", idle=lambda _is_idle: None)

    assert (how.outcome, how.again, await worker.runs()) == ("gone", False, [])


def test_without_a_server_it_is_refused_at_once(service, monkeypatch, tmp_path):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    with pytest.raises(NotFound, match="no Prefect server is configured"):
        prefect_runner(service, "rollout/rollout")


@pytest.mark.parametrize("name", ["rollout", "a/b/c", "/rollout", "rollout/"])
def test_a_name_that_is_none_is_refused_at_once(service, monkeypatch, name):
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    with pytest.raises(NotFound, match="names no deployment"):
        prefect_runner(service, name)


# ---------------------------------------------------------------- the flow's side

OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {key: '1'}\n"


async def noted(folder, pending):
    async with open_site(start=folder) as site:
        await keep(site, pending)


@pytest.mark.cluster
async def test_the_flow_runs_what_is_noted_under_the_instance_s_name(
    site, namespace, declare, rollout
):
    folder = declare(namespace, namespace, OBJECT)
    await noted(folder, a_pending(instance=f"{namespace}-a", cluster="here"))
    report = await rollout(str(folder), pending=f"{namespace}-a", trigger=f"push-1:{namespace}-a")

    assert (report.rollout, report.trigger.kind) == (f"{namespace}-a", "git")
    assert report.trigger.id == f"push-1:{namespace}-a"


@pytest.mark.cluster
async def test_a_request_that_a_newer_one_replaced_makes_way(site, namespace, declare, rollout):
    folder = declare(namespace, namespace, OBJECT)
    await noted(folder, a_pending("push-2", instance=namespace, cluster="here"))
    state = await rollout(
        str(folder), pending=namespace, trigger=f"push-1:{namespace}", return_state=True
    )

    assert (state.type.value, state.name) == ("COMPLETED", "Superseded")


@pytest.mark.cluster
async def test_a_request_that_is_not_noted_any_more_needs_no_run(site, namespace, declare, rollout):
    folder = declare(namespace, namespace, OBJECT)
    state = await rollout(
        str(folder), pending=namespace, trigger=f"push-1:{namespace}", return_state=True
    )

    assert (state.name, state.message) == (
        "Superseded",
        f"{namespace}: nothing is asked for any more",
    )


@pytest.mark.cluster
async def test_an_instance_whose_resource_is_gone_is_removed(site, namespace, declare, rollout):
    folder = declare(namespace, namespace, OBJECT)
    await noted(folder, a_pending(instance=f"{namespace}-a", cluster="here"))
    await rollout(str(folder), pending=f"{namespace}-a", trigger=f"push-1:{namespace}-a")
    gone = Firing(id="push-2", is_gone=True)
    await noted(folder, a_pending(instance=f"{namespace}-a", cluster="here", firing=gone))
    state = await rollout(
        str(folder), pending=f"{namespace}-a", trigger=f"push-2:{namespace}-a", return_state=True
    )
    async with open_site(start=folder) as opened:
        store = await opened.store(named_spec(f"{namespace}-a", "here"))
        left = await store.load(f"{namespace}-a")

    assert (state.type.value, left) == ("COMPLETED", None)
