"""The states of one cluster's rollouts in PostgreSQL.

Before: ``postgres`` was bound to a cluster.
After: the next run loads what this one saved, on whatever machine.

A save is one transaction: the state by compare-and-swap, its new revisions, the snapshots that
nobody names any more. Versions are made up here and never repeat, so a save whose answer was lost
finds its own version there and knows that it was done.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import count
from typing import Any
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rollwright.errors import InvalidDocument, StateConflict
from rollwright.plugins.contracts import Cluster
from rollwright.rollouts.state import Revision, RolloutState
from rollwright.stores.format import decode, dropped_snapshots, encode
from rollwright.stores.names import (
    check_key,
    check_rollout,
    no_snapshot,
    snapshot_hex,
    snapshot_id,
)
from rollwright.stores.postgres import statements
from rollwright.stores.postgres.database import Database
from rollwright.stores.postgres.schema import HEAD
from rollwright.stores.secrets import unpack


class PostgresStates:
    """The states of one cluster."""

    def __init__(self, cluster: Cluster, database: Database) -> None:
        self._cluster = cluster
        self._database = database
        self._identity = ""
        self._seen: dict[str, RolloutState] = {}

    async def load(self, rollout: str) -> RolloutState | None:
        """Return the state; ``None`` if there is none."""
        check_rollout(rollout)
        rows = await self._database.send(statements.find_state(await self._id(), rollout))
        if not rows:
            self._seen.pop(rollout, None)
            return None
        state = await asyncio.to_thread(self._read, rollout, rows[0])
        self._seen[rollout] = state
        return state

    async def save(self, state: RolloutState, *, after: str) -> RolloutState:
        """Save, if the version still is ``after`` and no later run has written.

        Raises:
            StateConflict: Somebody else saved since, or a run with a later lock.
        """
        rollout = check_rollout(state.rollout)
        cluster_id = await self._id()
        row = await asyncio.to_thread(_row, state, _next_version(after))
        row["cluster_name"] = self._cluster.name
        saved = replace(state, version=row["version"])
        before = await self._before(rollout, after)

        async def work(connection: AsyncConnection) -> StateConflict | None:
            swap = partial(statements.next_state, after=after) if after else statements.first_state
            if (await connection.execute(swap(cluster_id, rollout, row))).first() is None:
                answer = await connection.execute(statements.find_version(cluster_id, rollout))
                return self._refused(saved, after, answer.first())
            await self._keep_history(connection, cluster_id, before, saved)
            return None

        refused = await self._database.write(work)
        if refused is not None:
            raise refused
        self._seen[rollout] = saved
        return saved

    async def put_snapshot(self, rollout: str, data: bytes) -> str:
        """Keep bytes under their digest."""
        snapshot = snapshot_id(data)
        content = await asyncio.to_thread(statements.packed, data)
        where = (await self._id(), check_rollout(rollout))
        await self._database.send(statements.keep_snapshot(*where, snapshot, content))
        return snapshot

    async def get_snapshot(self, rollout: str, snapshot: str) -> bytes:
        """Return kept bytes."""
        snapshot_hex(check_rollout(rollout), snapshot)
        statement = statements.find_snapshot(await self._id(), rollout, snapshot)
        rows = await self._database.send(statement)
        if not rows:
            raise no_snapshot(rollout, snapshot)
        where = f"{self._database.where}: snapshot {snapshot} of {rollout!r}"
        return await asyncio.to_thread(unpack, [rows[0].content], digest=snapshot, where=where)

    async def delete(self, rollout: str, *, after: str) -> None:
        """Forget a rollout, its history and its snapshots, if the version still is ``after``."""
        cluster_id = await self._id()
        check_rollout(rollout)

        attempts = count()

        async def work(connection: AsyncConnection) -> bool:
            is_again = next(attempts) > 0
            gone = await connection.execute(statements.forget_state(cluster_id, rollout, after))
            if gone.first() is None:
                answer = await connection.execute(statements.find_version(cluster_id, rollout))
                # Gone: we did it, and the answer was lost; or it never was.
                if answer.first() is not None or (after and not is_again):
                    return False
            await connection.execute(statements.drop_snapshots(cluster_id, rollout))
            return True

        if not await self._database.write(work):
            raise self._somebody_else(rollout)
        self._seen.pop(rollout, None)

    async def list(self) -> tuple[str, ...]:
        """Return the names of all rollouts, sorted."""
        rows = await self._database.send(statements.all_rollouts(await self._id()))
        return tuple(sorted(row.rollout for row in rows))

    async def history(
        self,
        rollout: str = "",
        *,
        outcome: str = "",
        since: datetime | None = None,
        limit: int = 100,
    ) -> tuple[tuple[str, Revision], ...]:
        """Return revisions with their rollouts, the latest first, of this cluster.

        Those that have left a state's own history are among them.

        Args:
            rollout: Only of this one; of all when empty.
            outcome: Only with this outcome; with any when empty.
            since: Only those that ended then or later.
            limit: How many at most.
        """
        statement = statements.find_revisions(
            await self._id(), rollout, outcome=outcome, since=since, limit=limit
        )
        rows = await self._database.send(statement)
        return tuple((row.rollout, statements.read_revision(row)) for row in rows)

    async def key(self) -> bytes | None:
        """Return the installation's key."""
        rows = await self._database.send(statements.find_key(await self._id()))
        if rows and not rows[0].content:
            raise InvalidDocument(
                f"{self._database.where}: the installation's key is damaged: it is empty",
                hint="restore it from a backup; or delete its row, and every Secret is looked at"
                " anew",
            )
        return bytes(rows[0].content) if rows else None

    async def put_key(self, key: bytes) -> bytes:
        """Keep the installation's key, if there is none; return the one that is kept."""
        wanted = check_key(key)
        await self._database.send(statements.keep_key(await self._id(), wanted))
        return await self.key() or wanted

    async def checkup(self) -> str:
        """Return what a check-up tells of the server."""
        [row] = await self._database.send(text("SHOW server_version"))
        return f"PostgreSQL {row[0].partition(' ')[0]}, schema version {HEAD}"

    async def close(self) -> None:
        """Close the connections."""
        await self._database.close()

    async def _id(self) -> str:
        """Return which cluster this is; asked once, and before any transaction (ST-13)."""
        if not self._identity:
            self._identity = await self._cluster.identity()
        return self._identity

    async def _before(self, rollout: str, after: str) -> RolloutState | None:
        """Return the state that is replaced, as this process knows it or as it is there."""
        seen = self._seen.get(rollout)
        if seen is not None and seen.version == after:
            return seen
        found = await self.load(rollout) if after else None
        return found if found is not None and found.version == after else None

    async def _keep_history(
        self,
        connection: AsyncConnection,
        cluster_id: str,
        before: RolloutState | None,
        saved: RolloutState,
    ) -> None:
        new = _new_revisions(before, saved)
        if rows := statements.revision_rows(cluster_id, saved.rollout, new):
            await connection.execute(statements.keep_revisions(), rows)
        if before and (dropped := dropped_snapshots(before, saved)):
            gone = statements.drop_snapshots(cluster_id, saved.rollout, dropped)
            await connection.execute(gone)

    def _read(self, rollout: str, row: Any) -> RolloutState:
        where = f"{self._database.where}: state of {rollout!r}"
        data = unpack([row.content], digest=row.digest, where=where)
        return replace(decode(data, where=where, rollout=rollout), version=row.version)

    def _refused(self, state: RolloutState, after: str, found: Any) -> StateConflict | None:
        """Return why a save found nothing to replace; ``None`` if it had been done."""
        if found is not None and found.version == state.version:
            return None  # the answer to a first attempt was lost
        if found is None or found.version != after:
            return self._somebody_else(state.rollout)
        return StateConflict(
            f"state of {state.rollout!r} in {self._database.where}: a run with a later lock"
            f" ({found.token}) wrote it; ours is {state.token}",
            hint="make a new plan; see `rollwright locks` for who is at work",
        )

    def _somebody_else(self, rollout: str) -> StateConflict:
        return StateConflict(
            f"state of {rollout!r} in {self._database.where}: "
            "somebody else saved it since it was loaded",
            hint="run again: the plan is made anew from what is there now",
        )


def _row(state: RolloutState, version: str) -> dict[str, Any]:
    data = encode(replace(state, version=""))
    return statements.state_row(replace(state, version=version), data, statements.packed(data))


def _new_revisions(before: RolloutState | None, after: RolloutState) -> tuple[Revision, ...]:
    known = {one.number: one for one in before.revisions} if before else {}
    return tuple(one for one in after.revisions if known.get(one.number) != one)


def _next_version(version: str) -> str:
    number = version.partition("-")[0]
    following = int(number) + 1 if number.isdecimal() else 1
    # A part by chance: a state that was deleted and made again repeats no version.
    return f"{following}-{uuid4().hex[:12]}"
