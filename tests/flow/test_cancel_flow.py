"""A flow run that is cancelled: between writes, with its journal closed; and a server that goes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys

import pytest

from rollwright import library
from rollwright.engine.site import open_site

pytestmark = [
    pytest.mark.flow,
    pytest.mark.cluster,
    pytest.mark.slow,
    # Prefect leaves connections to its server to the garbage collector when a loop ends.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.usefixtures("server", "site"),
]

NEVER_READY = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, sandbox.rollwright.dev/behavior: never-ready}}
    spec: {containers: [{name: web, image: example.com/web:1}]}
"""
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {key: value}\n"
PATIENCE = 120


async def until_journal(folder):
    """Wait until the run has begun to write."""
    loaded = library.load(folder)
    async with asyncio.timeout(PATIENCE), open_site(loaded) as site:
        store = await site.store(loaded.spec)
        while True:
            state = await store.load(loaded.spec.name)
            if state is not None and state.journal is not None:
                return
            await asyncio.sleep(0.1)


async def until_waiting(folder, kubectl, namespace):
    await until_journal(folder)
    async with asyncio.timeout(PATIENCE):
        while "deployment" not in kubectl("get", "deployments", "-n", namespace, "-o", "name"):
            await asyncio.sleep(0.1)


async def remembered(folder):
    loaded = library.load(folder)
    async with open_site(loaded) as site:
        return await (await site.store(loaded.spec)).load(loaded.spec.name)


async def test_a_cancel_reaches_a_run_without_a_worker(
    declare, namespace, rollout, record, kubectl
):
    from prefect import get_client
    from prefect.states import Cancelling

    folder = declare(namespace, namespace, NEVER_READY)
    running = asyncio.create_task(rollout(str(folder), return_state=True))
    await until_waiting(folder, kubectl, namespace)
    state = await remembered(folder)
    flow_run = state.journal.url.rsplit("/", 1)[1]
    async with get_client() as client:
        await client.set_flow_run_state(flow_run, Cancelling(), force=True)
    ended = await asyncio.wait_for(running, PATIENCE)

    state = await remembered(folder)
    assert (ended.type, ended.name) == ("CANCELLED", "Cancelled")
    assert (state.journal, state.last.outcome) == (None, "cancelled")
    assert (await record.flow_run(flow_run))["state_type"] == "CANCELLED"


PROGRAM = """\
import asyncio, sys
from rollwright.flows import rollout
state = asyncio.run(rollout(sys.argv[1], return_state=True))
print("ended", state.type.value, state.name, flush=True)
"""


async def start(folder, api):
    environment = {**os.environ, "PREFECT_API_URL": api, "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "0"}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, str(folder), env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def test_sigterm_stops_after_the_write_and_closes_the_journal(declare, namespace, kubectl):
    from prefect.settings import PREFECT_API_URL

    folder = declare(namespace, namespace, NEVER_READY)
    process = await start(folder, PREFECT_API_URL.value())
    try:
        await until_waiting(folder, kubectl, namespace)
        process.send_signal(signal.SIGTERM)
        out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()

    state = await remembered(folder)
    assert b"ended CANCELLED Cancelled" in out, err.decode()[-2000:]
    assert (state.journal, state.last.outcome) == (None, "cancelled")


async def test_a_run_whose_words_nobody_reads_comes_to_its_end(declare, namespace, kubectl):
    """As of a worker that was killed; Prefect's console would end the process."""
    from prefect.settings import PREFECT_API_URL

    more = "  health: {timeout: 3s}\n"
    folder = declare(namespace, namespace, NEVER_READY, more=more)
    process = await start(folder, PREFECT_API_URL.value())
    await until_waiting(folder, kubectl, namespace)
    for pipe in (1, 2):
        process._transport.get_pipe_transport(pipe).close()
    await asyncio.wait_for(process.wait(), PATIENCE)

    state = await remembered(folder)
    assert (state.journal, state.last.outcome) == (None, "timed-out")


async def test_a_server_that_goes_does_not_keep_a_rollout_from_its_end(
    declare, namespace, kubectl, prepared_home
):
    from rollwright.flows import start_local_server

    more = "  health: {timeout: 6s, progressTimeout: 5s}\n"
    folder = declare(namespace, namespace, NEVER_READY, CONFIG, more=more)
    with start_local_server(prepared_home) as server:
        process = await start(folder, server.url)
        try:
            await until_waiting(folder, kubectl, namespace)
            await asyncio.to_thread(server.stop)
            # NB: Prefect alone would go on for minutes, and its process for longer.
            lines = [await asyncio.wait_for(said(process, b"is missing in its record"), PATIENCE)]
            state = await remembered(folder)
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    live = json.loads(kubectl("get", "configmap", "a", "-n", namespace, "-o", "json"))
    assert lines
    assert live["data"] == {"key": "value"}
    assert (state.journal, state.last.outcome) == (None, "failed")


async def said(process, words):
    """Read what the process says until it says this."""
    async for line in process.stderr:
        if words in line:
            return line
    raise AssertionError("it ended without a word of it")
