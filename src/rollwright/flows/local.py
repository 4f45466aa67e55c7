"""A Prefect server and a worker in the background of this machine: ``rollwright prefect``.

Before: nothing, or a former ``up`` of this person.
After: schedules and people start runs on the server's pages, and the worker carries them out.

The state lies in ``$XDG_STATE_HOME/rollwright/prefect``: the server's folder with its database,
which stays when the server is stopped, two logs, and a record of the processes. A process is
known by its id and the moment it started, so only what was started here is ever stopped.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rollwright.errors import Unreachable, excerpt
from rollwright.flows import installing
from rollwright.flows.processes import end
from rollwright.flows.server import LocalServer, start_local_server
from rollwright.sandbox.places import locked, make_private
from rollwright.sandbox.record import Process, boot_id

PORT = 4200
"""Where the server listens if it may: the port that Prefect's documentation names."""

WORKER_LIMIT = 4
"""Runs at a time; each is a process, and the server's sqlite takes no more at once. A run that
waits for an approval has no process and does not count."""

WORKER_TIMEOUT = timedelta(minutes=2)
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalPrefect:
    """What runs in the background.

    Attributes:
        url: Of the API; what ``PREFECT_API_URL`` takes.
        ui_url: Of the pages.
        root: Top folder of the site whose deployments it has.
        deployments: Their names.
    """

    url: str
    ui_url: str
    root: str
    server: Process
    worker: Process
    deployments: tuple[str, ...]
    started_at: datetime
    boot_id: str

    def living(self) -> tuple[Process, ...]:
        """Return the processes that still run."""
        if self.boot_id != boot_id():
            return ()
        return tuple(one for one in (self.server, self.worker) if one.is_alive())

    @property
    def is_running(self) -> bool:
        """Whether both still run."""
        return len(self.living()) == 2


