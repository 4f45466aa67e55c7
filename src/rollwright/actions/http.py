"""``Http``: send one request, and go by its answer.

Before: the document names the address, what is sent, and where its secrets are read from.
After: the step has succeeded if the answer's status is an expected one.

It is sent again only where the document says that this does no harm; every request carries a key
by which the other side can know a repetition of the same step of the same run.
"""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

from rollwright.errors import NotFound, excerpt
from rollwright.plugins.contracts import ActionRequest
from rollwright.plugins.options import OPTIONS
from rollwright.plugins.secret_refs import NamedSecret, SecretSource, read_secret
from rollwright.rollouts.container_logs import all_forms
from rollwright.rollouts.health.verdict import mask
from rollwright.rollouts.report import Outcome, StepResult
from rollwright.rollouts.spec.durations import Duration, format_duration

ATTEMPTS = 3
"""How often a request is sent at most, where that does no harm."""

FIRST_DELAY_SECONDS = 0.5
ANSWER_BYTES = 64 * 1024
"""How much of an answer is read."""

IDEMPOTENCY_HEADER = "Idempotency-Key"

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CLASS = re.compile(r"[1-5]xx")
_FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "host"})


def _read_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        is_whole = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        raise ValueError("not a URL") from None
    if parts.scheme not in {"http", "https"} or not is_whole:
        raise ValueError("expected an address that begins with http:// or https://")
    if parts.username is not None or parts.password is not None:
        raise ValueError("an address has no password; put an Authorization header from a secret")
    return value


