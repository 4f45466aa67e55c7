"""``rollwright prefect``: server and worker in the background, and what they do with runs.

The run that is killed first is looked at last: its crash is noticed meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from rollwright import library
from rollwright.cli import main
from rollwright.cli.prefect_checkup import prefect_findings
from rollwright.engine.site import open_site
from rollwright.errors import InvalidSpec
from rollwright.flows import installing, local
from rollwright.flows.processes import children, end
from rollwright.sandbox.record import boot_id

pytestmark = [
    pytest.mark.flow,
    pytest.mark.slow,
    pytest.mark.cluster,
    # Prefect leaves connections to its server to the garbage collector when a loop ends.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]

NEVER_READY = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, sandbox.rollwright.dev/behavior: never-ready}}
    spec: {containers: [{name: web, image: "web:1"}]}
"""
OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {key: '1'}\n"
PATIENCE = 150  # seconds: three heartbeats, and a busy machine


@pytest.fixture
def state(background, background_state, monkeypatch):
    """The state folder of what runs in the background."""
    monkeypatch.setenv("XDG_STATE_HOME", str(background_state))
    return local.state_folder()


class Api:
    """Prefect's API, asked until an answer holds."""

    def __init__(self, url: str) -> None:
        # The server hangs up on connections that wait.
        limits = httpx.Limits(max_keepalive_connections=0)
        self.http = httpx.Client(base_url=url, timeout=30, limits=limits)

    def ask(self, path: str, rows=None, **body):
        answer = self.http.post(path, json=rows or body)
        for _ in range(9):
            if answer.status_code != 503:
                break  # sqlite is busy now and then
            answer = self.http.post(path, json=rows or body)
        assert answer.status_code < 400, answer.text
        return answer.json()

    def deployment(self, name: str):
        return self.http.get(f"/deployments/name/{name}").raise_for_status().json()

    def start(self, deployment: str, key: str = "", **parameters):
        return self.ask(
            f"/deployments/{deployment}/create_flow_run",
            parameters=parameters,
            idempotency_key=key or None,
        )["id"]

    def state_of(self, run: str) -> str:
        return str(self.http.get(f"/flow_runs/{run}").json()["state_type"])

    async def until(self, ask, holds, seconds: float = 60):
        async with asyncio.timeout(seconds):
            while not holds(answer := ask()):
                await asyncio.sleep(0.2)
        return answer


@pytest.fixture(scope="module")
def api(background):
    made = Api(background.url)
    with made.http:
        yield made


