"""Locks among the processes of one machine, as locked files.

The kernel frees a lock the moment its process dies, so there is no lease and nothing to renew.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import ParamSpec, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from rollwright.errors import Refused, RolloutError, Unreachable
from rollwright.locks import words
from rollwright.locks.finishing import finish
from rollwright.locks.folder import Blocked, Grip, LockFolder, Place
from rollwright.plugins.contracts import Cluster, Lock, LockOwner, LockRecord

P = ParamSpec("P")
T = TypeVar("T")


def _default_path() -> Path:
    return Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state") / "rollwright" / "locks"


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """A held lock."""

    grip: Grip
    lost: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def key(self) -> str:
        """What is locked."""
        return self.grip.record.key

    @property
    def token(self) -> int:
        """The fencing token."""
        return self.grip.record.token

    @property
    def taken_from(self) -> LockRecord | None:
        """The holder before us, if it never gave the lock back."""
        return self.grip.taken_from

    def check(self) -> None:
        """Raise ``LockLost`` if it was taken away."""
        if not self.grip.is_whole:
            self.lost.set()
        if self.lost.is_set():
            raise words.lost(self.key, "somebody released it")


class FileLocks(BaseModel):
    """Locks by files in a folder of this machine; no network file system."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path = Field(
        default_factory=_default_path,
        description="Folder of the files; made when absent. `~` is the home folder. "
        "Default: rollwright/locks in $XDG_STATE_HOME.",
    )

    def bind(self, cluster: Cluster) -> Self:
        """Return the locks of one cluster: a folder inside this one."""
        return self.model_copy(update={"path": self.path / words.file_name(cluster.name)})

    @asynccontextmanager
    async def hold(
        self, key: str, *, owner: LockOwner, wait: timedelta | None
    ) -> AsyncIterator[Lock]:
        """Hold a lock while inside."""
        folder = self._folder
        found = await _attempt(folder, key, owner, None)
        if isinstance(found, Blocked):
            if wait is not None and wait <= timedelta():
                raise words.held(key, found.owner, found.since, ())
            found = await _queue(folder, key, owner, wait)
        held = _Held(found)
        try:
            yield held
        finally:
            await finish(_in_thread(folder.give_back, found))

    async def list(self) -> tuple[LockRecord, ...]:
        """Return the locks that are held."""
        return await _in_thread(self._folder.read_all)

    async def release(self, key: str, *, reason: str) -> LockRecord | None:
        """Take a lock from whoever holds it, who learns it at its next `check`."""
        return await finish(_in_thread(self._folder.take_away, key, reason))

    @property
    def _folder(self) -> LockFolder:
        return LockFolder(self.path.expanduser())


async def _attempt(
    folder: LockFolder, key: str, owner: LockOwner, place: Place | None
) -> Grip | Blocked:
    """Try once; what was taken is given back when the caller is cancelled meanwhile."""
    task = asyncio.ensure_future(_in_thread(folder.attempt, key, owner, place))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        with suppress(RolloutError):
            found = await finish(_result(task))
            if isinstance(found, Grip):
                await finish(_in_thread(folder.give_back, found))
        raise


async def _result(task: asyncio.Future[T]) -> T:
    return await task


async def _queue(folder: LockFolder, key: str, owner: LockOwner, wait: timedelta | None) -> Grip:
    loop = asyncio.get_running_loop()
    give_up_at = None if wait is None else loop.time() + wait.total_seconds()
    place = await _enqueue(folder, key, owner)
    found: Grip | Blocked | None = None
    try:
        while True:
            found = await _attempt(folder, key, owner, place)
            if isinstance(found, Grip):
                return found
            left = float("inf") if give_up_at is None else give_up_at - loop.time()
            if left <= 0:
                raise words.held(key, found.owner, found.since, ())
            await asyncio.sleep(min(left, _pause(found.before)))
    finally:
        if not isinstance(found, Grip):
            await finish(_in_thread(folder.leave, place))


async def _enqueue(folder: LockFolder, key: str, owner: LockOwner) -> Place:
    task = asyncio.ensure_future(_in_thread(folder.enqueue, key, owner))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        with suppress(RolloutError):
            await finish(_in_thread(folder.leave, await finish(_result(task))))
        raise


def _pause(before: int) -> float:
    """Return how long to wait before the next look; the first in the queue looks often."""
    longest = min(0.02 + 0.02 * before, 0.5)
    return longest * random.uniform(0.7, 1.0)  # noqa: S311  (spreads the looks; no secret)


async def _in_thread(call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return await asyncio.to_thread(call, *args, **kwargs)
    except RolloutError:
        raise
    except PermissionError as error:
        raise Refused(
            f"lock file {error.filename}: {error.strerror}",
            hint=f"give user {os.getuid()} the right to read and write there",
        ) from error
    except OSError as error:
        raise Unreachable(
            f"lock file {error.filename or ''}: {error.strerror}",
            retryable=False,
            hint="look at the disk: free space, quota, whether it is mounted writable",
        ) from error
