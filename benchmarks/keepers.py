"""The stores that are measured, each with its server.

Before: the case ``stores`` was asked for. After: ``stores`` opens each of them once a run, as a
process of its own would: connecting is part of what is measured.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from benchmarks import servers
from benchmarks.rounds import Plan, say
from benchmarks.sandboxes import fresh
from rollwright.documents import load
from rollwright.errors import SandboxError
from rollwright.kube import connect
from rollwright.plugins.contracts import Cluster, StateStore, StorePlugin
from rollwright.stores.cluster import ClusterStore
from rollwright.stores.etcd import EtcdStore
from rollwright.stores.file import FileStore
from rollwright.stores.git.store import GitStore
from rollwright.stores.memory import MemoryStore
from rollwright.stores.postgres.store import PostgresStore
from rollwright.testing.fake import FakeCluster

Opened = AbstractAsyncContextManager[StateStore]

MEMORY = "memory"
"""Encodes and decodes, and nothing else: no store can be faster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """One store.

    Attributes:
        open: Opens it by the port that its server is reached at.
        port: Where the server listens itself; zero when there is none.
    """

    name: str
    open: Callable[[int], Opened]
    port: int = 0


def start_keepers(stack: ExitStack, plan: Plan) -> tuple[Keeper, ...]:
    """Start every server that can be had, until the stack is closed; say what is left out."""
    work = plan.work / "stores"
    work.mkdir()
    kept = MemoryStore()
    found = [
        Keeper(name=MEMORY, open=lambda _port: _bound(kept)),
        Keeper(name="file", open=lambda _port: _bound(FileStore(path=work / "file"))),
    ]
    for name, start in _STARTS.items():
        try:
            found.append(start(stack, plan, work))
        except (servers.NotHad, SandboxError) as error:
            say(f"stores: {name} is left out: {error}", None)
    return tuple(found)


def _cluster(stack: ExitStack, plan: Plan, work: Path) -> Keeper:
    started = stack.enter_context(fresh(plan.work, plan.warm_up)).sandbox
    server = started.kubeconfig

    @asynccontextmanager
    async def opened(port: int) -> AsyncIterator[StateStore]:
        kubeconfig = redirect(server, work / "kubeconfig", port)
        target = await connect(kubeconfig=kubeconfig, name="benchmark")
        try:
            yield ClusterStore().bind(target)
        finally:
            await target.close()

    return Keeper(name="cluster", open=opened, port=port_of(server))


def _etcd(stack: ExitStack, _plan: Plan, work: Path) -> Keeper:
    def opened(port: int) -> Opened:
        return _bound(EtcdStore(endpoints=(f"{servers.HOST}:{port}",), prefix="/benchmark"))

    port = stack.enter_context(servers.etcd(work / "etcd"))
    return Keeper(name="etcd", open=opened, port=port)


def _git(stack: ExitStack, _plan: Plan, work: Path) -> Keeper:
    server = stack.enter_context(servers.git(work / "git"))
    password = _secret(work / "git-password", server.password)
    key = _secret(work / "git-key", "0123456789abcdef" * 4)

    def opened(port: int) -> Opened:
        options = {
            "url": f"http://{servers.HOST}:{port}/states.git",
            "password": password,
            "key": key,
            "cache": work / "cache",
        }
        return _bound(GitStore.model_validate(options))

    return Keeper(name="git", open=opened, port=server.port)


def _postgres(stack: ExitStack, _plan: Plan, work: Path) -> Keeper:
    login = "of a server that lives as long as a benchmark"
    password = _secret(work / "postgres-password", login)

    def opened(port: int) -> Opened:
        options = {"host": servers.HOST, "port": port, "database": "postgres", "password": password}
        return _bound(PostgresStore.model_validate(options))

    port = stack.enter_context(servers.postgres(login))
    return Keeper(name="postgres", open=opened, port=port)


_STARTS: dict[str, Callable[[ExitStack, Plan, Path], Keeper]] = {
    "cluster": _cluster,
    "etcd": _etcd,
    "git": _git,
    "postgres": _postgres,
}


@asynccontextmanager
async def _bound(plugin: StorePlugin) -> AsyncIterator[StateStore]:
    # They ask the cluster who it is, and nothing else.
    target: Cluster = FakeCluster(name="benchmark")
    store: Any = plugin.bind(target)
    try:
        yield store
    finally:
        if hasattr(store, "close"):
            await store.close()


def _secret(file: Path, text: str) -> dict[str, str]:
    file.touch(mode=0o600)
    file.write_text(text)
    return {"file": str(file)}


def port_of(kubeconfig: Path) -> int:
    """Return the port of the server that a kubeconfig leads to."""
    server: str = load(kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
    return int(server.rstrip("/").rpartition(":")[2])


def redirect(kubeconfig: Path, copy: Path, port: int) -> Path:
    """Write a copy of a kubeconfig that leads to another port; return its path."""
    config = load(kubeconfig.read_text())
    cluster = config["clusters"][0]["cluster"]
    cluster["server"] = f"{cluster['server'].rstrip('/').rpartition(':')[0]}:{port}"
    copy.touch(mode=0o600)
    copy.write_bytes(orjson.dumps(config))
    return copy
