"""The store that keeps states in the cluster they are about, so that every machine sees them.

A state is one Secret as long as it fits: one GET loads it, one PUT saves it. A larger one has
chunks. They are written under new names before the head names them, so a crash between two writes
leaves the old state readable, and a save decides the moment its head is written.

What a crash leaves is swept by a later save: chunks that were there *before* a head is written
and that this head does not name are deleted *after* it. A save that had begun with the same
version can no longer succeed then, so nothing is taken from it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from rollwright.errors import ClusterError, RolloutError, StateConflict
from rollwright.plugins.contracts import Cluster
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import Body
from rollwright.rollouts.state import RolloutState
from rollwright.stores import secrets
from rollwright.stores.format import decode, dropped_snapshots, encode
from rollwright.stores.names import check_key, check_rollout, no_snapshot, snapshot_id
from rollwright.stores.objects import SecretObjects
from rollwright.stores.secrets import Blueprint, Meta

SWEEP_EVERY = timedelta(days=1)
"""How often a small state's save looks for what a crash has left; a chunked one always does."""

_REREADS = 5


class ClusterStore(BaseModel):
    """Keeps states in Secrets of the target cluster."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    namespace: str = Field(
        default="rollwright-system",
        pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
        description="Namespace of the Secrets; made when absent.",
    )

    def bind(self, cluster: Cluster) -> ClusterStates:
        """Return the store of one cluster."""
        return ClusterStates(cluster, self.namespace)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """The state as this process last saw it in the cluster, and how it was kept."""

    state: RolloutState
    meta: Meta


def _utc_now() -> datetime:
    return datetime.now(UTC)


class ClusterStates:
    """The states in one cluster."""

    def __init__(
        self, cluster: Cluster, namespace: str, *, now: Callable[[], datetime] = _utc_now
    ) -> None:
        self._objects = SecretObjects(cluster, namespace)
        self._now = now
        self._seen: dict[str, _Seen] = {}

    async def load(self, rollout: str) -> RolloutState | None:
        """Return the state; ``None`` if there is none."""
        check_rollout(rollout)
        async with self._objects.explained():
            found = await self._read(secrets.head_name(rollout), "state")
        if found is None:
            self._seen.pop(rollout, None)
            return None
        head, meta, pieces = found
        where = self._objects.where(head.ref.name)
        data = await asyncio.to_thread(secrets.unpack, pieces, digest=meta.digest, where=where)
        state = decode(data, where=where, rollout=rollout)
        return self._remember(replace(state, version=head.resource_version), meta)

    async def save(self, state: RolloutState, *, after: str) -> RolloutState:
        """Save, if the version still is ``after``."""
        rollout = check_rollout(state.rollout)
        data = encode(replace(state, version=""))
        pieces = await asyncio.to_thread(secrets.pack, data)
        async with self._objects.explained():
            seen = self._seen.get(rollout)
            if seen and seen.state.version != after:
                seen = None
            must_sweep = len(pieces) > 1 or (after != "" and self._is_sweep_due(seen))
            orphans = await self._objects.names(rollout, secrets.CHUNK) if must_sweep else ()
            swept_at = self._now() if must_sweep or not seen else seen.meta.swept_at
            meta = Meta(digest=snapshot_id(data), save=uuid4().hex[:16], swept_at=swept_at)
            head, meta = await self._write(state, after, meta, pieces)
            await self._sweep(orphans)
            if seen:
                await self._drop_snapshots(rollout, dropped_snapshots(seen.state, state))
        return self._remember(replace(state, version=head.resource_version), meta)

    async def put_snapshot(self, rollout: str, data: bytes) -> str:
        """Keep bytes under their digest."""
        snapshot = snapshot_id(data)
        name = secrets.snapshot_name(check_rollout(rollout), snapshot)
        first, *rest = await asyncio.to_thread(secrets.pack, data)
        names = tuple(f"{name}.{number}" for number in range(1, len(rest) + 1))
        blueprint = Blueprint(
            namespace=self._objects.namespace, rollout=rollout, part=secrets.SNAPSHOT
        )
        meta = msgspec.json.encode(Meta(digest=snapshot, pieces=names))
        async with self._objects.explained():
            for one, content in zip(names, rest, strict=True):
                await self._objects.create_once(
                    secrets.piece(blueprint, one, {"snapshot": content})
                )
            # The first piece comes last: what it names is there.
            whole = {"meta": meta, "snapshot": first}
            await self._objects.create_once(secrets.piece(blueprint, name, whole))
        return snapshot

    async def get_snapshot(self, rollout: str, snapshot: str) -> bytes:
        """Return kept bytes."""
        name = secrets.snapshot_name(check_rollout(rollout), snapshot)
        async with self._objects.explained():
            found = await self._read(name, "snapshot")
        if found is None:
            raise no_snapshot(rollout, snapshot)
        _, _, pieces = found
        where = self._objects.where(name)
        return await asyncio.to_thread(secrets.unpack, pieces, digest=snapshot, where=where)

    async def delete(self, rollout: str, *, after: str) -> None:
        """Forget a rollout and its snapshots, if the version still is ``after``."""
        name = secrets.head_name(check_rollout(rollout))
        async with self._objects.explained():
            head = await self._objects.get(name)
            if (head.resource_version if head else "") != after:
                raise self._conflict(rollout)
            # The head goes after its snapshots: whoever is killed between finds the rollout still
            # remembered, and goes on. Its chunks go after it: without them nobody could read it.
            await self._objects.delete_all(await self._objects.names(rollout, secrets.SNAPSHOT))
            if head:
                await self._delete_head(rollout, head)
            self._seen.pop(rollout, None)
            await self._objects.delete_all(await self._objects.names(rollout, secrets.CHUNK))

    async def list(self) -> tuple[str, ...]:
        """Return the names of all rollouts, sorted."""
        async with self._objects.explained():
            heads = await self._objects.list(f"{secrets.PART_LABEL}={secrets.HEAD}")
        names = (head.labels.get(secrets.ROLLOUT_LABEL, "") for head in heads)
        return tuple(sorted(name for name in names if name))

    async def key(self) -> bytes | None:
        """Return the installation's key."""
        async with self._objects.explained():
            found = await self._objects.get(secrets.KEY_NAME)
        where = self._objects.where(secrets.KEY_NAME)
        return secrets.read_key(found, where) if found else None

    async def put_key(self, key: bytes) -> bytes:
        """Keep the installation's key, if there is none; return the one that is kept."""
        body = secrets.key_body(self._objects.namespace, check_key(key))
        async with self._objects.explained():
            await self._objects.create_once(body)
        # Read again, and not believed: the first one stays, whoever made it.
        kept = await self.key()
        if kept is None:
            where = self._objects.where(secrets.KEY_NAME)
            raise secrets.damaged(where, "it was deleted right after it was made")
        return kept

    def _is_sweep_due(self, seen: _Seen | None) -> bool:
        if seen is None or seen.meta.pieces or seen.meta.swept_at is None:
            return True
        # Either way: a clock that was wrong once must not stop the sweeping for years.
        return abs(self._now() - seen.meta.swept_at) > SWEEP_EVERY

    def _remember(self, state: RolloutState, meta: Meta) -> RolloutState:
        self._seen[state.rollout] = _Seen(state=state, meta=meta)
        return state

    async def _write(
        self, state: RolloutState, after: str, meta: Meta, pieces: tuple[bytes, ...]
    ) -> tuple[LiveObject, Meta]:
        rollout = state.rollout
        names = secrets.chunk_names(rollout, meta.save, len(pieces)) if len(pieces) > 1 else ()
        meta = msgspec.structs.replace(meta, pieces=names)
        blueprint = Blueprint(
            namespace=self._objects.namespace,
            rollout=rollout,
            part=secrets.HEAD,
            annotations=secrets.summary(state),
        )
        chunk = Blueprint(namespace=self._objects.namespace, rollout=rollout, part=secrets.CHUNK)
        body = secrets.head(blueprint, meta, b"".join(pieces) if not names else None, after)
        try:
            for name, content in zip(names, pieces, strict=False):
                await self._objects.create(secrets.piece(chunk, name, {"state": content}))
        except RolloutError:
            await self._sweep(names)
            raise
        try:
            return await self._flip(rollout, body, after, meta), meta
        except StateConflict:
            # Only then: after any other failure the head may have been written all the same.
            await self._sweep(names)
            raise

    async def _flip(self, rollout: str, body: Body, after: str, meta: Meta) -> LiveObject:
        try:
            return await (self._objects.replace(body) if after else self._objects.create(body))
        except ClusterError as error:
            if error.status not in {400, 404, 409, 422}:
                raise
            head = await self._objects.get(secrets.head_name(rollout))
            if head and self._is_from(head, meta):
                return head  # an answer was lost, and the request was sent again
            if (head.resource_version if head else "") == after:
                raise
            raise self._conflict(rollout) from error

    def _is_from(self, head: LiveObject, meta: Meta) -> bool:
        return secrets.read_meta(head, self._objects.where(head.ref.name)).save == meta.save

    async def _read(self, name: str, key: str) -> tuple[LiveObject, Meta, tuple[bytes, ...]] | None:
        """Return a head, what it says, and its pieces in order."""
        for _ in range(_REREADS):
            head = await self._objects.get(name)
            if head is None:
                return None
            where = self._objects.where(name)
            meta = secrets.read_meta(head, where)
            rest = await asyncio.gather(*(self._objects.get(piece) for piece in meta.pieces))
            held = [one for one in (head, *rest) if one and key in (one.body.get("data") or {})]
            if None not in rest:
                return head, meta, tuple(secrets.read_data(one, key, where) for one in held)
            again = await self._objects.get(name)
            if again is not None and again.resource_version == head.resource_version:
                break
        raise secrets.damaged(self._objects.where(name), "a Secret that it names is missing")

    async def _delete_head(self, rollout: str, head: LiveObject) -> None:
        try:
            await self._objects.delete(
                head.ref.name, uid=head.uid, resource_version=head.resource_version
            )
        except ClusterError as error:
            if error.status == 409:
                raise self._conflict(rollout) from error
            raise

    async def _sweep(self, names: Collection[str]) -> None:
        # What cannot be deleted now is found by the next sweep; the save itself is decided.
        with suppress(RolloutError):
            await self._objects.delete_all(names)

    async def _drop_snapshots(self, rollout: str, snapshots: Collection[str]) -> None:
        with suppress(RolloutError):
            for snapshot in snapshots:
                name = secrets.snapshot_name(rollout, snapshot)
                first = await self._objects.get(name)
                if first:
                    meta = secrets.read_meta(first, self._objects.where(name))
                    await self._objects.delete_all((name, *meta.pieces))

    def _conflict(self, rollout: str) -> StateConflict:
        return StateConflict(
            f"state of {rollout!r} in cluster {self._objects.cluster_name!r}: "
            "somebody else saved it since it was loaded",
            hint="run again: the plan is made anew from what is there now",
        )