@pytest.fixture(scope="module")
def victim(background, api):
    """A worker of a pool of its own, with one deployment; the worker is killed by the test."""
    template = api.http.get(f"/work_pools/{installing.POOL}").json()["base_job_template"]
    api.ask("/work_pools/", name="victim", type="process", base_job_template=template)
    like = api.deployment("rollout/rollout")
    kept = ("flow_id", "entrypoint", "pull_steps", "parameter_openapi_schema")
    made = api.ask(
        "/deployments/", name="victim", work_pool_name="victim", **{key: like[key] for key in kept}
    )
    home = Path(background.root) / "victim"
    root = Path(background.root)
    words = ["worker", "start", "--pool", "victim", "--type", "process"]
    with (root / "victim.log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "prefect", "--no-prompt", *words, "--install-policy", "never"],
            env=installing.environment(root, installing.client_settings(background.url, home)),
            cwd=root, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    yield made["id"], worker
    for child in children(worker.pid):
        child.send(signal.SIGKILL)
    worker.kill()
    worker.wait()


@pytest.fixture(scope="module")
def schedule(api):
    """A deployment with a schedule."""
    drift = api.deployment("drift/drift")["id"]
    schedule = {"schedule": {"cron": "17 * * * *", "timezone": "UTC"}, "active": True}
    api.ask(f"/deployments/{drift}/schedules", [schedule])
    return drift


KILLED: list[str] = []


def declare(background, name, namespace, *texts):
    folder = Path(background.root) / "rollouts" / name
    (folder / "manifests").mkdir(parents=True)
    for number, text in enumerate(texts):
        (folder / "manifests" / f"{number}.yaml").write_text(text)
    (folder / "rollout.yaml").write_text(
        "apiVersion: rollwright.dev/v1alpha1\nkind: Rollout\n"
        f"metadata: {{name: {name}}}\nspec:\n  source: {{path: manifests}}\n"
        f"  target: {{cluster: here, namespace: {namespace}}}\n"
    )
    return f"rollouts/{name}"


@pytest.mark.usefixtures("schedule")  # its runs come meanwhile
async def test_a_run_and_its_worker_are_killed(background, api, victim, namespace):
    deployment, worker = victim
    file = declare(background, "killed", namespace, NEVER_READY)
    run = api.start(deployment, file=file)

    def beats():
        wanted = {
            "event": {"name": ["prefect.flow-run.heartbeat"]},
            "resource": {"id": [f"prefect.flow-run.{run}"]},
        }
        return api.ask("/events/filter", filter=wanted)["events"]

    await api.until(beats, bool)
    for process in children(worker.pid):
        process.send(signal.SIGKILL)
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    KILLED.append(run)

    assert api.state_of(run) == "RUNNING"


def test_every_standard_flow_is_deployed(background, api):
    found = {one["name"] for one in api.ask("/deployments/filter")}

    assert set(background.deployments) == {"rollout", "plan", "drift", "rollback", "fan-out"}
    assert set(background.deployments) <= found


async def test_a_run_that_is_started_on_the_server_is_carried_out(
    background, api, namespace, kubectl
):
    file = declare(background, "started", namespace, OBJECT)
    run = api.start(api.deployment("rollout/rollout")["id"], file=file)
    await api.until(lambda: api.state_of(run), lambda state: state in {"COMPLETED", "FAILED"})

    assert api.http.get(f"/flow_runs/{run}").json()["state_name"] == "RolledOut"
    assert "configmap/a" in kubectl("-n", namespace, "get", "configmap", "-o", "name")


def test_one_key_gives_one_run(api):
    plan = api.deployment("plan/plan")["id"]
    runs = {api.start(plan, key="delivery-1", file="rollouts/none") for _ in range(2)}
    count = api.ask("/flow_runs/count", deployments={"id": {"any_": [plan]}})

    assert (len(runs), count) == (1, 1)


async def test_a_schedule_creates_runs(api, schedule):
    wanted = {"deployments": {"id": {"any_": [schedule]}}, "limit": 5}
    runs = await api.until(lambda: api.ask("/flow_runs/filter", **wanted), bool)

    assert {(one["auto_scheduled"], one["state_type"]) for one in runs} == {(True, "SCHEDULED")}


async def test_doctor_finds_all_well(background, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", background.url)

    assert [(one.subject, one.level) for one in await prefect_findings()] == [
        ("prefect server", "ok"),
        ("prefect settings", "ok"),
        ("prefect worker", "ok"),
        ("prefect automation", "ok"),
    ]


async def test_doctor_tells_a_server_that_does_not_answer(monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    [found] = await prefect_findings()

    assert (found.is_unreachable, found.subject) == (True, "prefect server")


async def test_doctor_without_a_server_says_so_and_no_more(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    [found] = await prefect_findings()

    assert (found.level, found.text) == ("ok", "none is configured; runs go without it")


async def test_installing_again_changes_nothing(background, api):
    before = api.ask("/automations/filter")
    await installing.install(background.url)
    after = api.ask("/automations/filter")

    named = [one["enabled"] for one in after if one["name"] == installing.AUTOMATION]
    assert after == before
    assert named == [True]


async def test_a_cancel_stops_a_run_of_the_worker_and_the_next_one_goes_on(
    background, api, namespace, kubectl
):
    from prefect.client.schemas.objects import StateType

    file = declare(background, "stopped", namespace, NEVER_READY)
    deployment = api.deployment("rollout/rollout")["id"]
    run = api.start(deployment, file=file)
    listed = ("get", "deployments", "-n", namespace, "-o", "name")
    await api.until(lambda: kubectl(*listed), lambda names: "web" in names)
    api.ask(f"/flow_runs/{run}/set_state", state={"type": StateType.CANCELLING}, force=False)
    await api.until(lambda: api.state_of(run), lambda state: state != "CANCELLING")
    stopped = await remembered(background, file)
    manifests = Path(background.root) / file / "manifests"
    (manifests / "0.yaml").write_text(NEVER_READY.replace("never-ready", "normal"))
    again = api.start(deployment, file=file)
    await api.until(lambda: api.state_of(again), lambda state: state in {"COMPLETED", "FAILED"})

    assert (api.state_of(run), api.state_of(again)) == ("CANCELLED", "COMPLETED")
    assert (stopped.journal, stopped.last.outcome) == (None, "cancelled")


async def remembered(background, file):
    loaded = library.load(Path(background.root) / file)
    async with open_site(loaded) as site:
        return await (await site.store(loaded.spec)).load(loaded.spec.name)


def test_a_run_that_outlived_its_worker_is_found_and_ended(tmp_path):
    def program(home):
        environment = {**os.environ, "PREFECT_HOME": str(home)}
        words = [sys.executable, "-c", "print(flush=True); input()"]
        return subprocess.Popen(
            words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    with program(tmp_path) as orphan, program(tmp_path / "another") as stranger:
        for process in (orphan, stranger):
            process.stdout.readline()
        end((), tmp_path)
        is_left = stranger.poll() is None
        stranger.kill()

    assert (orphan.returncode, is_left) == (-signal.SIGTERM, True)


def test_a_second_up_finds_what_runs(background, state, capsys):
    again = local.up(Path(background.root))

    assert (again.server, again.worker) == (background.server, background.worker)


def test_status_tells_programs_where_it_is(background, state, capsys):
    code = main(["prefect", "status", "-o", "json"])
    found = json.loads(capsys.readouterr().out)

    assert (code, found["state"], found["api"]) == (0, "running", background.url)


def test_status_of_nothing_says_how_to_start(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    main(["prefect", "status"])

    assert "rollwright prefect up" in capsys.readouterr().out


def test_down_leaves_processes_alone_that_are_not_those_of_the_record(
    background, tmp_path, monkeypatch
):
    """An id may be that of another process by now."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    folder = local.state_folder()
    folder.mkdir(parents=True)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        process = {"name": "server", "pid": stranger.pid, "started_ticks": 1}
        record = {
            "url": "", "ui_url": "", "root": "", "deployments": [], "boot_id": boot_id(),
            "started_at": "2025-01-01T00:00:00+00:00", "server": process, "worker": process,
        }  # fmt: skip
        (folder / "prefect.json").write_text(json.dumps(record))
        was_there = local.down()
        is_alive = stranger.poll() is None
        stranger.kill()

    assert (was_there, is_alive) == (False, True)


def test_a_flow_that_is_not_there_is_told(background, tmp_path):
    (tmp_path / "prefect.yaml").write_text(
        "name: a\ndeployments:\n- {name: a, entrypoint: 'rollwright.flows.none:none'}\n"
    )
    with pytest.raises(InvalidSpec, match=r"rollwright\.flows\.none"):
        installing.deploy(tmp_path, background.url, tmp_path)


def test_a_file_that_declares_no_deployments_starts_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "prefect.yaml").write_text("deployments: none\n")
    with pytest.raises(InvalidSpec, match="expected a list"):
        local.up(tmp_path, port=0)

    assert local.status() is None


async def test_the_killed_run_is_told_as_crashed(api):
    """The automation waits for three heartbeats."""
    [run] = KILLED
    with contextlib.suppress(TimeoutError):
        await api.until(lambda: api.state_of(run), lambda state: state != "RUNNING", PATIENCE)

    assert api.state_of(run) == "CRASHED"
