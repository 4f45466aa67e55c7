"""Who we are to an API server, now: headers and a client certificate that may change.

Before: ``auth`` found what the kubeconfig's user has.
After: ``transport`` asks before every request, and once more after a 401.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Protocol, TypeAlias

from rollwright.errors import Unauthorized
from rollwright.kube.retry import Timing
from rollwright.kube.tls import ClientCertificate

Headers: TypeAlias = tuple[tuple[str, str], ...]
"""Pairs, since Impersonate-Group may stand several times."""

TOKEN_FILE_AGE = 60.0
"""Seconds after which a token file is read again; the kubelet renews it long before its end."""

EARLY = timedelta(minutes=1)
"""How long before their end credentials are asked for again."""

PROVIDER_TIMEOUT = 120.0
"""Seconds that a credential plugin may take, a person at its login page included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a request carries. The same object until something changes."""

    headers: Headers = field(default=(), repr=False)
    certificate: ClientCertificate | None = None


class Credentials(Protocol):
    """Gives the identity that counts now."""

    async def current(self) -> Identity:
        """Return it; raises ``Unauthorized`` when none can be had."""
        ...

    async def refresh(self, refused: Identity) -> bool:
        """Look for another one after a 401; return whether there is one to try."""
        ...


@dataclass(frozen=True, slots=True)
class FixedCredentials:
    """A token, a password or a certificate that stands in the kubeconfig."""

    identity: Identity

    async def current(self) -> Identity:
        """Return it."""
        return self.identity

    async def refresh(self, refused: Identity) -> bool:
        """Say that there is nothing else to try."""
        return self.identity is not refused


class TokenFile:
    """A token in a file that somebody else renews, read again every minute."""

    def __init__(
        self, path: Path, base: Identity, *, fallback: str = "", timing: Timing | None = None
    ) -> None:
        self._path, self._base, self._fallback = path, base, fallback
        self._clock = (timing or Timing()).clock
        self._token = ""
        self._identity: Identity | None = None
        self._read_at = 0.0

    async def current(self) -> Identity:
        """Return the identity with the token of the file."""
        if self._identity is None or self._clock() - self._read_at >= TOKEN_FILE_AGE:
            self._identity = self._read()
        return self._identity

    async def refresh(self, refused: Identity) -> bool:
        """Read the file at once."""
        self._identity = self._read()
        return self._identity is not refused

    def _read(self) -> Identity:
        token = self._text() or self._token or self._fallback
        if not token:
            raise Unauthorized(
                f"{self._path}: no token",
                hint="check tokenFile of the kubeconfig's user, or the service account's mount",
            )
        self._read_at = self._clock()
        if self._identity is not None and token == self._token:
            return self._identity
        self._token = token
        return with_bearer(self._base, token)

    def _text(self) -> str:
        try:
            return self._path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provided:
    """What a credential plugin gave; ``expires_at`` is ``None`` when it did not say."""

    headers: Headers = field(default=(), repr=False)
    certificate: ClientCertificate | None = None
    expires_at: datetime | None = None


class ProvidedCredentials:
    """What a credential plugin gives, asked again before its end and after a 401.

    Args:
        provide: Asks the plugin; blocks, so it runs in a thread of its own.
        base: Headers and certificate that the kubeconfig has beside.
        timing: Clocks.
    """

    def __init__(
        self, provide: Callable[[], Provided], base: Identity, *, timing: Timing | None = None
    ) -> None:
        self._provide, self._base = provide, base
        self._now = (timing or Timing()).now
        self._lock = asyncio.Lock()
        self._identity: Identity | None = None
        self._renew_at: datetime | None = None
        self._expires_at: datetime | None = None

    async def current(self) -> Identity:
        """Return the identity; while the old one is good, a plugin that fails does no harm."""
        if self._identity is not None and not self._is_due():
            return self._identity
        async with self._lock:
            if self._identity is None or self._is_due():
                await self._renew()
        if self._identity is None:
            raise Unauthorized("the credential plugin gave nothing")
        return self._identity

    async def refresh(self, refused: Identity) -> bool:
        """Ask the plugin, unless somebody else just did."""
        async with self._lock:
            if self._identity is refused:
                await self._ask()
        return self._identity is not refused

    def _is_due(self) -> bool:
        return self._renew_at is not None and self._now() >= self._renew_at

    async def _renew(self) -> None:
        try:
            await self._ask()
        except Unauthorized:
            now = self._now()
            if self._identity is None or self._expires_at is None or now >= self._expires_at:
                raise
            self._renew_at = now + (self._expires_at - now) / 2

    async def _ask(self) -> None:
        asked_at = self._now()
        provided = await _in_thread(self._provide)
        self._expires_at = provided.expires_at
        self._renew_at = None
        if provided.expires_at is not None:
            life = max(provided.expires_at - asked_at, timedelta())
            self._renew_at = provided.expires_at - min(EARLY, life / 5)
        self._identity = Identity(
            headers=self._base.headers + provided.headers,
            certificate=provided.certificate or self._base.certificate,
        )


def with_bearer(base: Identity, token: str) -> Identity:
    """Return the identity with a bearer token."""
    return Identity(
        headers=(*base.headers, ("Authorization", f"Bearer {token}")),
        certificate=base.certificate,
    )


def impersonation(
    user: str,
    uid: str = "",
    groups: tuple[str, ...] = (),
    extra: Mapping[str, object] | None = None,
) -> Headers:
    """Return the headers of acting as somebody else.

    Raises:
        Unauthorized: Groups without a user, which the server refuses too.
    """
    if not user:
        if uid or groups or extra:
            raise Unauthorized("impersonation names groups, a UID or extras, but no user")
        return ()
    pairs = [("Impersonate-User", user)]
    pairs += [("Impersonate-Uid", uid)] if uid else []
    pairs += [("Impersonate-Group", group) for group in groups]
    for key, values in (extra or {}).items():
        listed = values if isinstance(values, list | tuple) else (values,)
        pairs += [(f"Impersonate-Extra-{_header_key(key)}", str(value)) for value in listed]
    return tuple(pairs)


def _header_key(key: str) -> str:
    """Percent-encode what no header name may hold, as the server decodes it."""
    safe = "!#$&'*+-.^_`|~"
    return "".join(
        char
        if char.isascii() and (char.isalnum() or char in safe)
        else "".join(f"%{byte:02X}" for byte in char.encode())
        for char in key
    )


async def _in_thread(provide: Callable[[], Provided]) -> Provided:
    """Run a plugin that may hang: a daemon thread does not hold up the end of the process."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Provided] = loop.create_future()

    def tell(result: Provided | BaseException) -> None:
        if answer.done():
            return
        if isinstance(result, BaseException):
            answer.set_exception(result)
        else:
            answer.set_result(result)

    def run() -> None:
        result: Provided | BaseException
        try:
            result = provide()
        except BaseException as error:  # noqa: BLE001  (handed to the waiting task)
            result = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell, result)

    Thread(target=run, name="rollwright-credentials", daemon=True).start()
    try:
        return await asyncio.wait_for(answer, PROVIDER_TIMEOUT)
    except TimeoutError as error:
        raise Unauthorized(
            f"the credential plugin gave no answer within {PROVIDER_TIMEOUT:.0f} s"
        ) from error
