"""A Prefect server for this machine: run history and its pages, for demos, tests and laptops.

The server listens on loopback, keeps everything in one folder and tells nobody anything. As
soon as runs overlap, use a server on PostgreSQL instead. Importing this module is cheap.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Self

from rollwright.errors import Unreachable, excerpt

HOST = "127.0.0.1"
QUIET_PREFECT = "rollwright.flows.quiet_prefect"
START_TIMEOUT = timedelta(minutes=3)
"""A server with a new folder migrates its database first: 8 s, a minute on a busy machine."""
STOP_TIMEOUT = timedelta(seconds=10)
DELIVERY_TIMEOUT = timedelta(seconds=20)
"""How long what a run told may take to arrive; the run itself is over by then."""
POLL_SECONDS = 0.05
ATTEMPTS = 3
"""Starts, each on another port: between finding a port free and taking it, another may."""

QUIET: Mapping[str, str] = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # The second version of the pages loads a tracker even with analytics off.
    "PREFECT_SERVER_UI_V2_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
}
"""Nothing phones home."""

BATCHES: Mapping[str, str] = {
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "500",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TRIGGERS_READ_BATCH_SIZE": "100",
}
"""The defaults write row by row; these are several times faster, most of all on sqlite."""

STORAGE: Mapping[str, str] = {
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
        "prefect.server.concurrency.lease_storage.filesystem"
    ),
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
}
"""What outlives a restart, and that it does not grow for ever."""

PREPARED: Mapping[str, str] = {
    "PREFECT_SERVER_DATABASE_MIGRATE_ON_START": "false",
    "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
}
"""What a second start in the same folder need not do again; half of its time."""

DATABASE = "prefect.db"

_DETACHED: list[subprocess.Popen[bytes]] = []
"""Kept, because Python complains of a process that nobody knows any more and that still runs."""


@dataclass(kw_only=True)
class LocalServer:
    """A running server; leaving its context stops it.

    Attributes:
        url: Of the API; what ``PREFECT_API_URL`` takes.
        ui_url: Of the pages.
        home: Its folder: database, log, files of the pages.
        pid: Its process.
    """

    url: str
    ui_url: str
    home: Path
    process: subprocess.Popen[bytes]
    is_temporary: bool = False

    @property
    def pid(self) -> int:
        """Id of its process."""
        return self.process.pid

    def detach(self) -> None:
        """Let the server go on when this process ends; whoever knows its id stops it then."""
        atexit.unregister(self.stop)
        _DETACHED.append(self.process)

    def stop(self) -> None:
        """End the process and wait for its end; a temporary folder goes with it."""
        atexit.unregister(self.stop)
        _end(self.process)
        if self.is_temporary:
            shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await asyncio.to_thread(self.stop)


def start_local_server(
    home: Path | None = None,
    *,
    port: int = 0,
    settings: Mapping[str, str] | None = None,
    timeout: timedelta = START_TIMEOUT,
) -> LocalServer:
    """Start a server and wait until it answers.

    Args:
        home: Its folder, made if it is not there; a second start in it is much faster. Without
            one everything is temporary.
        port: Where it listens, if nobody else does; otherwise on a free one.
        settings: Variables of the environment that go over the usual ones.
        timeout: How long it may take.

    Raises:
        Unreachable: It ended or does not answer in time.
    """
    place = home or Path(tempfile.mkdtemp(prefix="rollwright-prefect-"))
    place.mkdir(parents=True, exist_ok=True)
    try:
        deadline = time.monotonic() + timeout.total_seconds()
        server = _start(place.resolve(), port, settings or {}, deadline)
    except BaseException:
        if home is None:
            shutil.rmtree(place, ignore_errors=True)
        raise
    server.is_temporary = home is None
    _ready_mark(server.home).write_text(version("prefect"))
    atexit.register(server.stop)
    return server


def _start(home: Path, port: int, settings: Mapping[str, str], deadline: float) -> LocalServer:
    for attempt in range(ATTEMPTS - 1):
        wanted = port if attempt == 0 and port and _is_free(port) else _free_port()
        server = _launch(home, wanted, settings)
        if _await_health(server, deadline):
            return server
        if "already in use" not in _last_words(home):
            raise _not_up(server)
    server = _launch(home, _free_port(), settings)
    if _await_health(server, deadline):
        return server
    raise _not_up(server)


def _not_up(server: LocalServer) -> Unreachable:
    code = server.process.returncode
    how = f"ended with code {code}" if code > 0 else "does not answer in time"
    said = excerpt(_last_words(server.home)) or "it said nothing"
    return Unreachable(
        f"the Prefect server in {str(server.home)!r} {how}: {said}",
        hint=f"read {str(_log(server.home))!r}",
    )


def _launch(home: Path, port: int, settings: Mapping[str, str]) -> LocalServer:
    command = [sys.executable, "-m", QUIET_PREFECT, "server", "start", "--host", HOST]
    with _log(home).open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  (our own interpreter, no shell)
            [*command, "--port", str(port)],
            env={**_environment(home, port), **settings},
            cwd=home,  # a prefect.toml or .env of the folder we are in does not count
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is ours: the report of the run is still to be told
        )
    address = f"http://{HOST}:{port}"
    return LocalServer(url=f"{address}/api", ui_url=address, home=home, process=process)


def without_prefect(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without anybody's settings of Prefect."""
    return {name: value for name, value in environment.items() if not name.startswith("PREFECT_")}


