"""One process at a time in a folder, whoever was killed in it."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rollwright.errors import Unreachable

_POLL_SECONDS = 0.01


@contextmanager
def alone(path: Path, patience_seconds: float, *, what: str) -> Iterator[int]:
    """Hold the lock of a file while inside; blocks the thread.

    The number of the open file is for children: what it locks is locked until they end, too.

    Args:
        path: The file; made if it is not there.
        patience_seconds: How long to wait for another process.
        what: What a message begins with, such as ``git store``.

    Raises:
        Unreachable: Another process has not left it for too long.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        _lock(number, path, patience_seconds, what)
        yield number
    finally:
        os.close(number)  # which unlocks, as no child is left


def _lock(number: int, path: Path, patience: float, what: str) -> None:
    give_up_at = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= give_up_at:
                raise Unreachable(
                    f"{what}: another process has held {path} for {patience:.0f} s",
                    hint=f"find it with `fuser {path}`: it is frozen, or its server is slow",
                ) from None
            time.sleep(_POLL_SECONDS)
        else:
            return
