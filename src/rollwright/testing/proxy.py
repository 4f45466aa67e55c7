"""A proxy in front of a real API server that makes trouble on demand.

Every request goes to the real server unless a test says otherwise, so what is tested is the real
behavior under a fault: an answer that was lost after the write happened, a 429, a watch that is
torn or told that its version is gone, a client that is killed in the middle.

    async with FaultProxy(sandbox.kubeconfig) as proxy:
        proxy.trouble = lambda passing: LOSE_ANSWER if passing.number == 7 else None
        cluster = await connect(kubeconfig=proxy.write_kubeconfig(tmp_path / "kubeconfig"))
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self, TypeAlias

import aiohttp
import orjson
from aiohttp import web

from rollwright.documents import load
from rollwright.testing.http import Reply

_HOP_BY_HOP = frozenset({
    "connection", "content-length", "host", "keep-alive", "te", "trailer", "transfer-encoding",
    "upgrade",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Passing:
    """One request on its way. ``number`` counts from 1 since the proxy was last reset."""

    number: int
    method: str
    path: str
    query: Mapping[str, str]

    @property
    def is_watch(self) -> bool:
        """Whether the answer is a stream of events."""
        return self.query.get("watch") in {"1", "true"}

    @property
    def is_write(self) -> bool:
        """Whether it changes something in the cluster."""
        return self.method != "GET" and "dryRun" not in self.query


class Fault(Enum):
    """What becomes of a request instead of an ordinary answer."""

    DROP = auto()
    """The connection breaks, and the server never hears of it."""
    LOSE_ANSWER = auto()
    """The server does it, and the connection breaks before the answer."""
    TEAR = auto()
    """A stream breaks in the middle of its first event; any other answer in its middle."""
    GONE = auto()
    """A watch is told that its version is gone: an ERROR event with code 410."""


Trouble: TypeAlias = Fault | Reply | None
Hook: TypeAlias = Callable[[Passing], Awaitable[None]]


def no_trouble(_passing: Passing) -> Trouble:
    """Let everything pass."""
    return None


async def nothing(_passing: Passing) -> None:
    """Do nothing."""


@dataclass(slots=True)
class FaultProxy:
    """Passes requests on to a real API server, and makes trouble.

    Attributes:
        kubeconfig: Leads to the real server, by a client certificate.
        trouble: Says what becomes of a request; ``None`` lets it pass.
        before: Awaited before a request is passed on.
        after: Awaited when the server has answered, before the client hears of it.
        passed: Every request since the last ``reset``.
    """

    kubeconfig: Path
    trouble: Callable[[Passing], Trouble] = no_trouble
    before: Hook = nothing
    after: Hook = nothing
    passed: list[Passing] = field(default_factory=list)
    _server: str = ""
    _port: int = 0
    _runner: web.AppRunner | None = None
    _session: aiohttp.ClientSession | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    def reset(self) -> None:
        """Forget what has passed, and make no more trouble."""
        self.trouble, self.before, self.after = no_trouble, nothing, nothing
        self.passed = []

    def write_kubeconfig(self, path: Path) -> Path:
        """Write a kubeconfig that leads through the proxy; return its path."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "proxy",
            "clusters": [{"name": "proxy", "cluster": {"server": self.url}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy"}}],
        }
        path.write_bytes(orjson.dumps(config))
        return path

    async def __aenter__(self) -> Self:
        """Start to listen."""
        self._server, context = _target(self.kubeconfig)
        connector = aiohttp.TCPConnector(limit=0, ssl=context)
        self._session = aiohttp.ClientSession(
            connector=connector, auto_decompress=False, trust_env=False, read_bufsize=2**20
        )
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
        if self._session is not None:
            await self._session.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        passing = Passing(
            number=len(self.passed) + 1,
            method=request.method,
            path=request.rel_url.raw_path,
            query=dict(request.query),
        )
        self.passed.append(passing)
        await self.before(passing)
        trouble = self.trouble(passing)
        if trouble is Fault.DROP:
            return _drop(request)
        if isinstance(trouble, Reply):
            return web.Response(
                status=trouble.status or 500, body=trouble.body, headers=trouble.headers
            )
        try:
            return await self._pass_on(request, passing, trouble)
        except (aiohttp.ClientError, ConnectionError, TimeoutError):
            # The real server is gone, or the client is.
            return _drop(request)

    async def _pass_on(
        self, request: web.Request, passing: Passing, trouble: Fault | None
    ) -> web.StreamResponse:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
        assert self._session is not None
        asked = self._session.request(
            request.method,
            self._server + request.raw_path,
            data=await request.read() or None,
            headers=headers,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None),
        )
        async with asked as answer:
            if passing.is_watch and answer.status == 200:
                return await self._stream(request, answer, trouble)
            body = await answer.read()
            await self.after(passing)
            if trouble is Fault.LOSE_ANSWER:
                return _drop(request)
            if trouble is Fault.TEAR:
                return await _half(request, body)
            return web.Response(status=answer.status, body=body, headers=_kept(answer.headers))

    async def _stream(
        self, request: web.Request, answer: aiohttp.ClientResponse, trouble: Fault | None
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=200, headers=_kept(answer.headers))
        await response.prepare(request)
        if trouble is Fault.GONE:
            await response.write(_GONE)
            await response.write_eof()
            return response
        async for chunk in answer.content.iter_any():
            if trouble in {Fault.TEAR, Fault.LOSE_ANSWER}:
                await response.write(chunk[: len(chunk) // 2])
                _drop(request)
                return response
            await response.write(chunk)
        await response.write_eof()
        return response


_GONE = (
    orjson.dumps({
        "type": "ERROR",
        "object": {
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410,
            "reason": "Expired", "message": "too old resource version",
        },
    })
    + b"\n"
)  # fmt: skip


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key.lower() not in _HOP_BY_HOP}


def _drop(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _half(request: web.Request, body: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": str(len(body) + 1)})
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    _drop(request)
    return response


def _target(kubeconfig: Path) -> tuple[str, ssl.SSLContext]:
    """Return the server of a kubeconfig with inline certificates, and how to speak to it."""
    config: Mapping[str, Any] = load(kubeconfig.read_text())
    cluster = config["clusters"][0]["cluster"]
    user = config["users"][0]["user"]
    authority = _bytes_of(cluster, "certificate-authority").decode()
    context = ssl.create_default_context(cadata=authority)
    with TemporaryDirectory() as folder:
        pair = Path(folder) / "pair.pem"
        pair.touch(mode=0o600)
        certificate, key = _bytes_of(user, "client-certificate"), _bytes_of(user, "client-key")
        pair.write_bytes(certificate + b"\n" + key)
        context.load_cert_chain(pair)
    return str(cluster["server"]).rstrip("/"), context


def _bytes_of(part: Mapping[str, str], name: str) -> bytes:
    if inline := part.get(f"{name}-data"):
        return base64.b64decode(inline)
    return Path(part[name]).read_bytes()
