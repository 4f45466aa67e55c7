"""The public keys of an issuer: from a file, or from where the issuer publishes them.

Before: an option names the issuer. After: ``signed_tokens`` verifies with them.

Published keys are kept for ten minutes, and asked for again when a token names one that is not
among them, but not more often than once a minute: who forges tokens makes no traffic.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import orjson

from rollwright.errors import InvalidDocument, NotFound, Unreachable

KEPT_SECONDS = 600.0
REST_SECONDS = 60.0
TIMEOUT_SECONDS = 5.0
MAX_BYTES = 2**20
DISCOVERY = "/.well-known/openid-configuration"

Keys = tuple[Mapping[str, Any], ...]


@dataclass(slots=True)
class _Published:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    asked_at: float = 0.0
    keys: Keys = ()


_published: dict[str, _Published] = {}


def read_key_file(base: Path, name: str) -> Keys:
    """Return the keys of a JSON Web Key Set; its name starts in ``base``.

    Raises:
        NotFound: There is no such file.
        InvalidDocument: It is no set of keys.
    """
    path = base / Path(name).expanduser()
    try:
        return _keys_of(path.read_bytes(), str(path))
    except OSError as error:
        raise NotFound(
            f"webhook: cannot read the keys in {str(path)!r}: {error.strerror}"
        ) from error


async def published_keys(issuer: str, url: str, key_id: str) -> Keys:
    """Return the keys of an issuer.

    Args:
        issuer: Who publishes them.
        url: Where; empty asks the issuer for that, too.
        key_id: The key that a token names.

    Raises:
        Unreachable: They were never had, and cannot be had now.
    """
    known = _published.setdefault(url or issuer, _Published())
    async with known.lock:
        if not _is_due(known, key_id):
            return known.keys
        known.asked_at = monotonic()
        try:
            known.keys = await _ask(issuer, url)
        except (Unreachable, InvalidDocument):
            if not known.keys:
                raise
    return known.keys


def _is_due(known: _Published, key_id: str) -> bool:
    age = monotonic() - known.asked_at
    if not known.asked_at or age > KEPT_SECONDS:
        return True
    is_there = any(key.get("kid") == key_id for key in known.keys)
    return not is_there and age > REST_SECONDS


async def _ask(issuer: str, url: str) -> Keys:
    if not url:
        place = issuer.rstrip("/") + DISCOVERY
        url = _keys_place(await _get(place))
        if not may_be_asked(url):
            raise InvalidDocument(f"webhook: {place} names no place of keys")
    return _keys_of(await _get(url), url)


def _keys_place(text: bytes) -> str:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return ""
    place = found.get("jwks_uri") if isinstance(found, dict) else None
    return place if isinstance(place, str) else ""


async def _get(url: str) -> bytes:
    import aiohttp  # noqa: PLC0415  (only published keys need it)

    limit = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=limit) as session,
            session.get(url, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                raise Unreachable(f"webhook: {url} answers {answer.status}")
            body = bytearray()
            async for part in answer.content.iter_chunked(65_536):
                body += part
                if len(body) > MAX_BYTES:
                    raise Unreachable(f"webhook: {url} answers with more than {MAX_BYTES} bytes")
            return bytes(body)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Unreachable(f"webhook: {url} does not answer: {type(error).__name__}") from error


def may_be_asked(url: str) -> bool:
    """Whether an address is https, or this machine's own."""
    from rollwright.plugins.git.address import is_loopback  # noqa: PLC0415  (few need it)

    return url.startswith("https://") or is_loopback(url)


def _keys_of(text: bytes, where: str) -> Keys:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        found = None
    keys = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(keys, list) or not all(isinstance(one, dict) for one in keys):
        raise InvalidDocument(f"webhook: {where} holds no JSON Web Key Set")
    return tuple(keys)
