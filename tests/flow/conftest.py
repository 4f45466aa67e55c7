"""One Prefect server for all flow tests, and nothing that leaves this machine."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from rollwright.flows.server import BATCHES, QUIET, start_local_server

TIMEOUT = timedelta(seconds=30)
ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


def is_loopback(address) -> bool:
    if not isinstance(address, tuple):
        return True  # a Unix socket
    try:
        return address[0] == "localhost" or ipaddress.ip_address(address[0]).is_loopback
    except ValueError:
        return False


@pytest.fixture(scope="session", autouse=True)
def guard():
    """Refuse every connection that leaves this machine."""

    def guarded(name):
        original = getattr(socket.socket, name)

        def connect(self, address):
            assert is_loopback(address), f"a test connects to {address!r}"
            return original(self, address)

        return connect

    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, guarded(name))
        yield


@pytest.fixture(autouse=True)
def litter():
    """Collect what Prefect leaves open while the test's own filters still hold."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory, guard):
    """A folder of Prefect's own, and no word home; set before anything imports Prefect."""
    home = tmp_path_factory.mktemp("prefect")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(home))
        for name, value in {**QUIET, **BATCHES}.items():
            patch.setenv(name, value)
        patch.delenv("PREFECT_API_URL", raising=False)
        patch.delenv("PREFECT_API_KEY", raising=False)
        import prefect  # noqa: F401  (reads the environment, which each test has scrubbed)

        yield home


@pytest.fixture(scope="session")
def server(prefect_home):
    """Prefect's own harness, once for the whole run: it takes 8 s."""
    from prefect.settings import (
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        PREFECT_HOME,
        PREFECT_LOGGING_TO_API_ENABLED,
        temporary_settings,
    )
    from prefect.testing.utilities import prefect_test_harness

    with (
        temporary_settings({PREFECT_HOME: prefect_home}),
        prefect_test_harness(server_startup_timeout=90),
        temporary_settings(
            {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None, PREFECT_LOGGING_TO_API_ENABLED: False}
        ),
    ):
        yield


class Record:
    """What Prefect knows of runs, asked through its API."""

    def __init__(self, client) -> None:
        self.client = client

    async def ask(self, path: str, **body):
        answer = await self.client.post(path, json=body)
        answer.raise_for_status()
        return answer.json()

    async def flow_run(self, flow_run_id: UUID):
        answer = await self.client.get(f"/flow_runs/{flow_run_id}")
        answer.raise_for_status()
        return answer.json()

    async def task_runs(self, flow_run_id: UUID, count: int):
        """Task runs arrive as events, so wait until there are so many and all have ended."""

        async def ask():
            return await self.ask("/task_runs/filter", flow_runs=ids(flow_run_id))

        def have_ended(runs) -> bool:
            # the row of a run is written before that of its state
            is_over = all(run["state"] and run["state"]["type"] in ENDED for run in runs)
            return len(runs) >= count and is_over

        return await eventually(ask, have_ended)

    async def artifacts(self, flow_run_id: UUID):
        return await self.ask("/artifacts/filter", flow_runs=ids(flow_run_id))

    async def logs(self, flow_run_id: UUID, ending: str):
        """Logs come in batches, so wait for the last one."""

        async def ask():
            wanted = {"flow_run_id": {"any_": [str(flow_run_id)]}}
            return [log["message"] for log in await self.ask("/logs/filter", logs=wanted)]

        return await eventually(ask, lambda found: any(ending in line for line in found))


def ids(flow_run_id: UUID):
    return {"id": {"any_": [str(flow_run_id)]}}


async def eventually(ask, holds):
    """Ask until the answer holds; the last answer, whether it does or not."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + TIMEOUT.total_seconds()
    answer = await ask()
    while not holds(answer) and loop.time() < deadline:
        await asyncio.sleep(0.05)
        answer = await ask()
    return answer


class Patient(httpx.AsyncHTTPTransport):
    """Asks again, as Prefect's own client does: SQLite may be locked for a moment."""

    async def handle_async_request(self, request):
        for _ in range(50):
            response = await super().handle_async_request(request)
            if response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            await response.aclose()
            await asyncio.sleep(0.1)
        return response


@asynccontextmanager
async def record_of(url: str) -> AsyncIterator[Record]:
    patient, seconds = Patient(), TIMEOUT.total_seconds()
    async with httpx.AsyncClient(base_url=url, timeout=seconds, transport=patient) as client:
        yield Record(client)


@pytest.fixture
def client_of():
    """``async with client_of(url) as record`` asks another server."""
    return record_of


