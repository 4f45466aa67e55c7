"""What an API server, or something in its place, said no with: a ``ClusterError`` for people.

Before: ``transport`` got an answer of 3xx, 4xx or 5xx, or one that is no JSON.
After: ``engine`` tells a person, or decides by status, reason and causes.

Server messages quote what they refuse. Of Secrets nothing is repeated but names of fields and
managers; of all others an excerpt.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

import msgspec

from rollwright.errors import (
    EXCERPT_LENGTH,
    ApplyConflict,
    Cause,
    ClusterError,
    Unauthorized,
    excerpt,
)
from rollwright.kube.request import Call, Request

T = TypeVar("T")

CONFLICT = "FieldManagerConflict"
NO_SUCH_PATH = "NoSuchPath"
"""Our reason for a 404 that is about the kind, not about an object."""

_RETRYABLE = frozenset({429, 500, 502, 503, 504})
_IMMUTABLE = re.compile(r"immutable|updates to .* are forbidden", re.IGNORECASE)
_DENIED = re.compile(
    r'(?P<kind>User|ServiceAccount|user) "(?P<user>[^"]*)" cannot (?P<verb>\w+) '
    r'resource "(?P<resource>[^"]*)"(?: in API group "(?P<group>[^"]*)")?'
    r'(?: in the namespace "(?P<namespace>[^"]*)")?'
)
_MISFIT = re.compile(
    r"Kind=Secret\): (\.[^\s:]+): (expected (?:string|map|list|boolean|numeric[^,]*)"
    r"|field not declared in schema)(?:,|$)"
)
_NO_BASE64 = re.compile(r"illegal base64 data at input byte \d+")
_MARKUP = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.DOTALL | re.IGNORECASE)


class _Cause(msgspec.Struct):
    reason: str = ""
    field: str = ""
    message: str = ""


class _Details(msgspec.Struct, rename="camel"):
    name: str = ""
    causes: list[_Cause] | None = None
    retry_after_seconds: float | None = None


class Status(msgspec.Struct):
    """A Kubernetes Status, as far as anybody here reads it."""

    kind: str = ""
    message: str = ""
    reason: str = ""
    code: int = 0
    details: _Details | None = None

    @property
    def causes(self) -> tuple[Cause, ...]:
        """``details.causes``, with messages as long as they come."""
        found = (self.details and self.details.causes) or ()
        return tuple(Cause(reason=c.reason, field=c.field, message=c.message) for c in found)

    @property
    def retry_after_seconds(self) -> float | None:
        """What the server asked for, if it did."""
        return self.details.retry_after_seconds if self.details else None

    @property
    def is_about_object(self) -> bool:
        """Whether an object is named, and not a path that leads nowhere."""
        return self.details is not None and bool(self.details.name)

    @property
    def is_webhook_failure(self) -> bool:
        """Whether an admission webhook, not the server, did not answer."""
        return "failed calling webhook" in self.message

    @property
    def is_final(self) -> bool:
        """Whether asking again in a moment would be answered the same.

        NB: an apply that does not fit the schema is refused with 500 and without a reason.
        """
        return self.is_webhook_failure or (self.code == 500 and not self.reason)

    @property
    def is_storage_failure(self) -> bool:
        """Whether the server's own store did not answer it (RT-01).

        NB: a Service whose address cannot be noted meanwhile is told to be invalid, with 422.
        """
        return any(words in self.message for words in _OF_STORAGE)


_OF_STORAGE = (
    "rpc error: code = Unavailable",
    "etcdserver: leader changed",
    "etcdserver: request timed out",
)

_STATUS = msgspec.json.Decoder(Status)


def read_status(body: bytes) -> Status | None:
    """Return the Status of an answer, ``None`` if it is something else."""
    try:
        status = _STATUS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return status if status.kind == "Status" else None


def refusal(
    request: Request, code: int, body: bytes, *, retry_after_seconds: float | None = None
) -> ClusterError | Unauthorized:
    """Return the error for an answer that is no success."""
    status = read_status(body)
    if code == 401:
        return Unauthorized(
            f"{request.subject}: {request.call} refused: the server does not know us (401)",
            hint="check the credentials of the kubeconfig's user; a token may have ended",
        )
    if status is None:
        return _foreign(request, code, body, retry_after_seconds)
    return _of_status(request, code, status, retry_after_seconds)


def not_json(request: Request, body: bytes, error: Exception) -> ClusterError:
    """Return the error for a success whose body is not what Kubernetes sends."""
    said = "" if request.is_secret else f"; it begins: {_plain(body, 80)!r}"
    return ClusterError(
        f"{request.subject}: {request.call}: the answer cannot be read: {excerpt(str(error))}{said}",
        status=200,
        reason="UnreadableAnswer",
        hint="is the server of the kubeconfig an API server, or a page before it?",
    )


def decode(parse: Callable[[bytes], T], body: bytes, request: Request) -> T:
    """Parse an answer; what cannot be parsed is a ``ClusterError``."""
    try:
        return parse(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise not_json(request, body, error) from error


def _of_status(
    request: Request, code: int, status: Status, retry_after_seconds: float | None
) -> ClusterError:
    causes = tuple(_told(request, cause) for cause in status.causes)
    is_conflict = code == 409 and any(cause.reason == CONFLICT for cause in causes)
    make = ApplyConflict if is_conflict else ClusterError
    return make(
        f"{request.subject}: {request.call} refused: {_message(request, status, causes)}",
        status=code,
        reason=NO_SUCH_PATH if code == 404 and not status.is_about_object else status.reason,
        causes=causes,
        retry_after_seconds=retry_after_seconds,
        hint=_hint(code, status),
        retryable=code in _RETRYABLE and not (code == 500 and not status.reason),
    )


def _message(request: Request, status: Status, causes: tuple[Cause, ...]) -> str:
    if not request.is_secret:
        return excerpt(status.message) or status.reason or "no reason given"
    denied = _DENIED.search(status.message)
    if denied:
        return f"{status.reason}: {denied.group(0)}"
    fields = ", ".join(sorted({cause.field for cause in causes if cause.field}))
    immutable = "field is immutable" if _IMMUTABLE.search(status.message) else ""
    told = " ".join(part for part in (immutable, f"({fields})" if fields else "") if part)
    told = told or _schema_words(status.message)
    reason = status.reason or ("" if told else "no reason given")
    return ": ".join(part for part in (reason, told) if part)


def _schema_words(message: str) -> str:
    """Return what a schema or a decoder says of a field, without the value that it quotes."""
    if found := _MISFIT.search(message):
        return f"{_field_only(found[1])}: {found[2]}"
    found = _NO_BASE64.search(message)
    return found[0] if found else ""


def _told(request: Request, cause: Cause) -> Cause:
    if not request.is_secret or cause.reason == CONFLICT:
        return Cause(reason=cause.reason, field=cause.field, message=_middle(cause.message))
    told = "field is immutable" if _IMMUTABLE.search(cause.message) else ""
    return Cause(reason=cause.reason, field=_field_only(cause.field), message=told)


def _field_only(field: str) -> str:
    # NB: "data[password]" names a key; anything longer may be a value in the place of a name.
    return field if len(field) <= 128 else "…"


def _middle(text: str) -> str:
    """Cut the middle: a cause begins with the value and ends with what is wrong with it."""
    line = " ".join(text.split())
    half = EXCERPT_LENGTH // 2
    return line if len(line) <= EXCERPT_LENGTH else f"{line[:half]}…{line[1 - half :]}"


def _hint(code: int, status: Status) -> str | None:
    if code == 403:
        return _permission(status.message)
    if status.is_webhook_failure:
        return "the admission webhook did not answer: look at its pods and its service"
    if code == 409 and any(cause.reason == CONFLICT for cause in status.causes):
        return "leave the field to its manager, or apply with force"
    if code == 429:
        return "the server is busy and asked to wait for longer than we do; try later"
    return None


def _permission(message: str) -> str | None:
    denied = _DENIED.search(message)
    if denied is None:
        return None
    group = f".{denied['group']}" if denied["group"] else ""
    place = f"in namespace {denied['namespace']!r}" if denied["namespace"] else "in the cluster"
    return (
        f"grant {denied['user']!r} the verb {denied['verb']!r} on"
        f" {denied['resource']}{group} {place}"
    )


def _foreign(
    request: Request, code: int, body: bytes, retry_after_seconds: float | None
) -> ClusterError:
    # Of a Secret nothing: who answers here may quote the request.
    text = "" if request.is_secret else _plain(body, EXCERPT_LENGTH)
    said = f": {text}" if text else ""
    is_api = request.call is Call.DISCOVERY or code in {404, 429, 503}
    return ClusterError(
        f"{request.subject}: {request.call} refused: HTTP {code}{said}",
        status=code,
        reason=NO_SUCH_PATH if code == 404 else "",
        retry_after_seconds=retry_after_seconds,
        hint=None if is_api else "this is no answer of an API server: is a proxy in between?",
        retryable=code in _RETRYABLE,
    )


def _plain(body: bytes, length: int) -> str:
    text = body[:65536].decode("utf-8", errors="replace")
    return excerpt(_MARKUP.sub(" ", text), length)
