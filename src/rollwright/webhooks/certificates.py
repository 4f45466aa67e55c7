"""The certificate of the receiver, which may be renewed while it is open.

Before: ``[webhooks]`` names a certificate and its key. After: ``server`` answers with https.

Whoever renews certificates changes the files and tells nobody, so they are looked at now and then.
One that does not fit changes nothing: those that were good are used on.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rollwright.errors import Unreachable

LOOK_SECONDS = 10.0
_ALPN = ("http/1.1",)


@dataclass(kw_only=True)
class Certificates:
    """A certificate with its key, and what connections are made with.

    Attributes:
        chain: File of the certificate, and of those between it and its root.
        key: File of the private key.
        context: What connections are made with; new ones use what was loaded last.

    Raises:
        Unreachable: They cannot be used.
    """

    chain: Path
    key: Path
    context: ssl.SSLContext = field(init=False)
    _seen: tuple[object, ...] = ()

    def __post_init__(self) -> None:
        """Load them for the first time."""
        self.context = self._loaded()
        self._seen = self._marks()

    def renew(self) -> bool:
        """Load them again if they were changed; return whether they were.

        Raises:
            Unreachable: What is there now cannot be used.
        """
        marks = self._marks()
        if marks == self._seen:
            return False
        self._loaded()  # both fit together, or nothing is changed
        self._load_into(self.context)
        self._seen = marks
        return True

    def _loaded(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(_ALPN)
        self._load_into(context)
        return context

    def _load_into(self, context: ssl.SSLContext) -> None:
        try:
            context.load_cert_chain(self.chain, self.key, password=_no_password)
        except (OSError, ValueError) as error:
            raise Unreachable(
                f"cannot use the certificate {str(self.chain)!r} with the key {str(self.key)!r}:"
                f" {_words_of(error)}",
                hint="correct [webhooks] certificate and certificateKey in site.toml",
                retryable=False,
            ) from None

    def _marks(self) -> tuple[object, ...]:
        """Return what tells one state of the files from another."""
        found: list[object] = []
        for path in (self.chain, self.key):
            try:
                seen = path.stat()
            except OSError:
                found.append(None)
            else:
                found += [seen.st_ino, seen.st_size, seen.st_mtime_ns]
        return tuple(found)


async def keep_fresh(
    certificates: Certificates, tell: Callable[[str], None], *, every: float = LOOK_SECONDS
) -> None:
    """Look at the files for ever; what cannot be used is told once."""
    told = ""
    while True:
        await asyncio.sleep(every)
        try:
            is_new = await asyncio.to_thread(certificates.renew)
        except Unreachable as error:
            if error.message != told:
                tell(f"webhooks: {error.message}; the former one is used on")
            told = error.message
        else:
            told = ""
            if is_new:
                tell("webhooks: the new certificate is used")


def _no_password() -> str:
    # Without this a key with a password would be asked for at the terminal.
    raise ValueError("the key has a password; take it off")


def _words_of(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "it is no certificate in PEM form").replace("_", " ").lower()
    return (error.strerror if isinstance(error, OSError) else "") or str(error)
