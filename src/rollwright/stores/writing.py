"""Files that are replaced in one step, and one writer at a time."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rollwright.errors import Unreachable

PATIENCE_SECONDS = 30.0
"""How long a save waits for another one; each takes milliseconds."""


def read_bytes(path: Path) -> bytes | None:
    """Return what a file holds; ``None`` if there is no such file."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file in one step that a crash cannot halve. The caller excludes other writers."""
    _make_folder(path.parent)
    # One name for every attempt: what a crash left is overwritten, nothing piles up.
    part = path.with_name(f"{path.name}.part")
    try:
        _write_through(part, data)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _write_through(path: Path, data: bytes) -> None:
    number = _open_private(path, os.O_WRONLY | os.O_TRUNC)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(number, rest) :]
        os.fsync(number)
    except OSError as error:
        error.filename = str(path)  # a failed write does not say which file
        raise
    finally:
        os.close(number)


def _open_private(path: Path, flags: int) -> int:
    return os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def _make_folder(path: Path) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def _sync_folder(path: Path) -> None:
    number = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock on a file while inside; blocks the thread.

    Raises:
        Unreachable: Another process has held it for too long.
    """
    _make_folder(path.parent)
    number = _open_private(path, os.O_RDWR)
    try:
        _lock(number, path)
        yield
    finally:
        os.close(number)  # which unlocks


def _lock(number: int, path: Path) -> None:
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= give_up_at:
                raise Unreachable(
                    f"state lock {path}: another process has held it for {PATIENCE_SECONDS:.0f} s",
                    hint=f"find it with `fuser {path}`: it is frozen or its disk is",
                ) from None
            time.sleep(0.002)
        else:
            return
