"""What a Lease says of a lock, and what becomes of it. Pure: values in, values out.

Before: ``lease`` read the object.
After: ``lease`` writes it back, if nobody else did meanwhile.

The Lease stays when nobody holds the lock, so that its token never goes back. Those who wait
stand in it in order. Whoever gives the lock up offers it to the first of them; an offer is a very
short lease, so a waiter that died meanwhile delays the next one by seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from rollwright.errors import InvalidDocument
from rollwright.locks import words
from rollwright.plugins.contracts import LockOwner, LockRecord
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import Body

PREFIX = "rollwright.dev/"
LABEL = f"{PREFIX}component"
LABEL_VALUE = "lock"
OFFER_SECONDS = 5
LONGEST_QUEUE = 250
"""All annotations together may have 256 KiB; a waiter takes up to half a KiB of text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """One wish for a lock; ``id`` is made up for each, an owner may have several."""

    id: str
    owner: LockOwner


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRecord:
    """A lock as its Lease says.

    Attributes:
        key: What is locked.
        name: Of the Lease.
        token: Of the last acquisition.
        holder: Who has it; ``None`` when it is free.
        is_offer: Whether the holder has not yet taken what was offered to it.
        ttl_seconds: After how long without a change others may take it.
        acquired_at: By the holder's wall clock, as is ``renewed_at``; both are for people.
        queue: Who waits, in order.
        broken: The last time that the lock was taken by force: who, why, whose it was.
        version: The resourceVersion that was read.
        stamped_at: When the Lease was last written, by the server's own clock.
    """

    key: str
    name: str
    token: int = 0
    holder: Ticket | None = None
    is_offer: bool = False
    ttl_seconds: int = OFFER_SECONDS
    acquired_at: datetime | None = None
    renewed_at: datetime | None = None
    queue: tuple[Ticket, ...] = ()
    broken: str = ""
    version: str = ""
    stamped_at: datetime | None = None

    def may_take(self, ticket: Ticket) -> bool:
        """Return whether nobody stands before this wish."""
        return self.holder is None or self.holder.id == ticket.id

    def place_of(self, ticket: Ticket) -> int:
        """Return how many stand before this wish in the queue."""
        ids = [one.id for one in self.queue]
        return ids.index(ticket.id) if ticket.id in ids else len(ids)

    @property
    def pulse(self) -> tuple[object, ...]:
        """What changes when its holder lives; others may join the queue without changing it."""
        holder = self.holder.id if self.holder else ""
        return (holder, self.token, self.is_offer, self.renewed_at)

    def seems_dead(self, now: datetime) -> bool:
        """Return whether the wall clocks say that the holder is gone: a reason to look closer."""
        if self.renewed_at is None:
            return True
        return now > self.renewed_at + timedelta(seconds=self.ttl_seconds)


def take(record: LeaseRecord, ticket: Ticket, *, ttl_seconds: int, now: datetime) -> LeaseRecord:
    """Give the lock to a wish; the token grows."""
    return replace(
        record,
        token=words.next_token(record.token, now),
        holder=ticket,
        is_offer=False,
        ttl_seconds=ttl_seconds,
        acquired_at=now,
        renewed_at=now,
        queue=_without(record.queue, ticket),
    )


def renew(record: LeaseRecord, now: datetime) -> LeaseRecord:
    """Show that the holder lives."""
    return replace(record, renewed_at=now)


def enqueue(record: LeaseRecord, ticket: Ticket) -> LeaseRecord:
    """Put a wish at the end of the queue."""
    return replace(record, queue=(*_without(record.queue, ticket), ticket))


def leave(record: LeaseRecord, ticket: Ticket, now: datetime) -> LeaseRecord:
    """Take a wish out, wherever it stands; a lock that it holds is passed on."""
    record = replace(record, queue=_without(record.queue, ticket))
    if record.holder and record.holder.id == ticket.id:
        return pass_on(record, now)
    return record


def pass_on(record: LeaseRecord, now: datetime) -> LeaseRecord:
    """Offer the lock to the first of the queue; without a queue it is free."""
    following = record.queue[0] if record.queue else None
    return replace(
        record,
        holder=following,
        is_offer=following is not None,
        ttl_seconds=OFFER_SECONDS,
        acquired_at=now if following is not None else None,
        renewed_at=now,
        queue=record.queue[1:],
    )


def break_open(record: LeaseRecord, reason: str, now: datetime) -> LeaseRecord:
    """Take the lock from its holder, and leave a note of it."""
    holder = record.holder
    note = {
        "at": now,
        "reason": reason[:1024],
        "token": record.token,
        "holder": msgspec.to_builtins(words.shortened(holder.owner)) if holder else None,
        "since": record.acquired_at,
    }
    return replace(pass_on(record, now), broken=msgspec.json.encode(note).decode())


def _without(queue: tuple[Ticket, ...], ticket: Ticket) -> tuple[Ticket, ...]:
    return tuple(one for one in queue if one.id != ticket.id)


