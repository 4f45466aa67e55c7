"""What tickets and records of locks in etcd say. Pure: values in, bytes out.

A *ticket* is there as long as its session. A *record* says who is in, and stays when the holder
dies or is broken: so the next one knows whose lock it took.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from rollwright.errors import InvalidDocument
from rollwright.etcd.line import Entry
from rollwright.locks import words
from rollwright.plugins.contracts import LockOwner, LockRecord


class Note(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who wants or holds what, and since when.

    Attributes:
        key: What is locked.
        owner: Who wants or holds it.
        since: When the ticket was taken; in a record: when its owner came in.
        token: The fencing token; only in a record.
        broken: Who took it from its owner by force, and why; only in a record.
    """

    key: str
    owner: LockOwner
    since: datetime
    token: int = 0
    broken: str = ""


def note_of(key: str, owner: LockOwner, now: datetime, token: int = 0) -> Note:
    """Return what is written down of an owner."""
    return Note(key=key, owner=words.shortened(owner), since=now.astimezone(UTC), token=token)


def encode(note: Note) -> bytes:
    """Return what is stored."""
    return msgspec.json.encode(note)


def decode(data: bytes, where: str) -> Note:
    """Return what was stored.

    Raises:
        InvalidDocument: It is none of ours, or somebody has changed it by hand.
    """
    try:
        return msgspec.json.decode(data, type=Note)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidDocument(
            f"{where}: not a lock of Rollwright, or damaged: {error}",
            hint="choose another `prefix`, or delete this key when no rollout runs",
        ) from error


def for_people(note: Note, *, token: int, expires_at: datetime | None = None) -> LockRecord:
    """Return a lock as `list` shows it."""
    return LockRecord(
        key=note.key,
        owner=note.owner,
        token=token,
        acquired_at=note.since,
        expires_at=expires_at,
        broken=note.broken,
    )


def former(data: bytes, where: str) -> LockRecord | None:
    """Return the holder that a record still names: one that never gave the lock back."""
    if not data:
        return None
    note = decode(data, where)
    return for_people(note, token=note.token)


def owner_of(entry: Entry) -> Note:
    """Return what a ticket says."""
    return decode(entry.note, f"etcd key {entry.key}")


def broken(note: Note, reason: str) -> Note:
    """Return the record of a lock that was taken from its holder by force."""
    return msgspec.structs.replace(note, broken=reason)
