"""The action Job on a real control plane: good and bad ends, and a run that was killed."""

from __future__ import annotations

import asyncio
import json
import signal
import sys

import pytest

from rollwright.actions.job import Job
from rollwright.plugins.contracts import ActionRequest, GetRequest, ListRequest
from rollwright.rollouts.manifest import Manifest, ObjectRef, Origin, ref_of
from rollwright.rollouts.plan import Step
from rollwright.rollouts.report import Outcome

pytestmark = pytest.mark.cluster

KILLED = """
import asyncio, json, sys
from pathlib import Path
from rollwright.actions.job import Job
from rollwright.kube import connect
from rollwright.plugins.contracts import ActionRequest
from rollwright.rollouts.manifest import Manifest, Origin, ref_of
from rollwright.rollouts.plan import Step

async def main(kubeconfig, body):
    cluster = await connect(kubeconfig=Path(kubeconfig))
    manifest = Manifest(body=body, ref=ref_of(body), key="job.yaml", origin=Origin(file="job.yaml"))
    step = Step(name="schema", action="Job", changes=())
    await Job().run(ActionRequest(
        step=step, cluster=cluster, rollout="shop", run_id="run1", manifests=(manifest,),
        tell=lambda line: print(line, flush=True),
    ))

asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))
"""


@pytest.fixture
async def cluster(shop):
    async with shop.cluster() as cluster:
        yield cluster
        # The server's half of closing a watch comes before its next answer.
        for _ in range(3):
            await cluster.discover(refresh=True)


@pytest.fixture
def run(cluster, namespace):
    async def run(body, action=None, run_id="run1", **rest):
        manifest = placed(body, namespace)
        step = Step(name="schema", action="Job", changes=())
        request = ActionRequest(
            step=step, cluster=cluster, rollout="shop", run_id=run_id, manifests=(manifest,), **rest
        )
        return await (action or Job(timeout="60s")).run(request)

    return run


def placed(body, namespace):
    body = {**body, "metadata": {**body["metadata"], "namespace": namespace}}
    return Manifest(body=body, ref=ref_of(body), key="job.yaml", origin=Origin(file="job.yaml"))


async def jobs(cluster, namespace):
    found = await cluster.list(ListRequest(api_version="batch/v1", kind="Job", namespace=namespace))
    return {one.ref.name: one.uid for one in found if not one.is_being_deleted}


async def test_a_good_job_runs_once_for_each_run(run, make, cluster, namespace):
    first = await run(make.job("migrate"))
    before = await jobs(cluster, namespace)
    again = await run(make.job("migrate"))

    assert (first.outcome, again.outcome) == (Outcome.SUCCEEDED, Outcome.SUCCEEDED), first.message
    assert await jobs(cluster, namespace) == before
    assert list(before) == ["migrate-run1"]


async def test_the_job_of_the_run_before_goes_first(run, make, cluster, namespace):
    await run(make.job("migrate"))
    result = await run(make.job("migrate"), run_id="run2")

    assert result.outcome is Outcome.SUCCEEDED
    assert list(await jobs(cluster, namespace)) == ["migrate-run2"]


async def test_the_same_name_can_run_again(run, make, cluster, namespace):
    action = Job(name="same", timeout="60s")
    await run(make.job("migrate"), action)
    before = await jobs(cluster, namespace)
    result = await run(make.job("migrate"), action, run_id="run2")

    assert result.outcome is Outcome.SUCCEEDED
    after = await jobs(cluster, namespace)
    assert list(after) == ["migrate"]
    assert after != before


async def test_a_failing_job_says_why_and_its_log_is_kept(run, make):
    result = await run(make.job("migrate", "fail"))

    assert result.outcome is Outcome.FAILED
    assert "job failed 1 time" in result.message
    assert "its log ends" in result.message
    assert any("kwok plays this pod" in text for text in result.logs.values())


async def test_a_job_out_of_memory_says_so(run, make):
    result = await run(make.job("migrate", "oom"))

    assert result.outcome is Outcome.FAILED
    assert "OOMKilled" in result.message or "memory" in result.message


async def test_a_job_that_fits_nowhere_runs_out_of_time(run, make):
    pod = {
        "restartPolicy": "Never",
        "containers": [
            {
                "name": "main", "image": "shop/job:1",
                "resources": {"requests": {"cpu": "9999"}},
            }
        ],
    }  # fmt: skip
    result = await run(make.job("greedy", template={"spec": pod}), Job(timeout="4s"))

    assert result.outcome is Outcome.TIMED_OUT
    assert "not done within 4s" in result.message
    assert "cpu" in result.message


async def test_a_job_that_somebody_deletes_has_failed(run, make, cluster, namespace, kubectl):
    told = asyncio.Event()
    running = asyncio.ensure_future(
        run(make.job("migrate", "never-ready", suspend=True), tell=lambda _line: told.set())
    )
    await asyncio.wait_for(told.wait(), 30)
    await asyncio.to_thread(kubectl, "-n", namespace, "delete", "job", "migrate-run1")
    result = await asyncio.wait_for(running, 30)

    assert result.outcome is Outcome.FAILED
    assert "was deleted before it had ended" in result.message


async def test_a_finished_job_goes_if_asked(run, make, cluster, namespace):
    result = await run(make.job("migrate"), Job(deletePolicy="onSuccess", timeout="60s"))

    assert result.outcome is Outcome.SUCCEEDED
    assert await jobs(cluster, namespace) == {}


async def test_a_run_that_was_killed_goes_on_with_its_own_job(
    run, make, cluster, namespace, sandbox
):
    body = dict(placed(make.job("migrate", suspend=True), namespace).body)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, str(sandbox.kubeconfig), json.dumps(body),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert b"runs" in await asyncio.wait_for(process.stdout.readline(), 60)
    process.send_signal(signal.SIGKILL)
    await process.communicate()
    before = await jobs(cluster, namespace)
    ref = ObjectRef("batch", "Job", namespace, "migrate-run1")
    live = await cluster.get(GetRequest(ref=ref, api_version="batch/v1"))
    await cluster.replace({**live.body, "spec": {**live.body["spec"], "suspend": False}})
    result = await run(make.job("migrate", suspend=True))

    assert result.outcome is Outcome.SUCCEEDED, result.message
    assert await jobs(cluster, namespace) == before
