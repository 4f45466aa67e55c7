"""The key of an installation: what makes digests of Secrets impossible to guess.

Before: ``site.toml`` names a key of its own, or the store keeps one, or this is the first run.
After: ``rendering`` and ``read`` lay it on the Secrets they find; ``begin`` keeps a new one.

A plan writes nothing: before the first run a key is made up for this process alone, and two
plans of different processes can then not be compared by their Secrets.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from rollwright.engine.site_file import KeySource, LoadedSite
from rollwright.errors import NotFound
from rollwright.plugins.blocks import secret_of_block
from rollwright.plugins.contracts import StateStore

AskSalt: TypeAlias = Callable[[], Awaitable[str]]
"""Gives the key as a salt; asked only where there are Secrets."""

KEY_BYTES = 32


async def no_salt() -> str:
    """Know no key: for commands that need no cluster, and remember nothing."""
    return ""


class Keys:
    """The keys that one site uses, one per cluster; asked for once each."""

    def __init__(self, loaded: LoadedSite) -> None:
        self._loaded = loaded
        self._declared = ""
        self._known: dict[str, bytes] = {}
        self._new: dict[str, bytes] = {}

    def declared(self) -> str:
        """Return the salt that ``site.toml`` declares; empty if it declares none.

        Raises:
            NotFound: The variable or file that it names is not there, or empty.
        """
        source = self._loaded.file.site.key
        if source is None:
            return ""
        if source.block is None or not self._declared:  # a block is asked for once
            self._declared = _salt_of(_read(source, self._loaded, os.environ))
        return self._declared

    async def salt(self, cluster: str, store: StateStore) -> str:
        """Return what the store keeps, or what is kept by the first run; writes nothing."""
        if cluster not in self._known and (kept := await store.key()):
            self._known[cluster] = kept
        made = self._new.setdefault(cluster, _make_key())
        return _salt_of(self._known.get(cluster, made))

    async def keep(self, cluster: str, store: StateStore) -> str:
        """Return the salt after its key is kept in the store."""
        await self.salt(cluster, store)
        if cluster not in self._known:
            self._known[cluster] = await store.put_key(self._new[cluster])
        return _salt_of(self._known[cluster])


def _make_key() -> bytes:
    # Text, so that a person can hand it to another machine in a variable.
    return secrets.token_hex(KEY_BYTES).encode()


def _salt_of(key: bytes) -> str:
    return key.hex()


def _read(source: KeySource, loaded: LoadedSite, environ: Mapping[str, str]) -> bytes:
    if source.block is not None:
        return secret_of_block(source.block, "site key").strip().encode()
    if source.env is not None:
        what, text = f"variable {source.env}", environ.get(source.env)
        key = None if text is None else text.encode()
    else:
        path = loaded.resolve(source.file or "")
        what, key = f"file {str(path)!r}", _read_file(path)
    if key is None:
        raise NotFound(f"site key: {what} is not there", hint="it is named by [site] key")
    if not key.strip():
        raise NotFound(f"site key: {what} is empty", hint="a key is a long random text")
    return key.strip()


def _read_file(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise NotFound(f"site key: cannot read {str(path)!r}: {error.strerror}") from error
