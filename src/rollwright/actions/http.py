"""``Http``: send one request, and go by its answer.

Before: the document names the address, what is sent, and where its secrets are read from.
After: the step has succeeded if the answer's status is an expected one.

It is sent again only where the document says that this does no harm; every request carries a key
by which the other side can know a repetition of the same step of the same run.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote

import orjson
from pydantic import BaseModel, BeforeValidator, Field, model_validator

from rollwright.errors import NotFound, excerpt
from rollwright.plugins.contracts import ActionRequest
from rollwright.plugins.http_calls import (
    Address,
    Call,
    HeaderName,
    HeaderValue,
    Signature,
    broken,
    header_secret,
    place_of,
    send,
    signed,
)
from rollwright.plugins.options import OPTIONS
from rollwright.plugins.secret_refs import read_secret
from rollwright.rollouts.container_logs import all_forms
from rollwright.rollouts.health.verdict import mask
from rollwright.rollouts.report import Outcome, StepResult
from rollwright.rollouts.spec.durations import PositiveDuration, format_duration

ATTEMPTS = 3
"""How often a request is sent at most, where that does no harm."""

FIRST_DELAY_SECONDS = 0.5
IDEMPOTENCY_HEADER = "Idempotency-Key"

_CLASS = re.compile(r"[1-5]xx")


def _read_expected(value: Any) -> Any:
    many = value if isinstance(value, list | tuple) else (value,)
    for one in many:
        is_code = isinstance(one, int) and not isinstance(one, bool) and 100 <= one <= 599
        if not is_code and not (isinstance(one, str) and _CLASS.fullmatch(one)):
            raise ValueError("expected status codes such as 200, or classes such as 2xx")
    return tuple(many)


Expected = Annotated[tuple[int | str, ...], BeforeValidator(_read_expected), Field(min_length=1)]


@dataclass(frozen=True, kw_only=True)
class _Sending:
    """A request as it is sent; secrets stand in it."""

    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    hidden: frozenset[str] = field(repr=False)


class Http(BaseModel):
    """Sends one HTTP request; the status of its answer decides."""

    model_config = OPTIONS

    url: Address = Field(description="Address, http:// or https://. Redirects are not followed.")
    method: str = Field(default="GET", pattern="^[A-Z]{1,20}$", description="Such as POST.")
    headers: Mapping[HeaderName, HeaderValue] = Field(
        default={}, description="Values, or {env: NAME} or {file: PATH} for secrets."
    )
    body: str | None = Field(default=None, description="What is sent, as it stands.")
    json_body: Any = Field(default=None, alias="json", description="What is sent, as JSON.")
    expect: Expected = Field(default=("2xx",), description="Statuses that are good: 200, 2xx.")
    timeout: PositiveDuration = Field(
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
        return place_of(self.url)

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
            sending = await asyncio.to_thread(self._sending, request)
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
            headers[name] = value if isinstance(value, str) else header_secret(name, value, secrets)
        if self.signature is not None:
            key = read_secret(self.signature.secret, "secret of the signature")
            secrets.add(key)
            headers[self.signature.header] = signed(key, body)
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
                words = f"{where}: {mask(broken(error), sending.hidden)}"
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
        call = Call(method=self.method, url=self.url, headers=sending.headers, body=sending.body)
        answer = await send(call)
        return answer.status, answer.text

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
