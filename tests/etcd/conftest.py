"""Real etcds on loopback: one for the run, others for tests that freeze or kill them."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from rollwright.etcd.access import Access
from rollwright.etcd.client import Client
from rollwright.sandbox import binaries
from rollwright.sandbox.certificates import Authority
from rollwright.sandbox.processes import free_ports, wait_until

HERE = Path(__file__).parent
HEAVY = os.environ.get("ROLLWRIGHT_TEST_FAULTS", os.environ.get("ROLLWRIGHT_FAULTS", "")) == "all"
KEPT = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
TIMEOUT = timedelta(seconds=30)


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in Path(item.path).parents:
            item.add_marker(pytest.mark.cluster)


class Target:
    """A cluster of which locks and stores want to know who it is, nothing else."""

    def __init__(self, identity="3d0f2b1c-0000-4000-8000-000000000001", name="shop"):
        self._identity, self.name = identity, name

    async def identity(self):
        return self._identity


class Member:
    """One process of an etcd."""

    def __init__(self, argv, log):
        self._argv, self._log = argv, log
        self.process: Any = None

    def start(self):
        prctl = ctypes.CDLL(None).prctl
        with self._log.open("ab") as output:
            self.process = subprocess.Popen(
                self._argv, env=KEPT, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                # It ends with this process, however that ends.
                preexec_fn=lambda: prctl(1, signal.SIGKILL),  # noqa: PLW1509  (nothing but a syscall)
            )  # fmt: skip

    def send(self, number):
        self.process.send_signal(number)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Etcd:
    """An etcd of one or more members."""

    def __init__(self, folder, count=1, tls=False, client_auth=False):
        self.folder, self.is_secured = folder, tls
        folder.mkdir(parents=True, exist_ok=True)
        self.authority = Authority("etcd-test")
        ports = free_ports(2 * count)
        scheme = "https" if tls else "http"
        self.endpoints = tuple(f"127.0.0.1:{port}" for port in ports[:count])
        peers = [f"http://127.0.0.1:{port}" for port in ports[count:]]
        together = ",".join(f"m{number}={peer}" for number, peer in enumerate(peers))
        found = binaries.find()
        assert found, "no etcd: run `rollwright sandbox build`"
        program = str(found["etcd"])
        more = self._tls_flags(client_auth) if tls else []
        self.members = [
            Member(
                [
                    program, f"--name=m{number}", f"--data-dir={folder / f'm{number}'}",
                    f"--listen-client-urls={scheme}://{self.endpoints[number]}",
                    f"--advertise-client-urls={scheme}://{self.endpoints[number]}",
                    f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
                    f"--initial-cluster={together}", "--unsafe-no-fsync=true",
                    "--heartbeat-interval=50", "--election-timeout=500", "--log-level=warn",
                    "--bcrypt-cost=4", *more,
                ],
                folder / f"m{number}.log",
            )
            for number, peer in enumerate(peers)
        ]  # fmt: skip

    def _tls_flags(self, client_auth):
        pairs = {"server": self.authority.server("etcd"), "client": self.authority.client("root")}
        for name, pair in pairs.items():
            (self.folder / f"{name}.crt").write_bytes(pair.certificate)
            (self.folder / f"{name}.key").write_bytes(pair.key)
        (self.folder / "ca.crt").write_bytes(self.authority.pair.certificate)
        flags = [f"--cert-file={self.folder}/server.crt", f"--key-file={self.folder}/server.key"]
        if client_auth:
            flags += [f"--trusted-ca-file={self.folder}/ca.crt", "--client-cert-auth=true"]
        return flags

    def start(self):
        for member in self.members:
            member.start()
        assert wait_until(self._is_ready, TIMEOUT), (self.folder / "m0.log").read_text()
        return self

    def _is_ready(self):
        if self.is_secured:
            return all(_is_open(one) for one in self.endpoints)
        return all(_is_healthy(one) for one in self.endpoints)

    def stop(self):
        for member in self.members:
            member.kill()

    def options(self, **more):
        return {"endpoints": list(self.endpoints), "prefix": f"/test-{uuid4().hex}", **more}

    def client(self, **more):
        return Client(Access(endpoints=self.endpoints), **more)


def _is_open(endpoint):
    host, _, port = endpoint.partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def _is_healthy(endpoint):
    try:
        with urllib.request.urlopen(f"http://{endpoint}/health", timeout=1) as answer:
            return json.load(answer)["health"] == "true"
    except (OSError, urllib.error.URLError, ValueError, KeyError):
        return False


@pytest.fixture(scope="session")
def etcd(tmp_path_factory):
    """One etcd for the run; every test has a prefix of its own."""
    started = Etcd(tmp_path_factory.mktemp("etcd"))
    try:
        yield started.start()
    finally:
        started.stop()


@pytest.fixture
def own_etcd(tmp_path):
    """Start etcds for one test."""
    made: list[Etcd] = []

    def start(**more):
        made.append(Etcd(tmp_path / f"etcd-{len(made)}", **more))
        return made[-1].start()

    yield start
    for one in made:
        one.stop()


@pytest.fixture
async def client(etcd):
    made = etcd.client()
    yield made
    await made.close()


@pytest.fixture
async def bound():
    """Bind a plugin to a cluster; what was bound is closed in the end."""
    made = Bound()
    yield made
    for one in made.services:
        await one.close()


class Bound:
    """What is closed after a test."""

    def __init__(self):
        self.services: list[Any] = []

    def __call__(self, plugin, **more):
        return self.keep(plugin.bind(Target(**more)))

    def keep(self, service):
        self.services.append(service)
        return service


class Worker:
    """A process that runs ``worker.py``."""

    def __init__(self, process):
        self.process = process
        self.pid = process.pid

    async def line(self):
        assert self.process.stdout
        return (await asyncio.wait_for(self.process.stdout.readline(), 60)).decode().strip()

    async def say(self, text=""):
        self.process.stdin.write(f"{text}\n".encode())
        await self.process.stdin.drain()

    def send(self, number):
        os.kill(self.pid, number)

    async def end(self):
        if self.process.returncode is None:
            self.process.kill()
        await self.process.communicate()


@pytest.fixture
async def worker():
    """Start processes that do one thing with locks."""
    made = []

    async def start(task, options, *words):
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(HERE / "worker.py"), task, json.dumps(options), *map(str, words),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        made.append(Worker(process))
        return made[-1]

    yield start
    for one in made:
        await one.end()