def _environment(home: Path, port: int) -> dict[str, str]:
    """Return the server's environment: the user's Prefect settings and profile are not in it."""
    inherited = without_prefect(os.environ)
    own = {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{home / DATABASE}",
        "PREFECT_UI_STATIC_DIRECTORY": str(home / "ui"),
        "PREFECT_API_URL": f"http://{HOST}:{port}/api",
        # The default lets every page that a browser on this machine shows use the API.
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://{HOST}:{port}",
        "PREFECT_CLI_PROMPT": "false",
    }
    prepared = PREPARED if _is_prepared(home) else {}
    return {**inherited, **QUIET, **BATCHES, **STORAGE, **prepared, **own}


def _ready_mark(home: Path) -> Path:
    return home / "prepared-by"


def _is_prepared(home: Path) -> bool:
    """Whether this version of Prefect already made its tables and blocks in the folder."""
    mark = _ready_mark(home)
    is_there = mark.is_file() and (home / DATABASE).is_file()
    return is_there and mark.read_text() == version("prefect")


def _await_health(server: LocalServer, deadline: float) -> bool:
    """Return whether the server answers; one that does not has been ended."""
    try:
        is_up = _answers(server, deadline)
    except BaseException:
        _end(server.process)
        raise
    if not is_up:
        _end(server.process)
    return is_up


def _answers(server: LocalServer, deadline: float) -> bool:
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            with urllib.request.urlopen(f"{server.url}/health", timeout=2) as answer:  # noqa: S310  (http, on loopback)
                if answer.status == 200:
                    return True
        except (urllib.error.URLError, OSError):
            time.sleep(POLL_SECONDS)
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the process to end; insist when it does not."""
    process.terminate()
    try:
        process.wait(timeout=STOP_TIMEOUT.total_seconds())
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _log(home: Path) -> Path:
    return home / "server.log"


def _last_words(home: Path) -> str:
    lines = _log(home).read_text(errors="replace").splitlines()
    return " ".join(line for line in lines[-5:] if line.strip())


@contextmanager
def reporting_to(url: str) -> Iterator[None]:
    """Let flows of this process report to a server; the user's own settings are left alone.

    What they told is delivered before the context ends, so that the server may stop then.

    Args:
        url: Of the server's API.
    """
    # Prefect looks for this while it is imported.
    os.environ.setdefault("DO_NOT_TRACK", "1")
    from prefect.settings import (  # noqa: PLC0415  (0.9 s)
        PREFECT_API_AUTH_STRING,
        PREFECT_API_KEY,
        PREFECT_API_URL,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        PREFECT_LOGGING_TO_API_ENABLED,
        PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW,
        PREFECT_RESULTS_DEFAULT_SERIALIZER,
        PREFECT_SERVER_ALLOW_EPHEMERAL_MODE,
        temporary_settings,
    )

    _deliver()
    with temporary_settings(
        {
            PREFECT_API_URL: url,
            PREFECT_FLOWS_HEARTBEAT_FREQUENCY: 30,
            PREFECT_LOGGING_TO_API_ENABLED: True,
            PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW: "ignore",
            PREFECT_RESULTS_DEFAULT_SERIALIZER: "json",
            PREFECT_SERVER_ALLOW_EPHEMERAL_MODE: False,
        },
        # Credentials of another server are not for this one.
        restore_defaults={PREFECT_API_KEY, PREFECT_API_AUTH_STRING},
    ):
        try:
            yield
        finally:
            _deliver()


def _deliver() -> None:
    """Send the events and logs that wait, and end the threads that send them.

    NB: the thread for events serves the whole process and keeps the server that it was started
    for; without an end it would go on sending to a server that is no longer meant.
    """
    # In a thread of its own, because where an event loop runs Prefect would hand back a coroutine.
    with ThreadPoolExecutor(max_workers=1) as pool:
        pool.submit(_drain).result()


def _drain() -> None:
    from prefect.events.worker import EventsWorker  # noqa: PLC0415  (0.9 s)
    from prefect.logging.handlers import APILogWorker  # noqa: PLC0415  (0.9 s)

    for worker in (EventsWorker, APILogWorker):
        worker.drain_all(timeout=DELIVERY_TIMEOUT.total_seconds())
