"""The store that keeps states as files: for one machine, or a folder that others can reach.

``<path>/<cluster>/<rollout>.json`` is a state, ``<rollout>.snapshots/<digest>`` its snapshots and
``<rollout>.lock`` what saves exclude one another by; ``installation.key`` holds the key, in a name
that no rollout can have. A file is replaced in one step, so a reader
and a crash see the old state or the new one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from typing import ParamSpec, Self, TypeVar
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from rollwright.errors import InvalidDocument, Refused, RolloutError, StateConflict, Unreachable
from rollwright.plugins.contracts import Cluster
from rollwright.rollouts.state import RolloutState
from rollwright.stores.format import decode, dropped_snapshots, encode
from rollwright.stores.names import (
    check_key,
    check_rollout,
    folder_of,
    no_snapshot,
    snapshot_hex,
    snapshot_id,
)
from rollwright.stores.writing import exclusive, read_bytes, write_whole

_KEY_FILE = "installation.key"

P = ParamSpec("P")
T = TypeVar("T")


def _default_path() -> Path:
    return Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state") / "rollwright" / "states"


class FileStore(BaseModel):
    """Keeps states as JSON files, readable by their owner alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path = Field(
        default_factory=_default_path,
        description="Folder of the files; made when absent. `~` is the home folder. "
        "Default: rollwright/states in $XDG_STATE_HOME.",
    )

    def bind(self, cluster: Cluster) -> Self:
        """Return the store for one cluster: a folder inside this one."""
        return self.model_copy(update={"path": self.path / folder_of(cluster.name)})

    async def load(self, rollout: str) -> RolloutState | None:
        """Return the state; ``None`` if there is none."""
        return await _in_thread(self._load, check_rollout(rollout))

    async def save(self, state: RolloutState, *, after: str) -> RolloutState:
        """Save, if the version still is ``after``."""
        check_rollout(state.rollout)
        return await _in_thread(self._save, state, after)

    async def put_snapshot(self, rollout: str, data: bytes) -> str:
        """Keep bytes under their digest."""
        return await _in_thread(self._put, check_rollout(rollout), data)

    async def get_snapshot(self, rollout: str, snapshot: str) -> bytes:
        """Return kept bytes."""
        return await _in_thread(self._get, check_rollout(rollout), snapshot)

    async def delete(self, rollout: str, *, after: str) -> None:
        """Forget a rollout and its snapshots, if the version still is ``after``."""
        await _in_thread(self._delete, check_rollout(rollout), after)

    async def list(self) -> tuple[str, ...]:
        """Return the names of all rollouts, sorted."""
        return await _in_thread(self._list)

    async def key(self) -> bytes | None:
        """Return the installation's key."""
        return await _in_thread(self._key)

    async def put_key(self, key: bytes) -> bytes:
        """Keep the installation's key, if there is none; return the one that is kept."""
        return await _in_thread(self._put_key, check_key(key))

    @property
    def _folder(self) -> Path:
        return self.path.expanduser()

    def _state(self, rollout: str) -> Path:
        return self._folder / f"{rollout}.json"

    def _lock(self, rollout: str) -> Path:
        return self._folder / f"{rollout}.lock"

    def _snapshot(self, rollout: str, snapshot: str) -> Path:
        return self._folder / f"{rollout}.snapshots" / snapshot_hex(rollout, snapshot)

    def _load(self, rollout: str) -> RolloutState | None:
        path = self._state(rollout)
        data = read_bytes(path)
        return None if data is None else decode(data, where=str(path), rollout=rollout)

    def _save(self, state: RolloutState, after: str) -> RolloutState:
        with exclusive(self._lock(state.rollout)):
            before = self._expect(state.rollout, after)
            saved = replace(state, version=_next_version(after))
            write_whole(self._state(state.rollout), encode(saved) + b"\n")
            for snapshot in dropped_snapshots(before, saved) if before else ():
                self._snapshot(state.rollout, snapshot).unlink(missing_ok=True)
        return saved

    def _expect(self, rollout: str, after: str) -> RolloutState | None:
        state = self._load(rollout)
        if (state.version if state else "") != after:
            raise StateConflict(
                f"state of {rollout!r} in {self._folder}: "
                "somebody else saved it since it was loaded",
                hint="run again: the plan is made anew from what is there now",
            )
        return state

    def _put(self, rollout: str, data: bytes) -> str:
        snapshot = snapshot_id(data)
        path = self._snapshot(rollout, snapshot)
        with exclusive(self._lock(rollout)):
            if read_bytes(path) != data:
                write_whole(path, data)
        return snapshot

    def _get(self, rollout: str, snapshot: str) -> bytes:
        path = self._snapshot(rollout, snapshot)
        data = read_bytes(path)
        if data is None:
            raise no_snapshot(rollout, snapshot)
        if snapshot_id(data) != snapshot:
            raise InvalidDocument(
                f"{path}: damaged: its digest is {snapshot_id(data)}, expected {snapshot}",
                hint="restore it from a backup, or roll back to another revision",
            )
        return data

    def _delete(self, rollout: str, after: str) -> None:
        with exclusive(self._lock(rollout)):
            self._expect(rollout, after)
            # The state goes last: whoever is killed between finds the rollout still remembered.
            folder = self._folder / f"{rollout}.snapshots"
            if folder.is_dir():
                rmtree(folder)
            self._state(rollout).unlink(missing_ok=True)

    def _key(self) -> bytes | None:
        path = self._folder / _KEY_FILE
        key = read_bytes(path)
        if key == b"":
            raise InvalidDocument(
                f"{path}: damaged: it is empty",
                hint="restore it from a backup; or delete it, and every Secret is looked at anew",
            )
        return key

    def _put_key(self, key: bytes) -> bytes:
        with exclusive(self._folder / f"{_KEY_FILE}.lock"):
            kept = self._key()
            if kept is None:
                write_whole(self._folder / _KEY_FILE, key)
        return key if kept is None else kept

    def _list(self) -> tuple[str, ...]:
        # The lock files stay: removing a file that others lock would let two of them in.
        return tuple(sorted(path.stem for path in self._folder.glob("*.json")))


def _next_version(version: str) -> str:
    number = version.partition("-")[0]
    following = int(number) + 1 if number.isdecimal() else 1
    # A part by chance: a state that was deleted and made again repeats no version.
    return f"{following}-{uuid4().hex[:12]}"


async def _in_thread(call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return await asyncio.to_thread(call, *args, **kwargs)
    except RolloutError:
        raise
    except PermissionError as error:
        raise Refused(
            f"state file {error.filename}: {error.strerror}",
            hint=f"give user {os.getuid()} the right to read and write there",
        ) from error
    except OSError as error:
        raise Unreachable(
            f"state file {error.filename or ''}: {error.strerror}; the old state is kept",
            retryable=False,
            hint="look at the disk: free space, quota, whether it is mounted writable",
        ) from error
