"""The store that keeps states in an etcd, beside the locks.

A save is one transaction: it compares the revision that was loaded, the token of the last writer,
and, when this process holds the rollout's lock in the same etcd, that its ticket is still there.
A state that is too large for one value has chunks. They are written under new names before the
head names them, so a crash leaves the old state readable; what it leaves besides is swept by the
next save, which sees in its own transaction what no head names any more.

Every key ends at its rollout's name or at a slash behind it: ``shop-1`` never reaches ``shop-10``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

from rollwright.errors import InvalidDocument, LockLost, RolloutError, StateConflict
from rollwright.etcd import requests
from rollwright.etcd.client import Client, TxnAnswer
from rollwright.etcd.names import join
from rollwright.etcd.options import EtcdOptions
from rollwright.etcd.pool import Fence, Link
from rollwright.plugins.contracts import Cluster
from rollwright.rollouts.state import RolloutState
from rollwright.stores import etcd_values as values
from rollwright.stores.format import decode, dropped_snapshots, encode
from rollwright.stores.names import (
    check_key,
    check_rollout,
    no_snapshot,
    snapshot_hex,
    snapshot_id,
)
from rollwright.stores.secrets import unpack

_REREADS = 5
_OPERATIONS = 100  # etcd takes 128 in one transaction


class EtcdStore(EtcdOptions):
    """Keeps states in an etcd."""

    def bind(self, cluster: Cluster) -> EtcdStates:
        """Return the store of one cluster, by its identity: names differ from site to site."""
        return EtcdStates(Link(self), cluster, self.prefix)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Save:
    """One save that is under way."""

    state: RolloutState
    after: str
    meta: values.Meta
    pieces: tuple[bytes, ...]
    fence: Fence | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Keys:
    """Where things of one cluster are."""

    scope: str

    def head(self, rollout: str) -> str:
        return join(self.scope, "states", rollout)

    def chunks(self, rollout: str, save: str = "") -> str:
        return join(self.scope, "chunks", rollout, *filter(None, [save]))

    def snapshot(self, rollout: str, name: str = "") -> str:
        return join(self.scope, "snapshots", rollout, *filter(None, [name]))

    def pieces(self, rollout: str, name: str = "") -> str:
        return join(self.scope, "pieces", rollout, *filter(None, [name]))

    @property
    def key(self) -> str:
        return join(self.scope, "installation-key")


class EtcdStates:
    """The states in one cluster."""

    def __init__(self, link: Link, cluster: Cluster, prefix: str) -> None:
        self._link = link
        self._cluster = cluster
        self._prefix = prefix
        self._identity = ""
        self._seen: dict[str, RolloutState] = {}

    async def load(self, rollout: str) -> RolloutState | None:
        """Return the state; ``None`` if there is none."""
        check_rollout(rollout)
        client, keys = await self._connect()
        for _ in range(_REREADS):
            found = await client.get(keys.head(rollout))
            if found is None:
                self._seen.pop(rollout, None)
                return None
            head = values.read_head(found.value, f"etcd key {keys.head(rollout)}")
            pieces = await _content(client, head, keys.chunks(rollout, head.meta.save))
            if pieces is not None:
                state = await self._decoded(pieces, head.meta.digest, rollout, keys)
                return self._remember(replace(state, version=str(found.mod_revision)))
            # A chunk is missing: somebody has saved meanwhile, or it is damaged.
        raise _damaged(f"etcd key {keys.head(rollout)}", "a chunk that it names is missing")

    async def save(self, state: RolloutState, *, after: str) -> RolloutState:
        """Save, if the version still is ``after``."""
        check_rollout(state.rollout)
        data = encode(replace(state, version=""))
        pieces = await asyncio.to_thread(values.pack, data)
        client, keys = await self._connect()
        meta = values.meta_of(data, pieces, uuid4().hex[:16])
        save = _Save(
            state=state, after=after, meta=meta, pieces=pieces, fence=self._fence_of(state)
        )
        if meta.chunk_count:
            await self._write_chunks(client, keys, save)
        answer = await client.txn(_save_request(keys, save))
        if not answer.is_met:
            version = await self._judge(client, keys, save, answer)
        else:
            version = str(answer.revision)
            await self._clean_up(client, keys, save, answer)
        return self._remember(replace(state, version=version))

    async def put_snapshot(self, rollout: str, data: bytes) -> str:
        """Keep bytes under their digest."""
        client, keys = await self._connect()
        snapshot = snapshot_id(data)
        name = snapshot_hex(check_rollout(rollout), snapshot)
        pieces = await asyncio.to_thread(values.pack, data)
        meta = values.meta_of(data, pieces, "")
        if meta.chunk_count:
            await _write_pieces(client, keys.pieces(rollout, name), pieces)
        # The head comes last: what it names is there.
        head = requests.put(keys.snapshot(rollout, name), values.write_head(meta, pieces))
        await client.txn(requests.txn(then=[head]))
        return snapshot

    async def get_snapshot(self, rollout: str, snapshot: str) -> bytes:
        """Return kept bytes."""
        name = snapshot_hex(check_rollout(rollout), snapshot)
        client, keys = await self._connect()
        where = f"etcd key {keys.snapshot(rollout, name)}"
        found = await client.get(keys.snapshot(rollout, name))
        if found is None:
            raise no_snapshot(rollout, snapshot)
        head = values.read_head(found.value, where)
        pieces = await _content(client, head, keys.pieces(rollout, name))
        if pieces is None:
            raise _damaged(where, "a piece that it names is missing")
        return await asyncio.to_thread(unpack, pieces, digest=snapshot, where=where)

    async def delete(self, rollout: str, *, after: str) -> None:
        """Forget a rollout and its snapshots, if the version still is ``after``."""
        client, keys = await self._connect()
        head = keys.head(check_rollout(rollout))
        below = (keys.chunks(rollout), keys.snapshot(rollout), keys.pieces(rollout))
        answer = await client.txn(
            requests.txn(
                [requests.is_modified_at(head, _revision(after))],
                [requests.delete(head), *map(requests.delete_below, below)],
                [requests.read(head)],
            )
        )
        # Sent twice: the first time may have done it.
        was_done = answer.is_repeated and not answer.is_met and not answer.results[0].kvs
        if not answer.is_met and not (was_done and after):
            raise self._conflict(rollout)
        self._seen.pop(rollout, None)

    async def list(self) -> tuple[str, ...]:
        """Return the names of all rollouts, sorted."""
        client, keys = await self._connect()
        answer = await client.range(
            requests.range_below(join(keys.scope, "states"), keys_only=True)
        )
        names = (one.key.decode().rpartition("/")[2] for one in answer.kvs)
        return tuple(sorted(map(unquote, names)))

    async def key(self) -> bytes | None:
        """Return the installation's key."""
        client, keys = await self._connect()
        found = await client.get(keys.key)
        if found is None:
            return None
        if not found.value:
            raise _damaged(f"etcd key {keys.key}", "it is empty")
        return bytes(found.value)

    async def put_key(self, key: bytes) -> bytes:
        """Keep the installation's key, if there is none; return the one that is kept."""
        check_key(key)
        client, keys = await self._connect()
        answer = await client.txn(
            requests.txn(
                [requests.is_absent(keys.key)],
                [requests.put(keys.key, key)],
                [requests.read(keys.key)],
            )
        )
        return key if answer.is_met else bytes(answer.results[0].kvs[0].value)

    async def close(self) -> None:
        """Leave the connection."""
        await self._link.close()

    async def _connect(self) -> tuple[Client, _Keys]:
        self._identity = self._identity or await self._cluster.identity()
        client = self._link.connection().client
        return client, _Keys(scope=join(self._prefix, self._identity))

    def _fence_of(self, state: RolloutState) -> Fence | None:
        """Return the ticket under which this process works on a rollout, if it is in this etcd."""
        fence = self._link.connection().fences.get((self._identity, state.rollout))
        return fence if fence and fence.token == state.token else None

    def _remember(self, state: RolloutState) -> RolloutState:
        self._seen[state.rollout] = state
        return state

    async def _decoded(
        self, pieces: Sequence[bytes], digest: str, rollout: str, keys: _Keys
    ) -> RolloutState:
        where = f"etcd key {keys.head(rollout)}"
        data = await asyncio.to_thread(unpack, pieces, digest=digest, where=where)
        return decode(data, where=where, rollout=rollout)

    async def _write_chunks(self, client: Client, keys: _Keys, save: _Save) -> None:
        place = keys.chunks(save.state.rollout, save.meta.save)
        try:
            await _write_pieces(client, place, save.pieces)
        except RolloutError:
            await _sweep(client, [requests.delete_below(place)])
            raise

    async def _judge(self, client: Client, keys: _Keys, save: _Save, answer: TxnAnswer) -> str:
        """Return the version of a save that had been done already; raise why it was refused."""
        rollout = save.state.rollout
        found = answer.results[0].kvs[0] if answer.results[0].kvs else None
        where = f"etcd key {keys.head(rollout)}"
        head = values.read_head(found.value, where) if found else None
        if found and head and head.meta.save == save.meta.save:
            return str(found.mod_revision)  # an answer was lost, and the request was sent again
        await _sweep(client, [requests.delete_below(keys.chunks(rollout, save.meta.save))])
        if (found.mod_revision if found else 0) != _revision(save.after):
            raise self._conflict(rollout)
        if head and head.token > save.state.token:
            raise StateConflict(
                f"state of {rollout!r} in etcd {self._link.where}: a run with a later lock"
                f" ({head.token}) has saved it; ours is {save.state.token}",
                hint="this run lost its lock; run again",
            )
        raise LockLost(
            f"lock {rollout!r} is lost: its ticket is gone from etcd {self._link.where}",
            hint="nothing more was written; run again, it goes on from what was done",
        )

    async def _clean_up(self, client: Client, keys: _Keys, save: _Save, answer: TxnAnswer) -> None:
        """Delete what no head names any more; the save itself is decided."""
        rollout, (_, chunks) = save.state.rollout, answer.results
        ours = keys.chunks(rollout, save.meta.save)
        old = [one.key.decode() for one in chunks.kvs]
        gone = [requests.delete(key) for key in old if key.rpartition("/")[0] != ours]
        before = self._seen.get(rollout)
        if before is not None and before.version == save.after:
            for snapshot in dropped_snapshots(before, save.state):
                name = snapshot_hex(rollout, snapshot)
                gone.append(requests.delete(keys.snapshot(rollout, name)))
                gone.append(requests.delete_below(keys.pieces(rollout, name)))
        await _sweep(client, gone)

    def _conflict(self, rollout: str) -> StateConflict:
        return StateConflict(
            f"state of {rollout!r} in etcd {self._link.where}: "
            "somebody else saved it since it was loaded",
            hint="run again: the plan is made anew from what is there now",
        )


