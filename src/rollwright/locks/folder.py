"""Locks as files in one folder; every call is short and blocks its thread.

Before: ``file`` runs these calls in threads and waits between them.

For each key: ``<key>.lock`` is locked by its holder (``flock``), so the kernel frees it when the
process dies; ``<key>.json`` holds the last token and who has it; ``<key>.queue/`` has one locked
file per waiter, in order, so a dead waiter is told from a living one. Every look and every change
happens under ``.guard``, which makes several files one.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import msgspec

from rollwright.errors import Unreachable
from rollwright.locks import words
from rollwright.plugins.contracts import LockOwner, LockRecord

GUARD_SECONDS = 10.0


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What ``<key>.json`` holds.

    ``holder`` stays there when it dies. ``broken_at`` and ``broken`` are the last time that the
    lock was taken by force: from whom, by whom and why.
    """

    key: str
    token: int = 0
    holder: LockRecord | None = None
    broken_at: datetime | None = None
    broken: LockRecord | None = None

    @property
    def unreleased(self) -> LockRecord | None:
        """The last holder, if it did not give the lock back."""
        is_last = self.broken is not None and self.broken.token == self.token
        return self.holder or (self.broken if is_last else None)


@dataclass(slots=True, kw_only=True)
class Place:
    """A place in the queue: a locked file of our own, until it ``is_left``."""

    path: Path
    number: int
    is_left: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Grip:
    """A lock file that this process has locked, and whom it was taken from."""

    path: Path
    number: int
    record: LockRecord
    taken_from: LockRecord | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the file that we locked is still the one that others would lock."""
        return _is_same(self.number, self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """Who stands before a wish, and how many of them."""

    owner: LockOwner
    since: datetime | None
    before: int


@dataclass(frozen=True, slots=True)
class LockFolder:
    """The locks of one cluster on this machine."""

    path: Path

    def attempt(self, key: str, owner: LockOwner, place: Place | None) -> Grip | Blocked:
        """Take the lock, if nobody holds it and nobody living waits before ``place``."""
        with self._guard():
            before = self._living(key, place)
            number = None if before else _try_lock(self._file(key, "lock"))
            note = self._note(key)
            if number is None:
                return _blocked(note, before)
            now = datetime.now(UTC)
            token = words.next_token(note.token, now)
            record = LockRecord(key=key, owner=owner, token=token, acquired_at=now)
            self._write(msgspec.structs.replace(note, token=token, holder=record), must_last=True)
            self._leave(place)
            return Grip(
                path=self._file(key, "lock"),
                number=number,
                record=record,
                taken_from=note.unreleased,
            )

    def enqueue(self, key: str, owner: LockOwner) -> Place:
        """Stand at the end of the queue."""
        with self._guard():
            folder = self._file(key, "queue")
            folder.mkdir(mode=0o700, exist_ok=True)
            last = max((int(path.name.partition("-")[0]) for path in folder.iterdir()), default=0)
            path = folder / f"{last + 1:012d}-{uuid4().hex[:8]}"
            number = _try_lock(path)
            if number is None:
                raise Unreachable(f"lock queue {folder}: {path.name} is locked by somebody else")
            os.write(number, msgspec.json.encode(owner))
            return Place(path=path, number=number)

    def leave(self, place: Place) -> None:
        """Wait no longer."""
        with self._guard():
            self._leave(place)

    def give_back(self, grip: Grip) -> None:
        """Free the lock, if it was not taken from us."""
        with self._guard():
            if grip.is_whole:
                self._write(msgspec.structs.replace(self._note(grip.record.key), holder=None))
            os.close(grip.number)

    def read_all(self) -> tuple[LockRecord, ...]:
        """Return the locks that a living process holds."""
        if not self.path.is_dir():
            return ()
        with self._guard():
            notes = (_parse(path.read_bytes()) for path in sorted(self.path.glob("*.json")))
            holders = (note.holder for note in notes if note)
            return tuple(one for one in holders if one and self._is_locked(one.key))

    def take_away(self, key: str, reason: str) -> LockRecord | None:
        """Free a lock by force: the next holder locks another file, the last one notices."""
        if not self.path.is_dir():
            return None
        with self._guard():
            note = self._note(key)
            if note.holder is None or not self._is_locked(key):
                return None
            self._file(key, "lock").unlink()
            broken = replace(note.holder, broken=reason[:1024])
            now = datetime.now(UTC)
            self._write(msgspec.structs.replace(note, holder=None, broken_at=now, broken=broken))
            return note.holder

    def _file(self, key: str, kind: str) -> Path:
        return self.path / f"{words.file_name(key)}.{kind}"

    def _note(self, key: str) -> Note:
        try:
            note = _parse(self._file(key, "json").read_bytes())
        except FileNotFoundError:
            note = None
        # A damaged note costs nothing: the next token comes from the clock, above all old ones.
        return note or Note(key=key)

    def _write(self, note: Note, *, must_last: bool = False) -> None:
        path = self._file(note.key, "json")
        part = path.with_suffix(".part")
        number = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            os.write(number, msgspec.json.encode(note) + b"\n")
            if must_last:  # a token may not go back, not even when the machine loses power
                os.fsync(number)
        finally:
            os.close(number)
        part.replace(path)

    def _is_locked(self, key: str) -> bool:
        number = _try_lock(self._file(key, "lock"))
        if number is not None:
            os.close(number)
        return number is None

    def _living(self, key: str, place: Place | None) -> list[LockOwner]:
        """Return who waits before a place (or at all), and clear away who died waiting."""
        folder = self._file(key, "queue")
        owners = []
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if place and path >= place.path:
                break
            number = _try_lock(path)
            if number is None:
                owners.append(msgspec.json.decode(path.read_bytes(), type=LockOwner))
            else:
                path.unlink()
                os.close(number)
        return owners

    def _leave(self, place: Place | None) -> None:
        # A number that is closed twice may by then be somebody else's file.
        if place and not place.is_left:
            place.is_left = True
            place.path.unlink(missing_ok=True)
            os.close(place.number)
            with suppress(OSError):  # others wait: the folder is not empty
                place.path.parent.rmdir()

    @contextmanager
    def _guard(self) -> Iterator[None]:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.path / ".guard"
        give_up_at = time.monotonic() + GUARD_SECONDS
        while (number := _try_lock(path)) is None:
            if time.monotonic() >= give_up_at:
                raise Unreachable(
                    f"lock folder {self.path}: another process has it for {GUARD_SECONDS:.0f} s",
                    hint=f"find it with `fuser {path}`: it is frozen or its disk is",
                )
            time.sleep(0.001)
        try:
            yield
        finally:
            os.close(number)


def _try_lock(path: Path) -> int | None:
    """Open and lock a file; ``None`` if somebody else has it locked."""
    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(number)
        return None
    except OSError:
        os.close(number)
        raise
    return number


def _is_same(number: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(number), path.stat())
    except OSError:
        return False


def _parse(data: bytes) -> Note | None:
    try:
        return msgspec.json.decode(data, type=Note)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _blocked(note: Note, before: list[LockOwner]) -> Blocked:
    nobody = LockOwner(id="", actor="somebody", operation="")
    if note.holder:
        return Blocked(owner=note.holder.owner, since=note.holder.acquired_at, before=len(before))
    return Blocked(owner=before[0] if before else nobody, since=None, before=len(before))
