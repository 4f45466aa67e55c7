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
from rollwright.plugins.cache_folders import CacheFolder, writable
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
    # NB: what lies in a folder that cannot be written any more is still good.
    folders = dict.fromkeys((_kept_folder(), _folder().path))
    return next(filter(None, (_found(folder, remote) for folder in folders)), None)


def note() -> str:
    """Return what to tell people of the folder; empty if archives are kept."""
    return _folder().note


def _found(folder: Path, remote: Remote) -> Archive | None:
    digest = remote.digest or (_remembered(folder, remote) if remote.is_exact else "")
    if not digest:
        return None
    path = _path(folder, digest)
    try:
        is_whole = _is_ours(folder) and digest_of(path.read_bytes()) == digest
    except OSError:
        return None
    return Archive(path=path, digest=digest) if is_whole else None


def keep(remote: Remote, content: bytes) -> Archive:
    """Put an archive into the cache.

    Raises:
        RenderError: The cache cannot be written.
    """
    digest, folder = digest_of(content), _folder().path
    try:
        _write(_path(folder, digest), content)
        if not _is_ours(folder):
            raise PermissionError(f"others may write into {folder}")
        if remote.is_exact:
            _write(_note(folder, remote), digest.encode())
    except OSError as error:
        raise RenderError(f"cannot keep the chart {remote.title}: {error}") from error
    return Archive(path=_path(folder, digest), digest=digest)


def _remembered(folder: Path, remote: Remote) -> str:
    try:
        text = _note(folder, remote).read_bytes().strip()
    except OSError:
        return ""
    return text.decode() if _DIGEST.fullmatch(text) else ""


def _is_ours(folder: Path) -> bool:
    """Whether nobody else can put something there that would be applied."""
    info = folder.stat()
    return info.st_uid == os.geteuid() and not info.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _kept_folder() -> Path:
    return cache_folder() / "charts"


def _folder() -> CacheFolder:
    return writable(_kept_folder())


def _path(folder: Path, digest: str) -> Path:
    return folder / f"{digest.replace(':', '-')}.tgz"


def _note(folder: Path, remote: Remote) -> Path:
    asked = "\0".join((remote.repo.rstrip("/"), remote.chart, remote.version))
    return folder / "versions" / sha256(asked.encode()).hexdigest()


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
