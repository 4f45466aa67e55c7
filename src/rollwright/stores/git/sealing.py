"""What the git store seals: bytes that hold values of Secrets, and the installation's key.

A history is copied to every machine that fetches it and forgets nothing, so what it holds must be
worth nothing without a key that is kept elsewhere. AES-256 in Galois/Counter mode; the key is
derived from the configured text. The place a text was sealed for is bound to it: it cannot be
passed off as another rollout's. See docs/decisions/0007-secrets-in-a-git-store.md.
"""

from __future__ import annotations

import hmac
import os
from dataclasses import dataclass, field

from rollwright.errors import InvalidDocument

MAGIC = b"rollwright-sealed-1"
SHORTEST_KEY = 32
_NONCE = 12


@dataclass(frozen=True, slots=True)
class SealingKey:
    """One key, derived; ``mark`` names it without telling it."""

    secret: bytes = field(repr=False)
    masking: str = field(repr=False)
    mark: str


def derive(text: str, *, what: str) -> SealingKey:
    """Return the key that a configured text stands for.

    Raises:
        InvalidDocument: The text is so short that it could be guessed.
    """
    if len(text) < SHORTEST_KEY:
        raise InvalidDocument(
            f"git store: {what} has {len(text)} characters, expected {SHORTEST_KEY} or more",
            hint="make one with `openssl rand -hex 32`, and keep it outside of git",
        )
    return SealingKey(
        secret=_part(text, b"seal"),
        masking=_part(text, b"mask").hex(),
        mark=_part(text, b"mark")[:6].hex(),
    )


def _part(text: str, purpose: bytes) -> bytes:
    # The text is random and long, so one keyed digest a purpose is a sound derivation.
    return hmac.digest(text.encode(), b"rollwright git store: " + purpose, "sha256")


def seal(key: SealingKey, data: bytes, *, purpose: str) -> bytes:
    """Return bytes that only the key opens, for the same purpose."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  (slow)

    nonce = os.urandom(_NONCE)
    sealed = AESGCM(key.secret).encrypt(nonce, data, purpose.encode())
    return b"%s %s\n%s%s" % (MAGIC, key.mark.encode(), nonce, sealed)


def unseal(keys: tuple[SealingKey, ...], sealed: bytes, *, purpose: str, where: str) -> bytes:
    """Return what was sealed.

    Raises:
        InvalidDocument: It is damaged, not ours, or sealed with a key that is not here.
    """
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415  (slow)
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  (slow)

    head, _, rest = sealed.partition(b"\n")
    magic, _, mark = head.partition(b" ")
    if magic != MAGIC or len(rest) < _NONCE:
        raise InvalidDocument(
            f"{where}: damaged, or not sealed by Rollwright",
            hint="restore it from the history of the branch",
        )
    key = next((one for one in keys if one.mark.encode() == mark), None)
    if key is None:
        raise InvalidDocument(
            f"{where}: sealed with key {mark.decode(errors='replace')[:24]!r}; here is"
            f" {', '.join(one.mark for one in keys) or 'none'}",
            hint="name that key as `key` of the store, or among its `formerKeys`",
        )
    try:
        return AESGCM(key.secret).decrypt(rest[:_NONCE], rest[_NONCE:], purpose.encode())
    except InvalidTag as error:
        raise InvalidDocument(
            f"{where}: damaged: what is sealed in it was changed, or is another's",
            hint="restore it from the history of the branch",
        ) from error
