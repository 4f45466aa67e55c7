"""The user's cache of chart archives: each under its SHA-256, and which one a version was.

An exact version is fetched once. Whoever moves it elsewhere is not followed: to fetch it anew,
remove the cache folder, or give ``digest``.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from rollwright.errors import RenderError
from rollwright.renderers.helm.program import cache_folder
from rollwright.renderers.helm.remote import Remote

_DIGEST = re.compile(rb"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A chart that was fetched: where it lies, and its SHA-256."""

    path: Path
    digest: str


def digest_of(content: bytes) -> str:
    """Return ``sha256:…`` of an archive."""
    return f"sha256:{sha256(content).hexdigest()}"


def find(remote: Remote) -> Archive | None:
    """Return what was fetched before, if nothing else can be meant."""
    digest = remote.digest or (_remembered(remote) if remote.is_exact else "")
    if not digest:
        return None
    path = _path(digest)
    try:
        is_whole = _is_ours() and digest_of(path.read_bytes()) == digest
    except OSError:
        return None
    return Archive(path=path, digest=digest) if is_whole else None


def keep(remote: Remote, content: bytes) -> Archive:
    """Put an archive into the cache.

    Raises:
        RenderError: The cache cannot be written.
    """
    digest = digest_of(content)
    try:
        _write(_path(digest), content)
        if not _is_ours():
            raise PermissionError(f"others may write into {_folder()}")
        if remote.is_exact:
            _write(_note(remote), digest.encode())
    except OSError as error:
        raise RenderError(f"cannot keep the chart {remote.title}: {error}") from error
    return Archive(path=_path(digest), digest=digest)


def _remembered(remote: Remote) -> str:
    try:
        text = _note(remote).read_bytes().strip()
    except OSError:
        return ""
    return text.decode() if _DIGEST.fullmatch(text) else ""


def _is_ours() -> bool:
    """Whether nobody else can put something there that would be applied."""
    info = _folder().stat()
    return info.st_uid == os.geteuid() and not info.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _folder() -> Path:
    return cache_folder() / "charts"


def _path(digest: str) -> Path:
    return _folder() / f"{digest.replace(':', '-')}.tgz"


def _note(remote: Remote) -> Path:
    asked = "\0".join((remote.repo.rstrip("/"), remote.chart, remote.version))
    return _folder() / "versions" / sha256(asked.encode()).hexdigest()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file, name = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(file, "wb") as stream:
            stream.write(content)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
