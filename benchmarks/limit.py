"""The same objects as bare requests over one HTTP session: nobody can be faster.

No plan, no order but Namespaces and CRDs first, no health, no memory: what is left of a rollout
when everything that makes it one is taken away. Bodies are JSON before the clock starts.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, perf_counter, process_time
from typing import Any, Self

import aiohttp
import orjson

from benchmarks.figures import Measured
from rollwright.kube.auth import find_access
from rollwright.kube.tls import ClientCertificate, make_context

IN_FLIGHT = 32
SERVED_WITHIN_SECONDS = 30.0
_QUERY = "?fieldManager=limit&force=true&fieldValidation=Strict"
_FIRST = frozenset({"Namespace", "CustomResourceDefinition"})
_LABEL = "labelSelector=rollwright.dev/rollout"
_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_APPLY = {"Content-Type": "application/apply-patch+yaml", "User-Agent": "limit"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One object, ready to be sent."""

    path: str
    collection: str
    body: bytes
    is_first: bool


class Bare:
    """One session with one API server."""

    def __init__(self, kubeconfig: Path) -> None:
        self._access = find_access(kubeconfig)
        self._session: aiohttp.ClientSession | None = None
        self._certificate: ClientCertificate | None = None

    async def __aenter__(self) -> Self:
        self._certificate = (await self._access.credentials.current()).certificate
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.hang_up()

    async def hang_up(self) -> None:
        """Close every connection, so that the next request pays for a new one."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def prepare(self, bodies: Iterable[dict[str, Any]]) -> list[Job]:
        """Find the path of each object, and make JSON of it; not part of what is measured."""
        bodies = list(bodies)
        plurals = await self._plurals() | dict(_defined(bodies))
        jobs = [_job(body, plurals) for body in bodies]
        await self.hang_up()
        return jobs

    async def apply(self, jobs: Iterable[Job], *, is_dry_run: bool = False) -> None:
        """Apply everything: what others need first, then the rest."""
        jobs = list(jobs)
        query = f"{_QUERY}&dryRun=All" if is_dry_run else _QUERY

        async def send(job: Job) -> None:
            await self._send(job, query)

        await _all_at_once(send, [job for job in jobs if job.is_first])
        await _all_at_once(send, [job for job in jobs if not job.is_first])

    async def list(self, jobs: Iterable[Job]) -> None:
        """Send one LIST for each kind that lies in a namespace, or that comes with the set."""
        paths = sorted({job.collection for job in jobs if job.collection != "/api/v1/namespaces"})

        async def ask(path: str) -> None:
            headers = {"User-Agent": "limit", "Accept-Encoding": "identity"}
            async with self._open().get(self._url(f"{path}?{_LABEL}"), headers=headers) as answer:
                await answer.read()
                answer.raise_for_status()

        await _all_at_once(ask, paths)

    async def _send(self, job: Job, query: str) -> None:
        deadline = monotonic() + SERVED_WITHIN_SECONDS
        while True:
            url = self._url(job.path + query)
            async with self._open().patch(url, data=job.body, headers=_APPLY) as answer:
                text = await answer.read()
            if answer.status < 300:
                return
            if answer.status != 404 or monotonic() > deadline:
                raise RuntimeError(f"limit: {job.path}: {answer.status} {text[:256]!r}")
            await asyncio.sleep(0.02)  # the CRD is not served yet

    async def _plurals(self) -> dict[tuple[str, str], tuple[str, bool]]:
        found = {}
        async for group, version, one in self._served():
            api_version = f"{group}/{version}" if group else version
            is_namespaced = one["scope"] == "Namespaced"
            found[api_version, one["responseKind"]["kind"]] = (one["resource"], is_namespaced)
        return found

    async def _served(self) -> AsyncIterator[tuple[str, str, dict[str, Any]]]:
        for root in ("/api", "/apis"):
            headers = {"Accept": _DISCOVERY, "User-Agent": "setup"}
            async with self._open().get(self._url(root), headers=headers) as answer:
                groups = orjson.loads(await answer.read())["items"]
            for group in groups:
                for version in group["versions"]:
                    for one in version.get("resources", ()):
                        yield group["metadata"].get("name", ""), version["version"], one

    def _url(self, target: str) -> str:
        return f"{self._access.server}{target}"

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0, ssl=make_context(self._access.trust, self._certificate)
                ),
                trust_env=False,
                read_bufsize=2**21,
            )
        return self._session


async def measure(work: Callable[[], Any]) -> Measured:
    """Await what ``work`` returns, and say how long it took."""
    started_at, used = perf_counter(), process_time()
    await work()
    return Measured(seconds=perf_counter() - started_at, cpu_seconds=process_time() - used)


async def _all_at_once(send: Callable[[Any], Any], jobs: list[Any]) -> None:
    waiting = iter(jobs)

    async def work() -> None:
        for job in waiting:
            await send(job)

    await asyncio.gather(*(work() for _ in range(min(IN_FLIGHT, len(jobs)))))


def _defined(
    bodies: list[dict[str, Any]],
) -> Iterable[tuple[tuple[str, str], tuple[str, bool]]]:
    for body in bodies:
        if body["kind"] == "CustomResourceDefinition":
            spec = body["spec"]
            named = (spec["names"]["plural"], spec["scope"] == "Namespaced")
            for version in spec["versions"]:
                yield (f"{spec['group']}/{version['name']}", spec["names"]["kind"]), named


def _job(body: dict[str, Any], plurals: dict[tuple[str, str], tuple[str, bool]]) -> Job:
    version, metadata = body["apiVersion"], body["metadata"]
    plural, is_namespaced = plurals[version, body["kind"]]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    inside = f"/namespaces/{metadata.get('namespace', 'default')}" if is_namespaced else ""
    return Job(
        path=f"{root}{inside}/{plural}/{metadata['name']}",
        collection=f"{root}/{plural}",
        body=orjson.dumps(body),
        is_first=body["kind"] in _FIRST,
    )