def to_body(record: LeaseRecord, namespace: str) -> Body:
    """Return the Lease."""
    metadata: dict[str, Any] = {
        "name": record.name,
        "namespace": namespace,
        "labels": {"app.kubernetes.io/managed-by": "rollwright", LABEL: LABEL_VALUE},
        "annotations": _annotations(record),
    }
    if record.version:
        metadata["resourceVersion"] = record.version
    spec: dict[str, Any] = {
        "holderIdentity": record.holder.owner.id or record.holder.id if record.holder else "",
        "leaseDurationSeconds": record.ttl_seconds,
    }
    for key, instant in (("acquireTime", record.acquired_at), ("renewTime", record.renewed_at)):
        if instant:
            spec[key] = f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata,
        "spec": spec,
    }


def _annotations(record: LeaseRecord) -> dict[str, str]:
    texts = {
        "lock": record.key,
        "token": str(record.token),
        "broken": record.broken,
        "queue": msgspec.json.encode(record.queue).decode() if record.queue else "",
    }
    if record.holder:
        owner = record.holder.owner
        texts |= {
            "ticket": record.holder.id,
            "offered": "true" if record.is_offer else "",
            "owner": owner.id,
            "actor": owner.actor,
            "operation": owner.operation,
            "host": owner.host,
        }
    return {f"{PREFIX}{name}": text for name, text in texts.items() if text}


def read(lease: LiveObject, where: str) -> LeaseRecord:
    """Return what a Lease says.

    Raises:
        InvalidDocument: It is none of ours, or somebody has changed it by hand.
    """
    notes = {
        name.removeprefix(PREFIX): text
        for name, text in lease.annotations.items()
        if name.startswith(PREFIX)
    }
    try:
        return _read(lease, notes)
    except (KeyError, TypeError, ValueError, msgspec.MsgspecError) as error:
        raise InvalidDocument(
            f"{where}: not a lock of Rollwright, or damaged: {error!r}",
            hint="delete this Lease when no rollout runs; it is made anew",
        ) from error


def _read(lease: LiveObject, notes: Mapping[str, str]) -> LeaseRecord:
    spec = lease.body.get("spec") or {}
    identity = spec.get("holderIdentity") or ""
    owner = LockOwner(
        id=notes.get("owner", identity),
        actor=notes.get("actor", ""),
        operation=notes.get("operation", ""),
        host=notes.get("host", ""),
    )
    return LeaseRecord(
        key=notes["lock"],
        name=lease.ref.name,
        token=int(notes["token"]),
        holder=Ticket(id=notes.get("ticket", identity), owner=owner) if identity else None,
        is_offer="offered" in notes,
        ttl_seconds=int(spec["leaseDurationSeconds"]),
        acquired_at=_instant(spec["acquireTime"]) if spec.get("acquireTime") else None,
        renewed_at=_instant(spec["renewTime"]) if spec.get("renewTime") else None,
        queue=msgspec.json.decode(notes.get("queue", "[]"), type=tuple[Ticket, ...]),
        broken=notes.get("broken", ""),
        version=lease.resource_version,
        stamped_at=_stamp(lease),
    )


def _stamp(lease: LiveObject) -> datetime | None:
    """Return the latest time that the server wrote down for a writer of any field."""
    entries = lease.metadata.get("managedFields") or ()
    return max((_instant(entry["time"]) for entry in entries if "time" in entry), default=None)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def for_people(record: LeaseRecord) -> LockRecord | None:
    """Return what `list` shows; ``None`` when nobody holds the lock."""
    if record.holder is None:
        return None
    expires_at = record.renewed_at and record.renewed_at + timedelta(seconds=record.ttl_seconds)
    return LockRecord(
        key=record.key,
        owner=record.holder.owner,
        token=record.token,
        acquired_at=record.acquired_at or record.renewed_at or datetime.fromtimestamp(0, UTC),
        expires_at=expires_at,
    )


class _Broken(msgspec.Struct, frozen=True, kw_only=True):
    """The annotation that ``break_open`` leaves."""

    at: datetime
    reason: str
    token: int
    holder: LockOwner | None = None
    since: datetime | None = None


def unreleased(record: LeaseRecord, ticket: Ticket) -> LockRecord | None:
    """Return the last holder of a lock that a wish is about to take, if it never gave it back."""
    holder = record.holder
    if holder and holder.id != ticket.id and not record.is_offer:
        return for_people(record)
    return _broken(record)


def _broken(record: LeaseRecord) -> LockRecord | None:
    """Return whom the lock was taken from by force, if nobody has had it since."""
    try:
        note = msgspec.json.decode(record.broken or "null", type=_Broken | None)
    except msgspec.MsgspecError:
        return None
    if note is None or note.holder is None or note.token != record.token:
        return None
    return LockRecord(
        key=record.key,
        owner=note.holder,
        token=note.token,
        acquired_at=note.since or note.at,
        broken=note.reason,
    )
