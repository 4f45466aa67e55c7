"""One HTTP request as plugins send it: options that are checked, an answer that is bounded.

Before: a document names the address, and where secrets are read from.
After: an action, a check or a sink goes by the answer.

No redirect is followed, no cookie kept, no proxy of the environment used: what is sent may hold a
secret, and goes where the document says and nowhere else.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from rollwright.errors import NotFound, excerpt
from rollwright.plugins.options import OPTIONS
from rollwright.plugins.secret_refs import NamedSecret, SecretSource, read_secret

ANSWER_BYTES = 64 * 1024
"""How much of an answer is read."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "host"})


def read_url(value: str) -> str:
    """Return an address that a request may go to.

    Raises:
        ValueError: It is of another scheme, is no address, or holds a password.
    """
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


def read_header(name: str) -> str:
    """Return the name of a header that a document may set.

    Raises:
        ValueError: It is no name, or belongs to how the request is sent.
    """
    if not _TOKEN.fullmatch(name):
        raise ValueError("not the name of a header")
    if name.lower() in _FRAMING:
        raise ValueError(f"the header {name} follows from the request, and cannot be set")
    return name


def _read_header_value(value: Any) -> Any:
    if isinstance(value, str) and not is_one_line(value):
        raise ValueError("a header's value is one line")
    return value


def is_one_line(value: str) -> bool:
    """Whether a text may stand in a header."""
    return not any(character in value for character in "\r\n\0")


Address = Annotated[str, AfterValidator(read_url)]
HeaderName = Annotated[str, AfterValidator(read_header)]
HeaderValue = Annotated[str | NamedSecret, BeforeValidator(_read_header_value)]


class Signature(BaseModel):
    """A header with the HMAC-SHA256 of what is sent, as ``sha256=<hex>``."""

    model_config = OPTIONS

    secret: NamedSecret = Field(description="The key: {env: NAME} or {file: PATH}.")
    header: HeaderName = Field(default="X-Signature-256", description="Name of the header.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request as it is sent; secrets may stand in it."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A status, the headers in lower case, and the beginning of the text."""

    status: int
    text: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_good(self) -> bool:
        """Whether it is of the class 2xx."""
        return 200 <= self.status < 300


async def send(call: Call) -> Answer:
    """Send it once.

    Raises:
        aiohttp.ClientError, OSError: There was no answer; ``broken`` says why.
    """
    from aiohttp import ClientSession, ClientTimeout, DummyCookieJar  # noqa: PLC0415  (0.2 s; only who sends needs it)
    from yarl import URL  # noqa: PLC0415  (comes with aiohttp)

    async with (
        ClientSession(
            trust_env=False, cookie_jar=DummyCookieJar(), timeout=ClientTimeout(total=None)
        ) as session,
        session.request(
            call.method,
            URL(call.url),
            headers=call.headers,
            data=call.body or None,
            allow_redirects=False,
        ) as response,
    ):
        read = bytearray()
        while len(read) < ANSWER_BYTES and (
            part := await response.content.read(ANSWER_BYTES - len(read))
        ):
            read += part
        return Answer(
            status=response.status,
            text=bytes(read).decode("utf-8", "replace"),
            headers={name.lower(): value for name, value in response.headers.items()},
        )


def place_of(url: str) -> str:
    """Return an address without its query, which may hold a token."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{port}{parts.path}"


def broken(error: Exception) -> str:
    """Return why there was no answer; what connects repeats the address in its own words."""
    cause = getattr(error, "os_error", error)
    words = getattr(cause, "strerror", None) or str(cause)
    return excerpt(words) or type(error).__name__


def header_secret(name: str, source: SecretSource, secrets: set[str]) -> str:
    """Return a secret that stands in a header, and add it to those that are hidden.

    Raises:
        NotFound: It is not there, or is more than one line.
    """
    value = read_secret(source, f"header {name}")
    if not is_one_line(value):
        raise NotFound(f"header {name}: the secret is more than one line")
    secrets.add(value)
    return value


def signed(key: str, body: bytes) -> str:
    """Return the HMAC-SHA256 of a body, as ``sha256=<hex>``."""
    return f"sha256={hmac.digest(key.encode(), body, 'sha256').hex()}"
