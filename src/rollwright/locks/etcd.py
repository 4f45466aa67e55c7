"""Locks in etcd: the ones to use when several machines run rollouts.

A lock is a queue with one place at its head, a limit one with several (``rollwright.etcd.line``):
first come, first served, and nobody polls. A holder that dies is followed as soon as its lease
has ended; one that cannot renew stops by itself before that.

A token is the revision of etcd that made the ticket, counted from the second in which the cluster
was first locked here: so it is above the tokens of another kind of lock that was used before, and
above those of an etcd whose data were lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Self
from urllib.parse import unquote

from pydantic import Field, model_validator

from rollwright.errors import LockHeld
from rollwright.etcd import requests
from rollwright.etcd.line import Entry, Line, entry_of, finish
from rollwright.etcd.names import join
from rollwright.etcd.options import EtcdOptions
from rollwright.etcd.pool import Connection, Fence, Link
from rollwright.etcd.shim import rpc
from rollwright.locks import etcd_notes as notes
from rollwright.locks import words
from rollwright.locks.clock import utc_now
from rollwright.locks.etcd_held import HeldTicket
from rollwright.plugins.contracts import Cluster, Lock, LockOwner, LockRecord
from rollwright.rollouts.spec.durations import Duration

_SHORTEST = timedelta(seconds=2)  # etcd gives no lease that is shorter than an election


class EtcdLocks(EtcdOptions):
    """Locks by leases of an etcd."""

    ttl: Duration = Field(
        default=timedelta(seconds=15),
        description="How long a lease lasts without a renewal, in whole seconds; renewed every"
        " third of it.",
    )

    @model_validator(mode="after")
    def _check_times(self) -> Self:
        if self.ttl < _SHORTEST or self.ttl % timedelta(seconds=1):
            raise ValueError("ttl: etcd counts whole seconds, at least 2")
        return self

    def bind(self, cluster: Cluster) -> ClusterLocks:
        """Return the locks of one cluster, by its identity: names differ from site to site."""
        return ClusterLocks(Link(self), cluster, self.prefix, self.seconds)

    def limit(self, name: str, places: int) -> Limit:
        """Return a limit on how many may do something at once.

        Args:
            name: What is limited.
            places: How many may.
        """
        return Limit(Link(self), join(self.prefix, "limits", name), places, self.seconds)

    @property
    def seconds(self) -> int:
        """The time-to-live as etcd counts it."""
        return int(self.ttl.total_seconds())


class ClusterLocks:
    """The locks in one cluster."""

    def __init__(self, link: Link, cluster: Cluster, prefix: str, ttl: int) -> None:
        self._link = link
        self._cluster = cluster
        self._prefix = prefix
        self._ttl = ttl
        self._identity = ""
        self._epoch = 0

    @asynccontextmanager
    async def hold(
        self, key: str, *, owner: LockOwner, wait: timedelta | None
    ) -> AsyncIterator[Lock]:
        """Hold a lock while inside."""
        connection, line = await self._line(key)
        epoch = await self._tokens_from(connection)
        note = notes.encode(notes.note_of(key, owner, utc_now()))

        def mark(revision: int) -> bytes:
            return notes.encode(notes.note_of(key, owner, utc_now(), epoch + revision))

        async with line.entered(note, wait, mark) as ticket:
            former = notes.former(ticket.record, f"etcd key {line.record}")
            token = epoch + ticket.revision
            held = HeldTicket(key, ticket, token=token, taken_from=former)
            fence = Fence(ticket=ticket.key, revision=ticket.revision, token=token)
            connection.fences[self._identity, key] = fence
            try:
                async with held.kept(connection.client, partial(self._reason, line, token)):
                    yield held
            finally:
                if connection.fences.get((self._identity, key)) is fence:
                    del connection.fences[self._identity, key]

    async def list(self) -> tuple[LockRecord, ...]:
        """Return the locks that are held."""
        connection, scope = await self._connect()
        tickets, records = await self._read_all(connection, scope)
        holders: dict[str, Entry] = {}
        for entry in tickets:
            holders.setdefault(entry.key.rpartition("/")[0], entry)
        found = await asyncio.gather(
            *(self._shown(connection, one, records) for one in holders.values())
        )
        return tuple(sorted(found, key=lambda one: one.key))

    async def release(self, key: str, *, reason: str) -> LockRecord | None:
        """Take a lock from whoever holds it, who learns it at once."""
        connection, line = await self._line(key)
        epoch = await self._tokens_from(connection)
        while True:
            entries = await line.entries()
            if not entries:
                return None
            note = notes.owner_of(entries[0])
            token = epoch + entries[0].revision
            record = notes.note_of(key, note.owner, note.since, token)
            if await finish(self._break(connection, line, entries[0], record, reason)):
                return notes.for_people(record, token=token)

    async def close(self) -> None:
        """Leave the connection, and give the lease back if nobody else uses it."""
        await self._link.close()

    async def _connect(self) -> tuple[Connection, str]:
        self._identity = self._identity or await self._cluster.identity()
        return self._link.connection(), join(self._prefix, self._identity)

    async def _line(self, key: str) -> tuple[Connection, Line]:
        connection, scope = await self._connect()
        line = Line(
            connection=connection,
            key=join(scope, "locks", key),
            record=join(scope, "holders", key),
            what=f"lock {key!r}",
            ttl=self._ttl,
            refuse=partial(_refusal, key),
        )
        return connection, line

    async def _tokens_from(self, connection: Connection) -> int:
        """Return what is added to a revision; written down once for the cluster."""
        if not self._epoch:
            key, first = join(self._prefix, self._identity, "epoch"), words.first_token(utc_now())
            answer = await connection.client.txn(
                requests.txn(
                    [requests.is_absent(key)],
                    [requests.put(key, str(first).encode())],
                    [requests.read(key)],
                )
            )
            self._epoch = first if answer.is_met else int(answer.results[0].kvs[0].value)
        return self._epoch

    async def _break(
        self, connection: Connection, line: Line, entry: Entry, record: notes.Note, reason: str
    ) -> bool:
        """Delete a ticket, and leave a record of that; return whether it was still there."""
        broken = notes.encode(notes.broken(record, reason))
        answer = await connection.client.txn(
            requests.txn(
                [requests.is_created_at(entry.key, entry.revision)],
                [requests.delete(entry.key), requests.put(line.record, broken)],
                [requests.read(line.record)],
            )
        )
        if answer.is_met:
            return True
        left = answer.results[0].kvs
        return bool(answer.is_repeated and left and left[0].value == broken)

    async def _reason(self, line: Line, token: int) -> str:
        """Say who broke a lock, and why, if that is on record."""
        found = await line.connection.client.get(line.record)
        former = notes.former(found.value, line.record) if found else None
        if former is None or former.token != token or not former.broken:
            return ""
        return f"it was broken: {former.broken}"

    async def _read_all(
        self, connection: Connection, scope: str
    ) -> tuple[Sequence[Entry], dict[str, notes.Note]]:
        answer = await connection.client.txn(
            requests.txn(
                then=[requests.read_below(f"{scope}/{name}") for name in ("locks", "holders")]
            )
        )
        tickets, records = (one.kvs for one in answer.results)
        read = (notes.decode(one.value, f"etcd key {one.key.decode()}") for one in records)
        return [entry_of(one) for one in tickets], {one.key: one for one in read}

    async def _shown(
        self, connection: Connection, entry: Entry, records: dict[str, notes.Note]
    ) -> LockRecord:
        note = notes.owner_of(entry)
        token = await self._tokens_from(connection) + entry.revision
        record = records.get(note.key)
        request = rpc().LeaseTimeToLiveRequest(ID=entry.lease)
        left = await connection.client.call("Lease", "LeaseTimeToLive", request)
        return notes.for_people(
            record if record and record.token == token else note,
            token=token,
            expires_at=utc_now() + timedelta(seconds=max(0, left.TTL)),
        )


class Limit:
    """So many at once, first come, first served; see ``EtcdLocks.limit``."""

    def __init__(self, link: Link, key: str, places: int, ttl: int) -> None:
        self._link = link
        self._key = key
        self._places = places
        self._ttl = ttl

    @asynccontextmanager
    async def hold(
        self, key: str, *, owner: LockOwner, wait: timedelta | None
    ) -> AsyncIterator[Lock]:
        """Hold one of the places while inside.

        Args:
            key: Whose places: those of a cluster, of a site.
            owner: Who asks.
            wait: How long to wait; ``None`` waits for ever, zero not at all.

        Raises:
            LockHeld: All places are still taken.
        """
        line = self._line(key)
        note = notes.encode(notes.note_of(key, owner, utc_now()))
        async with line.entered(note, wait) as ticket:
            held = HeldTicket(line.what, ticket, token=ticket.revision)
            async with held.kept(line.connection.client, _no_reason):
                yield held

    async def list(self, key: str) -> tuple[LockRecord, ...]:
        """Return who has a place, in the order they came."""
        entries = await self._line(key).entries()
        return tuple(
            notes.for_people(notes.owner_of(one), token=one.revision)
            for one in entries[: self._places]
        )

    async def close(self) -> None:
        """Leave the connection, and give the lease back if nobody else uses it."""
        await self._link.close()

    def _line(self, key: str) -> Line:
        name = unquote(self._key.rpartition("/")[2])
        return Line(
            connection=self._link.connection(),
            key=join(self._key, key),
            what=f"limit {name!r} of {key}",
            ttl=self._ttl,
            refuse=partial(_limit_refusal, name, key, self._places),
            places=self._places,
        )


async def _no_reason() -> str:
    return ""


def _refusal(key: str, entries: Sequence[Entry]) -> LockHeld:
    if not entries:
        return words.held(key, LockOwner(id="somebody", actor="", operation=""), None, ())
    note = notes.owner_of(entries[0])
    return words.held(key, note.owner, note.since, entries[1:])


def _limit_refusal(name: str, key: str, places: int, entries: Sequence[Entry]) -> LockHeld:
    inside, behind = entries[:places], entries[places:]
    owners = [notes.owner_of(one).owner for one in inside]
    who = ", ".join(f"{one.operation or 'a run'} by {one.actor or one.id}" for one in owners)
    waiting = f"; {words.more_wait(len(behind))}" if behind else ""
    return LockHeld(
        f"limit {name!r} of {key}: {_all(places)} taken: {who or 'somebody'}{waiting}",
        hint="wait until one of them ends, or raise `max` of the limit in site.toml",
    )


def _all(places: int) -> str:
    return "its only place is" if places == 1 else f"all {places} places are"
