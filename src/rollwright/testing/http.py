"""A scripted HTTP server in the place of an API server, for faults only.

It answers what a test wrote down: 429 with Retry-After, torn streams, HTML of a proxy, silence.
It knows nothing of Kubernetes; how a cluster behaves is tested on the sandbox.

    async with ScriptedServer() as server:
        server.serves(DEPLOYMENTS)
        server.on("PATCH", "/apis/apps/v1/…/web", status(429, headers={"Retry-After": "1"}), ok(body))
        cluster = await connect(kubeconfig=server.write_kubeconfig(tmp_path / "kubeconfig"))
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
from aiohttp import web

from rollwright.plugins.contracts import ServedKind


class End(Enum):
    """How an answer ends."""

    CLOSE = auto()
    """As HTTP says."""
    TEAR = auto()
    """The connection breaks before the answer is complete."""
    STAY = auto()
    """The stream stays open and silent until the client or the server goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer. ``chunks`` make it a stream; ``None`` as status drops the connection unanswered."""

    status: int | None = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    chunks: Sequence[bytes] | None = None
    end: End = End.CLOSE


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request that arrived."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return orjson.loads(self.body)


Answer = Reply | Callable[[Received], Reply]


@dataclass(slots=True)
class _Rule:
    method: str
    path: str
    query: Mapping[str, str]
    answers: list[Answer]

    def matches(self, request: Received) -> bool:
        has_query = self.query.items() <= request.query.items()
        return (self.method, self.path) == (request.method, request.path) and has_query

    def next(self) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def ok(body: Any, **headers: str) -> Reply:
    """Answer 200 with JSON, or with bytes as they are."""
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return Reply(body=data, headers={"Content-Type": "application/json", **headers})


def status(code: int, *, headers: Mapping[str, str] | None = None, **fields: Any) -> Reply:
    """Answer with a Kubernetes Status: ``message``, ``reason``, ``details``."""
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, **fields}
    return Reply(
        status=code,
        body=orjson.dumps(body),
        headers={"Content-Type": "application/json", **(headers or {})},
    )


def dropped() -> Reply:
    """Close the connection instead of answering."""
    return Reply(status=None)


def silence() -> Reply:
    """Begin an answer and never go on."""
    return Reply(chunks=(), end=End.STAY)


def stream(*events: Any, end: End = End.CLOSE, tail: bytes = b"") -> Reply:
    """Answer with a watch stream, one event a chunk; ``tail`` is what a torn line leaves."""
    chunks = [one if isinstance(one, bytes) else orjson.dumps(one) + b"\n" for one in events]
    return Reply(chunks=[*chunks, tail] if tail else chunks, end=end)


def discovery_document(kinds: Iterable[ServedKind], stale: Iterable[str] = ()) -> dict[str, Any]:
    """Return an aggregated discovery; ``stale`` are groups whose v1 nobody has news of."""
    groups: dict[str, dict[str, list[Any]]] = {}
    for kind in kinds:
        groups.setdefault(kind.group, {}).setdefault(kind.version, []).append(_resource(kind))
    items = [
        {
            "metadata": {"name": group},
            "versions": [
                {"version": version, "freshness": "Current", "resources": resources}
                for version, resources in versions.items()
            ],
        }
        for group, versions in groups.items()
    ]
    items += [
        {"metadata": {"name": group}, "versions": [{"version": "v1", "freshness": "Stale"}]}
        for group in stale
    ]
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": items}


class ScriptedServer:
    """Answers on a port of this machine, and remembers what arrived."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self._rules: list[_Rule] = []
        self._runner: web.AppRunner | None = None
        self._port = 0
        self._is_closing = asyncio.Event()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    def on(
        self, method: str, path: str, *answers: Answer, query: Mapping[str, str] | None = None
    ) -> None:
        """Answer a request so: one answer after the other, the last for ever.

        Of several rules that match, the one written last counts.
        """
        self._rules.insert(0, _Rule(method, path, query or {}, list(answers)))

    def serves(self, *kinds: ServedKind, stale: Iterable[str] = ()) -> None:
        """Answer discovery with these kinds."""
        core = discovery_document(kind for kind in kinds if not kind.group)
        named = discovery_document((kind for kind in kinds if kind.group), stale)
        self.on("GET", "/api", ok(core))
        self.on("GET", "/apis", ok(named))

    def paths(self, method: str = "") -> list[str]:
        """Return the paths that were asked, in order."""
        return [one.path for one in self.requests if method in {"", one.method}]

    def write_kubeconfig(self, path: Path, *, user: Mapping[str, Any] | None = None) -> Path:
        """Write a kubeconfig that leads here; return its path."""
        context = {"cluster": "scripted"} | ({"user": "tester"} if user is not None else {})
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "scripted",
            "clusters": [{"name": "scripted", "cluster": {"server": self.url}}],
            "contexts": [{"name": "scripted", "context": context}],
            "users": [{"name": "tester", "user": dict(user or {})}],
        }
        path.write_bytes(orjson.dumps(config))
        return path

    async def __aenter__(self) -> Self:
        """Start to listen."""
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Close every connection."""
        self._is_closing.set()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        received = Received(
            method=request.method,
            path=request.rel_url.raw_path,
            query=dict(request.query),
            headers=dict(request.headers),
            body=await request.read(),
        )
        self.requests.append(received)
        reply = self._answer(received)
        if reply.status is None:
            return self._drop(request)
        if reply.chunks is None:
            return web.Response(status=reply.status, body=reply.body, headers=reply.headers)
        return await self._stream(request, reply, reply.chunks)

    def _answer(self, request: Received) -> Reply:
        for rule in self._rules:
            if rule.matches(request):
                answer = rule.next()
                return answer(request) if callable(answer) else answer
        return Reply(status=404, body=b"404 page not found\n")

    async def _stream(
        self, request: web.Request, reply: Reply, chunks: Sequence[bytes]
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers=reply.headers)
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
        if reply.end is End.STAY:
            await self._is_closing.wait()
        if reply.end is not End.CLOSE:
            return self._drop(request)
        await response.write_eof()
        return response

    def _drop(self, request: web.Request) -> web.Response:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()


def _resource(kind: ServedKind) -> dict[str, Any]:
    return {
        "resource": kind.plural,
        "responseKind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
        "scope": "Namespaced" if kind.is_namespaced else "Cluster",
        "verbs": sorted(kind.verbs),
    }
