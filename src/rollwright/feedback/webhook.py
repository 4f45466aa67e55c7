"""``webhook``: a POST of what is told, as JSON or as a template makes it, signed.

Before: a run planned, began or ended. After: the other side has it, and can show that it is ours.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from rollwright.errors import RolloutError
from rollwright.feedback.posting import post, refuse_unless_good
from rollwright.feedback.templates import check_template, filled
from rollwright.plugins.http_calls import (
    Call,
    HeaderName,
    HeaderValue,
    header_secret,
    place_of,
    read_url,
    signed,
)
from rollwright.plugins.options import OPTIONS
from rollwright.plugins.secret_refs import NamedSecret, SecretSource, check_secret, read_secret
from rollwright.rollouts.container_logs import all_forms
from rollwright.rollouts.feedback import NOTIFIED, Event, Feedback
from rollwright.rollouts.health.verdict import mask
from rollwright.rollouts.spec.durations import PositiveDuration

DELIVERY_HEADER = "X-Rollwright-Delivery"
"""The same for a repetition of the same event."""
EVENT_HEADER = "X-Rollwright-Event"
TIMESTAMP_HEADER = "X-Rollwright-Timestamp"
SIGNATURE_HEADER = "X-Rollwright-Signature"
"""HMAC-SHA256 of the timestamp, a dot and the body: what is old cannot be sent again."""


def _read_address(value: Any) -> str | SecretSource:
    """Return an address, or where it is read from; one problem for either, not one for each."""
    if isinstance(value, str):
        return read_url(value)
    found: str | SecretSource = SecretSource.model_validate(check_secret(value))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Secrets:
    url: str = field(repr=False)
    key: str = field(default="", repr=False)
    named: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    hidden: frozenset[str] = field(default=frozenset(), repr=False)


class Webhook(BaseModel):
    """Sends what is told to an address."""

    model_config = OPTIONS

    usual_events: ClassVar[frozenset[Event]] = NOTIFIED | {Event.SUCCEEDED}

    url: Annotated[str | SecretSource, BeforeValidator(_read_address)] = Field(
        description="Address, http:// or https://; or {env: NAME} or {file: PATH} if it is"
        " a secret itself. Redirects are not followed."
    )
    method: str = Field(default="POST", pattern="^(POST|PUT)$", description="POST or PUT.")
    headers: Mapping[HeaderName, HeaderValue] = Field(
        default={}, description="Values, or {env: NAME} or {file: PATH} for secrets."
    )
    secret: NamedSecret | None = Field(
        default=None,
        description="Key that what is sent is signed with: {env: NAME} or {file: PATH}.",
    )
    signature_header: HeaderName = Field(
        default="X-Signature", description="Header with the HMAC-SHA256 of the body."
    )
    template: Annotated[str, AfterValidator(check_template)] | None = Field(
        default=None,
        description="What is sent, as a Jinja template of the fields of Feedback; without it"
        " Feedback as JSON.",
    )
    secrets: Mapping[str, NamedSecret] = Field(
        default={},
        description="What a template puts in as secrets.NAME, for those who want a key in the"
        " body: {env: NAME} or {file: PATH} each.",
    )
    content_type: str = Field(
        default="application/json", pattern="^[^\r\n]+$", description="Type of what is sent."
    )
    timeout: PositiveDuration = Field(
        default=timedelta(seconds=5),
        description="How long an answer may take.",
        json_schema_extra={"default": "5s"},
    )

    async def tell(self, feedback: Feedback) -> None:
        """Send it."""
        # In a thread: a secret may have to be asked for.
        secrets = await asyncio.to_thread(self._secrets)
        where = self._where
        # In a thread as well: a template may take its time.
        call = await asyncio.to_thread(self._call, feedback, secrets, datetime.now(UTC))
        answer = await post(call, where=where, limit=self.timeout, secrets=secrets.hidden)
        refuse_unless_good(answer, where=where, secrets=secrets.hidden)

    @property
    def _where(self) -> str:
        url = place_of(self.url) if isinstance(self.url, str) else "the secret address"
        return f"{self.method} {url}"

    def _secrets(self) -> _Secrets:
        hidden: set[str] = set()
        if isinstance(self.url, str):
            url = self.url
        else:
            url = read_secret(self.url, "address of the webhook")
            hidden.add(url)
            try:
                read_url(url)
            except ValueError as error:
                raise RolloutError(f"address of the webhook: {error}") from None
        headers = {
            name: value if isinstance(value, str) else header_secret(name, value, hidden)
            for name, value in self.headers.items()
        }
        key = read_secret(self.secret, "secret of the webhook") if self.secret else ""
        if key:
            hidden.add(key)
        named = {
            name: read_secret(source, f"secret {name} of the webhook")
            for name, source in self.secrets.items()
        }
        hidden.update(named.values())
        return _Secrets(url=url, key=key, named=named, headers=headers, hidden=frozenset(hidden))

    def _call(self, feedback: Feedback, secrets: _Secrets, now: datetime) -> Call:
        body = self._body(feedback, secrets)
        headers = {
            "Content-Type": self.content_type,
            "User-Agent": "rollwright",
            EVENT_HEADER: feedback.event.value,
            DELIVERY_HEADER: feedback.id,
            **secrets.headers,
        }
        if secrets.key:
            at = str(int(now.timestamp()))
            whole = hmac.digest(secrets.key.encode(), f"{at}.".encode() + body, "sha256").hex()
            headers[self.signature_header] = signed(secrets.key, body)
            headers[TIMESTAMP_HEADER] = at
            headers[SIGNATURE_HEADER] = f"sha256={whole}"
        return Call(method=self.method, url=secrets.url, headers=headers, body=body)

    def _body(self, feedback: Feedback, secrets: _Secrets) -> bytes:
        if self.template is None:
            return orjson.dumps(dict(feedback.machine))
        values = {**feedback.machine, "secrets": secrets.named}
        try:
            return filled(self.template, values).encode()
        except RolloutError as error:
            words = mask(error.message, secrets.hidden | all_forms(secrets.hidden))
            raise RolloutError(words, hint=error.hint) from None