def state_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of everything that is kept, which need not exist."""
    configured = environ.get("XDG_STATE_HOME", "")
    base = Path(configured) if configured.startswith("/") else Path.home() / ".local/state"
    return base / "rollwright" / "prefect"


def status() -> LocalPrefect | None:
    """Return what was started, running or not; ``None`` if nothing was."""
    return _read(_record())


def up(root: Path, *, port: int = PORT, tell: Tell = lambda _text: None) -> LocalPrefect:
    """Start server and worker and deploy a site, or return what runs already.

    Args:
        root: Top folder of the site.
        port: Where the server listens, if nobody else does.
        tell: Is told what happens, in a few words.

    Raises:
        Unreachable: One of them did not come up; none is left.
        InvalidSpec: A deployment of the site is wrong; none is left.
    """
    folder = make_private(state_folder())
    with locked(folder / ".lock"):
        former = _read(_record())
        if former is not None and former.is_running:
            return _moved(former, root.resolve(), folder, tell)
        installing.deployments_for(installing.deployments_file(root))  # a wrong one is told first
        if former is not None and former.server in former.living():
            return _mended(former, root.resolve(), folder, tell)
        _end(former, folder)
        tell("starting the server (a new one makes its tables first)")
        server = start_local_server(folder / "server", port=port, settings=_encryption(folder))
        try:
            begun = _begun(server, root.resolve())
            _write(_record(), begun)  # whoever is killed meanwhile leaves no stranger behind
            started = _furnish(begun, folder, tell)
        except BaseException:
            server.stop()
            _record().unlink(missing_ok=True)
            raise
        server.detach()
        _write(_record(), started)
        return started


def down(tell: Tell = lambda _text: None, *, forget: bool = False) -> bool:
    """Stop what ``up`` started; say whether there was anything to stop.

    Args:
        tell: Is told what happens.
        forget: Remove the history of runs, too.
    """
    folder = state_folder()
    if not folder.exists():
        return False
    with locked(folder / ".lock"):
        former = _read(_record())
        was_there = former is not None and bool(former.living())
        if was_there:
            tell("stopping the worker and the runs that it carries out")
        _end(former, folder)
        _record().unlink(missing_ok=True)
    if forget:
        shutil.rmtree(folder)
    return was_there


def _begun(server: LocalServer, root: Path) -> LocalPrefect:
    """Return the record of a server that has no worker yet."""
    return LocalPrefect(
        url=server.url,
        ui_url=server.ui_url,
        root=str(root),
        server=Process.of("server", server.pid),
        worker=Process(name="worker", pid=0, started_ticks=0),
        deployments=(),
        started_at=datetime.now(UTC),
        boot_id=boot_id(),
    )


def _furnish(begun: LocalPrefect, folder: Path, tell: Tell) -> LocalPrefect:
    """Set a new server up and start a worker beside it."""
    home, root = make_private(folder / "worker"), Path(begun.root)
    tell("creating the work pool and the automation for crashed runs")
    installing.install_now(begun.url)
    tell("deploying the flows")
    names = installing.deploy(root, begun.url, home)
    tell("starting the worker")
    worker = _start_worker(begun.url, root, home)
    try:
        _await_worker(begun.url, worker, home)
    except BaseException:
        worker.kill()
        worker.wait()
        raise
    return replace(begun, worker=Process.of("worker", worker.pid), deployments=names)


def _mended(former: LocalPrefect, root: Path, folder: Path, tell: Tell) -> LocalPrefect:
    """Start a worker beside a server that lost its own; runs of that one go on meanwhile."""
    tell("the server runs already, but its worker ended")
    mended = _furnish(replace(former, root=str(root)), folder, tell)
    _write(_record(), mended)
    return mended


def _moved(running: LocalPrefect, root: Path, folder: Path, tell: Tell) -> LocalPrefect:
    """Deploy another site to what runs; the worker serves whatever is deployed."""
    if running.root == str(root):
        return running
    tell("deploying the flows of this site")
    names = installing.deploy(root, running.url, folder / "worker")
    moved = replace(running, root=str(root), deployments=names)
    _write(_record(), moved)
    return moved


def _encryption(folder: Path) -> dict[str, str]:
    """Return the key that secrets of blocks are kept with; without one it lies beside them."""
    path = folder / "encryption-key"
    if not path.exists():
        from cryptography.fernet import Fernet  # noqa: PLC0415  (only the first start needs it)

        path.touch(mode=0o600)
        path.write_bytes(Fernet.generate_key())
    return {"PREFECT_SERVER_ENCRYPTION_KEY": path.read_text().strip()}


_STARTED: list[subprocess.Popen[bytes]] = []
"""Kept, because Python complains of a process that nobody knows any more and that still runs."""


def _start_worker(url: str, root: Path, home: Path) -> subprocess.Popen[bytes]:
    words = ["worker", "start", "--pool", installing.POOL, "--type", "process"]
    # The worker must not fetch packages.
    words += ["--name", "local", "--install-policy", "never", "--limit", str(WORKER_LIMIT)]
    with _worker_log(home).open("wb") as log:
        worker = subprocess.Popen(  # noqa: S603  (our own interpreter, no shell)
            [sys.executable, "-m", "prefect", "--no-prompt", *words],
            cwd=root,
            env=installing.environment(root, installing.client_settings(url, home)),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in the terminal is not meant for it
        )
    _STARTED.append(worker)
    return worker


def _await_worker(url: str, worker: subprocess.Popen[bytes], home: Path) -> None:
    """Wait until the server has heard of the worker.

    Raises:
        Unreachable: It ended, or was not heard of in time.
    """
    deadline = time.monotonic() + WORKER_TIMEOUT.total_seconds()
    while worker.poll() is None and time.monotonic() < deadline:
        if any(one.get("status") == "ONLINE" for one in workers(url)):
            return
        time.sleep(0.2)
    log = _worker_log(home)
    said = excerpt(" ".join(log.read_text(errors="replace").splitlines()[-3:]))
    how = "did not come up in time" if worker.poll() is None else "ended"
    raise Unreachable(f"the Prefect worker {how}: {said or 'it said nothing'}", hint=f"read {log}")


def workers(url: str) -> list[Mapping[str, Any]]:
    """Return the workers of our pool that a local server knows; none if it does not answer."""
    request = urllib.request.Request(  # noqa: S310  (http, on loopback)
        f"{url}/work_pools/{installing.POOL}/workers/filter",
        data=b"{}",
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310  (http, on loopback)
            found = json.load(answer)
    except (urllib.error.URLError, OSError, ValueError):
        return []
    return found if isinstance(found, list) else []


def _end(former: LocalPrefect | None, folder: Path) -> None:
    end(former.living() if former is not None else (), folder / "worker")


def _record() -> Path:
    return state_folder() / "prefect.json"


def _worker_log(home: Path) -> Path:
    return home / "worker.log"


def _write(path: Path, record: LocalPrefect) -> None:
    body = asdict(record) | {"started_at": record.started_at.isoformat()}
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(body, indent=2) + "\n")
    temporary.replace(path)


def _read(path: Path) -> LocalPrefect | None:
    """Read a record; ``None`` when there is none, or none that can be understood."""
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        return LocalPrefect(
            **body
            | {
                "started_at": datetime.fromisoformat(body["started_at"]),
                "server": Process(**body["server"]),
                "worker": Process(**body["worker"]),
                "deployments": tuple(body["deployments"]),
            }
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