def _read_header(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise ValueError("not the name of a header")
    if name.lower() in _FRAMING:
        raise ValueError(f"the header {name} follows from the request, and cannot be set")
    return name


def _read_header_value(value: Any) -> Any:
    if isinstance(value, str) and not _is_one_line(value):
        raise ValueError("a header's value is one line")
    return value


def _is_one_line(value: str) -> bool:
    return not any(character in value for character in "\r\n\0")


def _read_expected(value: Any) -> Any:
    many = value if isinstance(value, list | tuple) else (value,)
    for one in many:
        is_code = isinstance(one, int) and not isinstance(one, bool) and 100 <= one <= 599
        if not is_code and not (isinstance(one, str) and _CLASS.fullmatch(one)):
            raise ValueError("expected status codes such as 200, or classes such as 2xx")
    return tuple(many)


HeaderValue = Annotated[str | NamedSecret, BeforeValidator(_read_header_value)]
Expected = Annotated[tuple[int | str, ...], BeforeValidator(_read_expected), Field(min_length=1)]


class Signature(BaseModel):
    """A header with the HMAC-SHA256 of what is sent, as ``sha256=<hex>``."""

    model_config = OPTIONS

    secret: NamedSecret = Field(description="The key: {env: NAME} or {file: PATH}.")
    header: Annotated[str, AfterValidator(_read_header)] = Field(
        default="X-Signature-256", description="Name of the header."
    )


@dataclass(frozen=True, kw_only=True)
class _Sending:
    """A request as it is sent; secrets stand in it."""

    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    hidden: frozenset[str] = field(repr=False)


class Http(BaseModel):
    """Sends one HTTP request; the status of its answer decides."""

    model_config = OPTIONS

    url: Annotated[str, AfterValidator(_read_url)] = Field(
        description="Address, http:// or https://. Redirects are not followed."
    )
    method: str = Field(default="GET", pattern="^[A-Z]{1,20}$", description="Such as POST.")
    headers: Mapping[Annotated[str, AfterValidator(_read_header)], HeaderValue] = Field(
        default={}, description="Values, or {env: NAME} or {file: PATH} for secrets."
    )
    body: str | None = Field(default=None, description="What is sent, as it stands.")
    json_body: Any = Field(default=None, alias="json", description="What is sent, as JSON.")
    expect: Expected = Field(default=("2xx",), description="Statuses that are good: 200, 2xx.")
    timeout: Duration = Field(
        default=timedelta(seconds=15),
        description="How long all of it may take, repetitions too.",
        json_schema_extra={"default": "15s"},
    )
    signature: Signature | None = Field(
        default=None, description="Sign what is sent with a shared secret."
    )
    idempotent: bool = Field(
        default=False,
        strict=True,
        description="Whether sending it twice does no harm: then it is sent again when the"
        " connection fails.",
    )

    @model_validator(mode="after")
    def _one_body(self) -> Http:
        if self.body is not None and self.json_body is not None:
            raise ValueError("expected either body or json")
        return self

    @property
    def _place(self) -> str:
        """The address without its query, which may hold a token."""
        parts = urlsplit(self.url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"

    def __str__(self) -> str:
        wanted = ", ".join(str(one) for one in self.expect)
        again = ", again if the connection fails" if self.idempotent else ""
        return f"{self.method} {self._place}, expecting {wanted}{again}"

    async def run(self, request: ActionRequest) -> StepResult:
        """Send it."""
        started_at = datetime.now(UTC)
        outcome, message, hint = await self._run(request)
        return StepResult(
            step=request.step.name, outcome=outcome, message=message, hint=hint,
            started_at=started_at, ended_at=datetime.now(UTC),
        )  # fmt: skip

    async def _run(self, request: ActionRequest) -> tuple[Outcome, str, str]:
        where, limit = f"{self.method} {self._place}", min(self.timeout, request.timeout)
        try:
            sending = self._sending(request)
            async with asyncio.timeout(limit.total_seconds()):
                return await self._send(request, sending, where)
        except NotFound as error:
            return Outcome.FAILED, f"{where}: {error.message}", error.hint or ""
        except TimeoutError:
            words = f"{where}: no answer within {format_duration(limit)}"
            return Outcome.TIMED_OUT, words, ""

    def _sending(self, request: ActionRequest) -> _Sending:
        """Read the secrets and make the request.

        Raises:
            NotFound: A secret is not there, or cannot stand in a header.
        """
        secrets: set[str] = set()
        body = self._bytes()
        step = f"{request.run_id}/{request.step.name}"
        headers = {IDEMPOTENCY_HEADER: quote(step, safe="/")}
        if self.json_body is not None:
            headers["Content-Type"] = "application/json"
        for name, value in self.headers.items():
            headers[name] = (
                value if isinstance(value, str) else _header_secret(name, value, secrets)
            )
        if self.signature is not None:
            key = read_secret(self.signature.secret, "secret of the signature")
            secrets.add(key)
            digest = hmac.digest(key.encode(), body, "sha256").hex()
            headers[self.signature.header] = f"sha256={digest}"
        hidden = all_forms(request.hidden | secrets) | secrets
        return _Sending(headers=headers, body=body, hidden=hidden)

    def _bytes(self) -> bytes:
        if self.json_body is not None:
            return orjson.dumps(self.json_body)
        return (self.body or "").encode()

    async def _send(
        self, request: ActionRequest, sending: _Sending, where: str
    ) -> tuple[Outcome, str, str]:
        from aiohttp import ClientError  # noqa: PLC0415  (0.2 s; only who sends needs it)

        delay = FIRST_DELAY_SECONDS
        for attempt in range(1, ATTEMPTS + 1):
            if request.must_stop():
                return Outcome.CANCELLED, "the run was cancelled", ""
            try:
                status, text = await self._answer(sending)
            except (ClientError, OSError) as error:
                if isinstance(error, TimeoutError):
                    raise
                words = f"{where}: {mask(_broken(error), sending.hidden)}"
                if not self.idempotent or attempt == ATTEMPTS:
                    hint = "" if self.idempotent else "idempotent: true lets it be sent again"
                    return Outcome.FAILED, words, hint
                request.tell(f"{words}; again in {delay} s")
                await asyncio.sleep(delay)
                delay *= 2
            else:
                return self._verdict(where, status, mask(text, sending.hidden))
        raise AssertionError("the last attempt returns")

    async def _answer(self, sending: _Sending) -> tuple[int, str]:
        """Send it once; return the status and the beginning of the answer."""
        from aiohttp import ClientSession, ClientTimeout, DummyCookieJar  # noqa: PLC0415  (0.2 s, as above)
        from yarl import URL  # noqa: PLC0415  (comes with aiohttp)

        async with (
            ClientSession(
                trust_env=False, cookie_jar=DummyCookieJar(), timeout=ClientTimeout(total=None)
            ) as session,
            session.request(
                self.method,
                URL(self.url),
                headers=sending.headers,
                data=sending.body or None,
                allow_redirects=False,
            ) as response,
        ):
            read = bytearray()
            while len(read) < ANSWER_BYTES and (
                part := await response.content.read(ANSWER_BYTES - len(read))
            ):
                read += part
            return response.status, bytes(read).decode("utf-8", "replace")

    def _verdict(self, where: str, status: int, text: str) -> tuple[Outcome, str, str]:
        if any(one in {status, f"{status // 100}xx"} for one in self.expect):
            return Outcome.SUCCEEDED, f"{where}: answered {status}", ""
        wanted = ", ".join(str(one) for one in self.expect)
        words = f"{where}: answered {status}, expected {wanted}"
        if 300 <= status < 400:
            words += " (redirects are not followed)"
        elif text.strip():
            words += f": {excerpt(text)}"
        return Outcome.FAILED, words, ""


def _broken(error: Exception) -> str:
    """Return why there was no answer; what connects repeats the address in its own words."""
    cause = getattr(error, "os_error", error)
    words = getattr(cause, "strerror", None) or str(cause)
    return excerpt(words) or type(error).__name__


def _header_secret(name: str, source: SecretSource, secrets: set[str]) -> str:
    value = read_secret(source, f"header {name}")
    if not _is_one_line(value):
        raise NotFound(f"header {name}: the secret is more than one line")
    secrets.add(value)
    return value
