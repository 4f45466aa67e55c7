"""A real server on this machine: a run and its report are there; it starts, says no, and ends."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta

import httpx
import pytest

from rollwright.errors import Unreachable
from rollwright.flows.server import LocalServer, reporting_to, start_local_server

pytestmark = [
    pytest.mark.flow,
    pytest.mark.slow,
    pytest.mark.usefixtures("prefect_home"),
    # Prefect leaves connections to its server to the garbage collector when a loop ends.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]

KINDS = ["diff", "plan", "result", "timeline"]
"""Artifacts of a run."""

OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {key: '1'}\n"


@pytest.fixture(scope="module")
def local(prepared_home):
    with start_local_server(prepared_home) as running:
        yield running


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_list_of_deployments_with_explicit_nulls_is_answered(local):
    body = {"flows": None, "deployments": None}
    answer = httpx.post(f"{local.url}/deployments/filter", json=body)

    assert (answer.status_code, answer.json()) == (200, [])


def test_the_pages_are_served(local):
    answer = httpx.get(local.ui_url, follow_redirects=True)

    assert answer.text.startswith("<!DOCTYPE html>")


def test_it_tells_others_nothing_and_advertises_nothing(local):
    server = httpx.get(f"{local.url}/admin/settings").json()["server"]

    assert server["analytics_enabled"] is False
    assert server["ui"]["v2_enabled"] is False
    assert server["ui"]["show_promotional_content"] is False


def test_a_page_of_another_site_may_not_use_it(local):
    answer = httpx.get(f"{local.url}/health", headers={"Origin": "http://example.com"})

    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.cluster
@pytest.mark.usefixtures("site")
async def test_a_run_and_its_report_are_read_from_the_server(local, declare, namespace):
    from rollwright.flows import rollout

    folder = declare(namespace, namespace, OBJECT)
    with reporting_to(local.url):
        state = await rollout(str(folder), return_state=True)
    run_id = str(state.state_details.flow_run_id)
    run = httpx.get(f"{local.url}/flow_runs/{run_id}").json()
    body = {"flow_runs": {"id": {"any_": [run_id]}}}
    artifacts = httpx.post(f"{local.url}/artifacts/filter", json=body).json()

    name, _, revision = run["name"].partition(" @ ")
    assert (name, run["state_name"]) == (f"rollout {namespace} -> here", "RolledOut")
    assert revision.startswith("path@sha256:")
    assert sorted(one["key"].split("-")[0] for one in artifacts) == KINDS


@pytest.mark.cluster
@pytest.mark.usefixtures("site", "server")
async def test_each_server_hears_of_its_own_runs(local, declare, namespace, rollout, record):
    folder = declare(namespace, namespace, OBJECT)
    before = await rollout(str(folder), return_state=True)
    with reporting_to(local.url):
        await rollout(str(folder), return_state=True)
    after = await rollout(str(folder), return_state=True)
    found = [
        len(await record.task_runs(state.state_details.flow_run_id, count))
        for state, count in ((before, 10), (after, 7))
    ]

    assert found == [10, 7]


@pytest.mark.cluster
@pytest.mark.usefixtures("site")
async def test_task_runs_and_logs_arrive_although_the_process_goes_on(
    local, declare, namespace, client_of
):
    from rollwright.flows import rollout

    folder = declare(namespace, namespace, OBJECT)
    with reporting_to(local.url):
        state = await rollout(str(folder), return_state=True)
    run = state.state_details.flow_run_id
    async with client_of(local.url) as there:
        names = {one["name"] for one in await there.task_runs(run, 10)}
        logs = await there.logs(run, "Finished in state RolledOut")

    assert {"render", "apply-0", "feedback"} <= names
    assert any(line.startswith("apply-0: 1 created") for line in logs)


async def test_stopping_ends_the_process_and_leaves_no_temporary_folder(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    home = tmp_path / "home"
    home.mkdir()
    async with LocalServer(url="", ui_url="", home=home, process=process, is_temporary=True):
        pass

    assert not is_running(process.pid)
    assert not home.exists()


def test_a_server_that_does_not_answer_in_time_is_ended_and_told(tmp_path):
    with pytest.raises(Unreachable, match="does not answer in time"):
        start_local_server(tmp_path, timeout=timedelta(0))


def test_a_server_that_cannot_start_is_told_with_its_last_words(tmp_path):
    (tmp_path / "prefect.db").mkdir()

    with pytest.raises(Unreachable, match="ended with code 3") as caught:
        start_local_server(tmp_path)

    assert "server.log" in str(caught.value.hint)


def test_the_settings_of_the_user_are_left_alone(prefect_home):
    from prefect.settings import PREFECT_API_URL

    before = PREFECT_API_URL.value()
    with reporting_to("http://127.0.0.1:1/api"):
        within = PREFECT_API_URL.value()

    assert (within, PREFECT_API_URL.value()) == ("http://127.0.0.1:1/api", before)