def _save_request(keys: _Keys, save: _Save) -> Any:
    rollout = save.state.rollout
    head = keys.head(rollout)
    value = values.write_head(save.meta, save.pieces, save.state.token)
    conditions = [requests.is_modified_at(head, _revision(save.after))]
    if save.after:
        conditions.append(requests.is_below(head, values.above(save.state.token)))
    if save.fence:
        conditions.append(requests.is_created_at(save.fence.ticket, save.fence.revision))
    chunks = requests.read_below(keys.chunks(rollout), keys_only=True)
    return requests.txn(conditions, [requests.put(head, value), chunks], [requests.read(head)])


def _revision(version: str) -> int:
    """Return the revision that a version names; one that never is for a version of nobody."""
    return int(version) if version.isdecimal() else (-1 if version else 0)


async def _write_pieces(client: Client, place: str, pieces: Iterable[bytes]) -> None:
    # One after the other: each is as large as a member takes without stopping for others.
    for number, piece in enumerate(pieces):
        await client.txn(requests.txn(then=[requests.put(f"{place}/{number}", piece)]))


async def _content(client: Client, head: values.Head, place: str) -> list[bytes] | None:
    """Return the pieces of a content in order; ``None`` if one is missing."""
    if not head.meta.chunk_count:
        return [head.content]
    numbers = range(head.meta.chunk_count)
    found = await asyncio.gather(*(client.get(f"{place}/{number}") for number in numbers))
    pieces = [bytes(one.value) for one in found if one is not None]
    return pieces if len(pieces) == len(found) else None


async def _sweep(client: Client, deletes: Sequence[Any]) -> None:
    # What cannot be deleted now is found by the next sweep.
    with suppress(RolloutError):
        for at in range(0, len(deletes), _OPERATIONS):
            await client.txn(requests.txn(then=deletes[at : at + _OPERATIONS]))


def _damaged(where: str, why: str) -> InvalidDocument:
    return InvalidDocument(
        f"{where}: damaged: {why}",
        hint="restore it from a backup; or delete it and adopt the objects anew",
    )
