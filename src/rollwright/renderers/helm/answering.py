"""What ``lookup`` finds: an API server of our own, on this machine, for one run of helm (RE-15).

Before: a chart looks objects up; the engine answers from a record, or from the target.
After: helm renders against this server alone. It never gets the target's address or credentials.

The server takes nothing but GET, and only below a path that nobody can guess: what is looked up
may be a Secret. Kinds stand in paths by their own names, because helm asks for what it was told.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import orjson

from rollwright.errors import RolloutError
from rollwright.plugins.contracts import Kubernetes, Lookup, Lookups

_LONGEST_HEAD = 100
_Answer = tuple[int, Mapping[str, Any]]


@dataclass(slots=True, kw_only=True)
class Answering:
    """One run of helm that is answered.

    Attributes:
        lookups: Who knows the answers.
        kubernetes: What ``.Capabilities`` are made of.
        path: Below which everything stands.
        url: Where helm finds the server.
        failure: Why the last question was not answered; helm quotes it badly.
    """

    lookups: Lookups
    kubernetes: Kubernetes
    path: str = ""
    url: str = ""
    failure: RolloutError | None = None

    def kubeconfig(self) -> bytes:
        """Return the configuration that leads helm here."""
        here = {"name": "here", "cluster": {"server": self.url}}
        context = {"name": "here", "context": {"cluster": "here", "user": ""}}
        return orjson.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [here],
                "contexts": [context],
                "current-context": "here",
            }
        )

    async def answer(self, target: str) -> _Answer:
        """Return the status and the body for a path."""
        path = target.partition("?")[0]
        if not path.startswith(f"{self.path}/"):
            return _refusal(403, "Forbidden")
        parts = [one for one in path.removeprefix(self.path).split("/") if one]
        match parts:
            case ["version"]:
                return 200, _version(self.kubernetes.version)
            case ["api"]:
                return 200, {"kind": "APIVersions", "versions": ["v1"], "items": []}
            case ["apis"]:
                return 200, _groups(self.kubernetes.api_versions)
            case ["api", "v1", *rest]:
                return await self._below("v1", rest)
            case ["apis", group, version, *rest]:
                return await self._below(f"{group}/{version}", rest)
        return _refusal(404, "NotFound")

    async def _below(self, api_version: str, rest: list[str]) -> _Answer:
        if not rest:
            return 200, await self._kinds(api_version)
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 1:
            _, namespace, *rest = rest
        if len(rest) not in {1, 2}:
            return _refusal(404, "NotFound")
        kind, name = rest[0], rest[1] if len(rest) > 1 else ""
        lookup = Lookup(api_version=api_version, kind=kind, namespace=namespace, name=name)
        found = await self.lookups.find(lookup)
        return (200, found) if found is not None else _refusal(404, "NotFound")

    async def _kinds(self, api_version: str) -> Mapping[str, Any]:
        """Return the kinds of a version; a version that is not served has none (not an error).

        ``items`` is for lists of kinds that nobody serves: helm then asks this very path.
        """
        prefix = f"{api_version}/"
        named = (one for one in self.kubernetes.api_versions if one.startswith(prefix))
        said = {one.removeprefix(prefix) for one in named}
        served = {*said, *await self.lookups.kinds(api_version)}
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": api_version,
            "resources": [
                {"name": kind, "kind": kind, "namespaced": True, "verbs": ["get", "list"]}
                for kind in sorted(served)
            ],
            "items": [],
        }


def _version(version: str) -> Mapping[str, Any]:
    numbers = (version.removeprefix("v") or "0.0").split(".")
    whole = ".".join([*numbers, "0"][: max(3, len(numbers))])
    return {"major": numbers[0], "minor": numbers[1], "gitVersion": f"v{whole}"}


def _groups(api_versions: tuple[str, ...]) -> Mapping[str, Any]:
    """Return the groups with their versions, as discovery tells them."""
    groups: dict[str, list[str]] = {}
    for one in api_versions:
        group, _, version = one.partition("/")
        if version and group != "v1":
            versions = groups.setdefault(group, [])
            name = f"{group}/{version.partition('/')[0]}"
            versions += [] if name in versions else [name]
    return {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [
            {
                "name": group,
                "versions": [_group_version(one) for one in versions],
                "preferredVersion": _group_version(versions[0]),
            }
            for group, versions in groups.items()
        ],
    }


def _group_version(name: str) -> Mapping[str, str]:
    return {"groupVersion": name, "version": name.partition("/")[2]}


def _refusal(code: int, reason: str) -> _Answer:
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "metadata": {}}
    return code, {**status, "reason": reason, "code": code, "message": reason}


@asynccontextmanager
async def answering(lookups: Lookups, kubernetes: Kubernetes) -> AsyncIterator[Answering]:
    """Answer one run of helm on this machine, for as long as it lasts."""
    one = Answering(lookups=lookups, kubernetes=kubernetes, path=f"/{secrets.token_urlsafe(32)}")
    serving: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving[writer] = asyncio.current_task()
        with suppress(OSError, ValueError, asyncio.IncompleteReadError):
            while await _serve_one(one, reader, writer):
                pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        one.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{one.path}"
        yield one
    finally:
        server.close()
        tasks = [task for task in serving.values() if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in serving:
            await _hang_up(writer)


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    """Close a connection, also one that helm left open when it ended."""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def _serve_one(
    one: Answering, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """Answer one request; false when there will be none on this connection any more."""
    words = (await reader.readline()).decode("latin-1").split()
    for _ in range(_LONGEST_HEAD):
        if not (await reader.readline()).strip():
            break
    if len(words) != 3 or words[0] != "GET":
        return False
    try:
        code, body = await one.answer(words[1])
    except RolloutError as error:
        one.failure = error
        code, body = _refusal(500, "InternalError")
    content = orjson.dumps(body)
    head = f"HTTP/1.1 {code} -\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
    await writer.drain()
    return True