@pytest.fixture
async def record(server) -> AsyncIterator[Record]:
    from prefect.settings import PREFECT_API_URL

    async with record_of(PREFECT_API_URL.value()) as known:
        yield known


@pytest.fixture
def rollout(server):
    """The flow."""
    from rollwright.flows import rollout

    return rollout


ROLLOUT = """\
apiVersion: rollwright.dev/v1alpha1
kind: Rollout
metadata: {{name: {name}}}
spec:
  source: {{path: ./manifests}}
  target: {{cluster: here, namespace: {namespace}}}
{more}"""


def write_rollout(folder: Path, name: str, namespace: str, *objects: str, more: str = "") -> Path:
    """Declare a rollout of these objects; a former one's objects are gone."""
    manifests = folder / "manifests"
    manifests.mkdir(parents=True, exist_ok=True)
    for old in manifests.iterdir():
        old.unlink()
    for number, text in enumerate(objects):
        (manifests / f"{number}.yaml").write_text(text)
    text = ROLLOUT.format(name=name, namespace=namespace, more=more)
    (folder / "rollout.yaml").write_text(text)
    return folder


@pytest.fixture
def declare(tmp_path):
    """``declare("shop", namespace, *objects, more=…)`` writes a rollout and returns its folder."""

    def write(name, namespace, *objects, more=""):
        return write_rollout(tmp_path, name, namespace, *objects, more=more)

    return write


@pytest.fixture
def site(sandbox, tmp_path):
    """A site whose cluster ``here`` is the sandbox."""
    (tmp_path / "site.toml").write_text(
        f'[site]\nname = "tests"\n[clusters.here]\nkubeconfig = "{sandbox.kubeconfig}"\n'
    )
    return tmp_path


GUARD = '''\
"""Loaded by every Python process of a test: refuses and records whatever leaves this machine."""
import ipaddress, os, socket, sys

FOLDER = os.environ["ROLLWRIGHT_TEST_GUARD"]
def note(kind, what):
    with open(os.path.join(FOLDER, f"{os.getpid()}.{kind}"), "a") as file:
        file.write(f"{what}\\\\n")
def is_near(host):
    if host in (None, "", b"", "localhost"):
        return True
    try:
        text = host.decode() if isinstance(host, bytes) else host
        return (address := ipaddress.ip_address(text)).is_loopback or address.is_unspecified
    except ValueError:
        return False
def refuse(what):
    note("refused", what)
    raise OSError(f"a test leaves this machine: {what}")
def guard_socket(name):
    original = getattr(socket.socket, name)
    def guarded(self, *words):
        if self.family in (socket.AF_INET, socket.AF_INET6) and not is_near(words[-1][0]):
            refuse(f"{name} {words[-1]}")
        return original(self, *words)
    setattr(socket.socket, name, guarded)
def guard_names(name):
    original = getattr(socket, name)
    def guarded(host, *words, **named):
        if not is_near(host):
            refuse(f"{name} {host}")
        return original(host, *words, **named)
    setattr(socket, name, guarded)
for method in ("connect", "connect_ex", "sendto"):
    guard_socket(method)
for function in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
    guard_names(function)
note("started", " ".join(sys.orig_argv))
'''


@pytest.fixture(scope="session")
def lookout(tmp_path_factory):
    """A folder where every guarded process says that it started, and what it was refused."""
    folder = tmp_path_factory.mktemp("lookout")
    (folder / "sitecustomize.py").write_text(GUARD)
    return folder


@pytest.fixture(scope="session")
def prepared_home(tmp_path_factory, guard):
    """A folder in which a server ran before: the next one starts in half of the time."""
    folder = tmp_path_factory.mktemp("server")
    with start_local_server(folder) as former:
        pass
    assert former.process.returncode is not None
    return folder


@pytest.fixture(scope="session")
def background_state(tmp_path_factory):
    """The state folder of what runs in the background."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="session")
def background(sandbox, prefect_home, lookout, tmp_path_factory, background_state):
    """Server and worker as ``rollwright prefect up`` starts them, watched by the guard."""
    from rollwright.flows import local

    root = tmp_path_factory.mktemp("background")
    (root / "site.toml").write_text(
        f'[site]\nname = "tests"\n[clusters.here]\nkubeconfig = "{sandbox.kubeconfig}"\n'
        f'[stores.default]\nuse = "file"\nwith = {{path = "{root}/state"}}\n'
        f'[locks.default]\nuse = "file"\nwith = {{path = "{root}/locks"}}\n'
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(background_state))
        patch.setenv("PYTHONPATH", str(lookout))
        patch.setenv("ROLLWRIGHT_TEST_GUARD", str(lookout))
        try:
            yield local.up(root, port=0)
        finally:
            local.down(forget=True)
