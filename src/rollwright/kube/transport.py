"""Sends requests to one API server, again if need be, and counts them.

Before: ``request`` built what is to be sent; ``auth`` said where to and as whom.
After: ``cluster`` and ``watch`` read the answers.

One session of aiohttp with kept connections. ``trust_env`` stays off: with it every request
looks for a proxy and for ``~/.netrc``, and would take credentials from there (K1).
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from types import MappingProxyType
from typing import Any, TypeVar

import aiohttp
from aiohttp import ClientTimeout, hdrs
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from rollwright.errors import ClusterError, Unauthorized, Unreachable
from rollwright.kube.auth import Access
from rollwright.kube.credentials import Identity
from rollwright.kube.faults import failure_of, unreachable
from rollwright.kube.limiter import Answer, InFlightLimiter
from rollwright.kube.pace import Pace
from rollwright.kube.refusals import decode, read_status, refusal
from rollwright.kube.request import Call, Request
from rollwright.kube.retry import Failure, Patience, Progress, Timing, next_delay, retry_after
from rollwright.kube.tls import make_context

T = TypeVar("T")

USER_AGENT = "rollwright"
READ_BUFFER = 2**21
LARGEST_BYTES = 2**20
CONNECT_TIMEOUT = 10.0
KEEP_ALIVE = 60.0
LARGEST_REFUSAL = 2**20
"""Bytes of a refusal that are read; nobody reads more of it."""


_FAULTS = (aiohttp.ClientError, TimeoutError, OSError, ssl.SSLError)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer, whatever its status."""

    status: int
    body: bytes = field(repr=False)
    headers: CIMultiDictProxy[str]

    @property
    def etag(self) -> str:
        """What to send as If-None-Match the next time."""
        return self.headers.get(hdrs.ETAG, "")


@dataclass(frozen=True, slots=True)
class _Refused:
    """An attempt without success: what it means for the next one, and what to raise."""

    failure: Failure
    error: ClusterError | Unreachable
    cause: Exception | None = None


