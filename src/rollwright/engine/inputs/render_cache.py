"""Rendered sets that are kept on this machine: what did not change is not rendered again (RE-03).

Before: ``render_keys`` said what a rendering depends on.
After: ``renders`` takes what is kept, or renders and keeps.

The folder is ``$XDG_CACHE_HOME/rollwright/renders``, for its owner alone. Records are found by a
keyed digest, so that their names tell nobody a value; each is written whole or not at all, and one
that cannot be read, or was changed without the key, counts as none, so that several processes
need no lock. A record with Secrets is sealed: the key lies outside of the cache, in
``$XDG_STATE_HOME``, and whoever gets a copy of the folder gets no Secret. ``[rendering]
cacheSecrets = false`` keeps such sets out of it, ``cache = false`` keeps nothing at all. The
oldest records go when there is too much.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path

import orjson

MAX_BYTES = 512 * 2**20
MAX_AGE_SECONDS = 30 * 86_400
MAX_RECORD_BYTES = 128 * 2**20
KEY_BYTES = 32
_NONCE_BYTES = 12
_MAC_BYTES = 32
_PLAIN, _SEALED = b"R2", b"S1"
_FRESH_SECONDS = 3600
_TEMPORARY = ".new-"


class RenderCache:
    """The folder of kept renderings.

    Args:
        folder: Where records are.
        key_file: Where the key of digests and seals is; made when it is first needed.
        max_bytes: How much may be kept.
    """

    def __init__(self, folder: Path, key_file: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self._folder, self._key_file, self._max_bytes = folder, key_file, max_bytes

    def digest(self, *parts: bytes) -> str:
        """Return a digest that nobody without the key can guess back into what was given."""
        whole = hmac.new(self._key, digestmod="sha256")
        for part in parts:
            whole.update(len(part).to_bytes(8, "big"))
            whole.update(part)
        return whole.hexdigest()

    def digest_of(self, value: object) -> str:
        """Return the digest of a JSON value."""
        return self.digest(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))

    def read(self, name: str) -> bytes | None:
        """Return what is kept under a name, ``None`` if nothing usable is."""
        path = self._path(name)
        try:
            content = path.read_bytes()
            opened = self._opened(content, name)
        except (OSError, ValueError, ImportError):
            return None
        with suppress(OSError):  # it was of use: it stays longer than others
            if time.time() - path.stat().st_mtime > _FRESH_SECONDS:
                os.utime(path)
        return opened

    def write(self, name: str, content: bytes, *, is_secret: bool = False) -> bool:
        """Keep something; whatever hinders that is no failure of the rendering."""
        try:
            whole = (self._sealed if is_secret else self._signed)(content, name)
            if len(whole) > MAX_RECORD_BYTES:
                return False
            self._put(self._path(name), whole)
            self._tidy()
        except (OSError, ImportError):
            return False
        return True

    def forget(self, name: str) -> None:
        """Drop a record."""
        with suppress(OSError):
            self._path(name).unlink()

    @cached_property
    def _key(self) -> bytes:
        known = self._read_key()
        if known is None:
            self._put(self._key_file, secrets.token_bytes(KEY_BYTES), keep=True)
            known = self._read_key()
        # Nothing can be kept: a key of this process alone finds nothing, and tells nothing.
        return known or secrets.token_bytes(KEY_BYTES)

    def _read_key(self) -> bytes | None:
        try:
            found = self._key_file.read_bytes()
        except OSError:
            return None
        return found if len(found) == KEY_BYTES else None

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / name[2:]

    def _put(self, path: Path, content: bytes, *, keep: bool = False) -> None:
        """Write a file whole or not at all; ``keep`` leaves one that is there already."""
        with suppress(OSError):
            home = self._folder if path.is_relative_to(self._folder) else path.parent
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            _refuse_foreign(home)
            handle, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=path.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                if keep and _is_key(path):
                    return
                Path(name).replace(path)
            finally:
                Path(name).unlink(missing_ok=True)

    def _signed(self, content: bytes, name: str) -> bytes:
        return _PLAIN + self._mac(content, name) + content

    def _unchanged(self, signed: bytes, name: str) -> bytes:
        """Return what was signed; what anybody changed since would be applied."""
        content = signed[_MAC_BYTES:]
        if not hmac.compare_digest(signed[:_MAC_BYTES], self._mac(content, name)):
            raise ValueError("not signed with our key")
        return content

    def _mac(self, content: bytes, name: str) -> bytes:
        return bytes.fromhex(self.digest(b"record", name.encode(), content))

    def _sealed(self, content: bytes, name: str) -> bytes:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  (slow)

        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _SEALED + nonce + AESGCM(self._sealing_key).encrypt(nonce, content, name.encode())

    def _opened(self, content: bytes, name: str) -> bytes:
        mark, rest = content[:2], content[2:]
        if mark == _PLAIN:
            return self._unchanged(rest, name)
        if mark != _SEALED:
            raise ValueError("not a record")
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415  (slow)
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  (slow)

        nonce, sealed = rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]
        try:
            return AESGCM(self._sealing_key).decrypt(nonce, sealed, name.encode())
        except InvalidTag as error:
            raise ValueError("not sealed with our key") from error

    @property
    def _sealing_key(self) -> bytes:
        return hmac.digest(self._key, b"seal", "sha256")

    def _tidy(self) -> None:
        """Drop what is too old, then the oldest beyond the bound."""
        found = sorted(_records(self._folder), reverse=True)
        oldest, size = time.time() - MAX_AGE_SECONDS, 0
        for used_at, path, length in found:
            size += length
            is_left_over = path.name.startswith(_TEMPORARY) and used_at < time.time() - 600
            if used_at < oldest or size > self._max_bytes or is_left_over:
                with suppress(OSError):
                    path.unlink()


def _records(folder: Path) -> list[tuple[float, Path, int]]:
    found = []
    for path in folder.glob("*/*"):
        with suppress(OSError):
            info = path.lstat()
            if stat.S_ISREG(info.st_mode):
                found.append((info.st_mtime, path, info.st_size))
    return found


def _refuse_foreign(folder: Path) -> None:
    """Refuse a folder that others may write into: what they put there would be applied."""
    info = folder.stat()
    if info.st_uid != os.geteuid() or info.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(f"{folder} belongs to others")


def _is_key(path: Path) -> bool:
    try:
        return path.stat().st_size == KEY_BYTES
    except OSError:
        return False


def open_cache(environ: Mapping[str, str]) -> RenderCache | None:
    """Return this user's cache; ``None`` where there is no home, or others may write into it."""
    cache, state = (
        _home(environ, "XDG_CACHE_HOME", ".cache"),
        _home(environ, "XDG_STATE_HOME", ".local/state"),
    )
    if cache is None or state is None:
        return None
    folder = cache / "rollwright" / "renders"
    try:
        if folder.exists():
            _refuse_foreign(folder)
    except OSError:
        return None
    return RenderCache(folder, state / "rollwright" / "renders.key")


def _home(environ: Mapping[str, str], variable: str, beside: str) -> Path | None:
    named, home = environ.get(variable, ""), environ.get("HOME", "")
    if named and Path(named).is_absolute():
        return Path(named)
    return Path(home) / beside if home else None