class Transport:
    """Connections to one API server.

    Args:
        access: Where to and as whom.
        limiter: How many requests at once; watches do not count.
        pace: How many requests per second; without limit by default.
        patience: How long to try.
        timing: Clocks and chance.
    """

    def __init__(
        self,
        access: Access,
        *,
        limiter: InFlightLimiter | None = None,
        pace: Pace | None = None,
        patience: Patience | None = None,
        timing: Timing | None = None,
    ) -> None:
        self.access = access
        self.limiter = limiter or InFlightLimiter()
        self.patience = patience or Patience()
        self.timing = timing or Timing()
        self._pace = pace
        self._calls = {call.value: 0 for call in Call}
        self._answers: dict[tuple[str, int], int] = {}
        self._is_closed = False
        self._session: aiohttp.ClientSession | None = None
        self._timeouts: dict[float, ClientTimeout] = {}
        self._identity: Identity | None = None
        self._headers: dict[Any, CIMultiDict[str]] = {}
        self._options: dict[str, Any] = {}
        self._has_answered = False

    @property
    def calls(self) -> Mapping[str, int]:
        """Requests sent so far, by what they were; retries count."""
        return MappingProxyType(self._calls)

    @property
    def answers(self) -> Mapping[tuple[str, int], int]:
        """Answers so far, by what was asked and their status; 0 where none came. No watches."""
        return MappingProxyType(self._answers)

    async def send(self, request: Request) -> Response:
        """Send a request until it is answered for good; return an answer of 2xx or 304.

        Raises:
            ClusterError: The server refused.
            Unauthorized: It does not know us.
            Unreachable: It does not answer.
        """
        started_at, attempt = self.timing.clock(), 0
        while True:
            attempt += 1
            answer = await self._attempt(request)
            if isinstance(answer, Response):
                return answer
            progress = Progress(
                attempt=attempt,
                elapsed_seconds=self.timing.clock() - started_at,
                is_idempotent=request.is_idempotent,
                is_first_contact=not self._has_answered,
            )
            chance = self.timing.random()
            delay = next_delay(answer.failure, progress, self.patience, chance=chance)
            if delay is None:
                raise answer.error from answer.cause
            await self.timing.sleep(delay)

    async def read(self, request: Request, parse: Callable[[bytes], T]) -> T:
        """Send a request and parse the answer."""
        return decode(parse, (await self.send(request)).body, request)

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a watch; give its chunks as they come, in no particular pieces.

        Sent once, a renewed identity apart. Takes no place of the limiter: a watch stays.
        """
        async with AsyncExitStack() as stack:
            try:
                response = await self._open_stream(request, stack)
                if response.status != 200:
                    raise self._refused(request, await _whole(response)).error
                self._has_answered = True
                yield response.content.iter_any()
            except _FAULTS as error:
                if isinstance(error, Unreachable):
                    raise
                raise unreachable(request, error, self.access) from error

    async def _attempt(self, request: Request) -> Response | _Refused:
        """Send a request once, and again if a renewed identity may help."""
        identity = await self._current_identity()
        try:
            response = await self._exchange(request)
            if response.status == 401 and await self.access.credentials.refresh(identity):
                await self._current_identity()
                response = await self._exchange(request)
        except _FAULTS as error:
            if isinstance(error, Unreachable):
                raise
            return _Refused(failure_of(error), unreachable(request, error, self.access), error)
        is_good = response.status < 300 or response.status == 304
        return response if is_good else self._refused(request, response)

    async def close(self) -> None:
        """Close all connections."""
        self._is_closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _open_stream(self, request: Request, stack: AsyncExitStack) -> aiohttp.ClientResponse:
        timeout = ClientTimeout(
            total=None, sock_connect=CONNECT_TIMEOUT, sock_read=request.timeout.total_seconds()
        )
        identity = await self._current_identity()
        response: aiohttp.ClientResponse
        response = await stack.enter_async_context(self._ask(request, timeout))
        if response.status == 401 and await self.access.credentials.refresh(identity):
            response.close()
            await self._current_identity()
            response = await stack.enter_async_context(self._ask(request, timeout))
        return response

    async def _exchange(self, request: Request) -> Response:
        if self._pace is not None:
            await self._pace.wait()
        ticket, answer, status = await self.limiter.acquire(), Answer.SILENT, 0
        try:
            async with self._ask(request, self._timeout(request)) as response:
                whole = await _whole(response)
            self._has_answered, status = True, whole.status
            if whole.status < 400:
                answer = Answer.GOOD
            elif whole.status == 429:
                answer = Answer.OVERLOADED
        except TimeoutError:
            answer = Answer.OVERLOADED
            raise
        finally:
            self.limiter.release(ticket, answer)
            counted = (request.call.value, status)
            self._answers[counted] = self._answers.get(counted, 0) + 1
        return whole

    def _ask(self, request: Request, timeout: ClientTimeout) -> Any:
        self._calls[request.call] += 1
        return self._open_session().request(
            request.method,
            URL(self.access.server + request.target, encoded=True),
            data=_payload(request.body),
            headers=self._headers_of(request),
            timeout=timeout,
            allow_redirects=False,
            **self._options,
        )

    def _refused(self, request: Request, response: Response) -> _Refused:
        status = read_status(response.body)
        asked = retry_after(response.headers.get(hdrs.RETRY_AFTER), self.timing.now())
        if asked is None and status is not None and response.status in {429, 500, 503, 504}:
            asked = status.retry_after_seconds
        is_passing = status is not None and status.is_storage_failure
        failure = Failure(
            status=503 if is_passing else response.status,
            is_final=status is not None and status.is_final,
            retry_after_seconds=asked,
        )
        error = refusal(request, response.status, response.body, retry_after_seconds=asked)
        return _Refused(failure, error)

    async def _current_identity(self) -> Identity:
        identity = await self.access.credentials.current()
        if identity is not self._identity:
            self._become(identity)
        return identity

    def _become(self, identity: Identity) -> None:
        is_new_certificate = (
            self._identity is None or identity.certificate != self._identity.certificate
        )
        self._identity = identity
        self._headers.clear()
        if not is_new_certificate:
            return
        access = self.access
        self._options = {"proxy": access.proxy or None}
        if access.is_tls:
            self._options["ssl"] = make_context(access.trust, identity.certificate)
            self._options["server_hostname"] = access.server_name or None

    def _headers_of(self, request: Request) -> CIMultiDict[str]:
        key = (request.accept, request.content_type, request.call is Call.LIST)
        found = self._headers.get(key)
        if found is None:
            found = self._headers[key] = self._make_headers(request)
        if request.etag:
            found = found.copy()
            found[hdrs.IF_NONE_MATCH] = request.etag
        return found

    def _make_headers(self, request: Request) -> CIMultiDict[str]:
        if self._identity is None:
            raise Unauthorized("no identity to send the request with")
        # The server compresses whatever is large; on one machine that only costs both of us.
        may_compress = request.call is Call.LIST and not self.access.is_loopback
        headers = CIMultiDict(self._identity.headers)
        headers[hdrs.ACCEPT] = request.accept
        headers[hdrs.ACCEPT_ENCODING] = "gzip" if may_compress else "identity"
        headers[hdrs.USER_AGENT] = USER_AGENT
        if request.content_type:
            headers[hdrs.CONTENT_TYPE] = request.content_type
        return headers

    def _timeout(self, request: Request) -> ClientTimeout:
        seconds = request.timeout.total_seconds()
        found = self._timeouts.get(seconds)
        if found is None:
            found = ClientTimeout(total=seconds, sock_connect=min(CONNECT_TIMEOUT, seconds))
            self._timeouts[seconds] = found
        return found

    def _open_session(self) -> aiohttp.ClientSession:
        if self._is_closed:
            raise Unreachable("the connection to the cluster is closed", retryable=False)
        if self._session is None:
            # No limit of connections: the limiter holds requests, and watches must not starve.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                read_bufsize=READ_BUFFER,
                raise_for_status=False,
            )
            # NB: aiohttp would send a PUT or DELETE again by itself, uncounted.
            self._session._retry_connection = False  # noqa: SLF001  (no public switch)
        return self._session


def _payload(body: bytes | None) -> bytes | BytesIO | None:
    # Larger bytes make aiohttp warn; a stream it sends piece by piece.
    return BytesIO(body) if body is not None and len(body) > LARGEST_BYTES else body


async def _whole(response: aiohttp.ClientResponse) -> Response:
    if response.status < 400:
        body = await response.read()
        return Response(response.status, body, response.headers)
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size >= LARGEST_REFUSAL:
            response.close()
            break
    return Response(response.status, b"".join(parts)[:LARGEST_REFUSAL], response.headers)
