"""The statements of the store in PostgreSQL. Pure: values in, statements out.

Before: ``states`` decides what to read and write.
After: ``database`` sends them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import Delete, Executable, Select, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from rollwright.rollouts.state import Revision, RolloutState
from rollwright.stores.names import snapshot_id
from rollwright.stores.postgres.tables import KEYS, REVISIONS, SNAPSHOTS, STATES
from rollwright.stores.secrets import pack

_RECORD = tuple(one.name for one in fields(Revision))
_NUL = "\x00"  # the one character that no text of PostgreSQL holds


def packed(data: bytes) -> bytes:
    """Return bytes compressed."""
    return b"".join(pack(data))


def state_row(state: RolloutState, data: bytes, content: bytes) -> dict[str, Any]:
    """Return the columns of a state that change with every save."""
    return {
        "version": state.version,
        "token": state.token,
        "digest": snapshot_id(data),
        "content": content,
        "object_count": len(state.inventory),
        "revision": state.last.number if state.last else 0,
        "is_running": state.journal is not None,
    }


def find_state(cluster_id: str, rollout: str) -> Select[Any]:
    """Return what loads a state."""
    wanted = (STATES.c.version, STATES.c.digest, STATES.c.content)
    return select(*wanted).where(*_state(cluster_id, rollout))


def find_version(cluster_id: str, rollout: str) -> Select[Any]:
    """Return what says which version stands, and whose token it has."""
    return select(STATES.c.version, STATES.c.token).where(*_state(cluster_id, rollout))


def first_state(cluster_id: str, rollout: str, row: dict[str, Any]) -> Executable:
    """Return what writes a state where there is none."""
    values = {"cluster_id": cluster_id, "rollout": rollout, **row}
    made = insert(STATES).values(**values).on_conflict_do_nothing()
    return made.returning(STATES.c.version)


def next_state(cluster_id: str, rollout: str, row: dict[str, Any], after: str) -> Executable:
    """Return what replaces a state if its version still is ``after``.

    A token that is older than the one there belongs to a run whose lock was taken over; it is
    refused by the same comparison (ST-05).
    """
    expected = (STATES.c.version == after, STATES.c.token <= row["token"])
    saved = update(STATES).where(*_state(cluster_id, rollout), *expected)
    return saved.values(**row, saved_at=func.now()).returning(STATES.c.version)


def forget_state(cluster_id: str, rollout: str, after: str) -> Executable:
    """Return what deletes a state if its version still is ``after``; its history goes with it."""
    gone = delete(STATES).where(*_state(cluster_id, rollout), STATES.c.version == after)
    return gone.returning(STATES.c.version)


def all_rollouts(cluster_id: str) -> Select[Any]:
    """Return what names the rollouts of a cluster."""
    return select(STATES.c.rollout).where(STATES.c.cluster_id == cluster_id)


def keep_revisions() -> Executable:
    """Return what writes the rows of ``revision_rows`` over those that are there."""
    made = insert(REVISIONS)
    return made.on_conflict_do_update(
        index_elements=list(REVISIONS.primary_key),
        set_={name: made.excluded[name] for name in _RECORD if name != "number"},
    )


def revision_rows(
    cluster_id: str, rollout: str, revisions: Iterable[Revision]
) -> list[dict[str, Any]]:
    """Return the columns of revisions."""
    return [{"cluster_id": cluster_id, "rollout": rollout, **_columns(one)} for one in revisions]


def find_revisions(
    cluster_id: str, rollout: str, *, outcome: str, since: datetime | None, limit: int
) -> Select[Any]:
    """Return what lists revisions, the latest first; empty and ``None`` do not choose."""
    columns = (REVISIONS.c.rollout, *(REVISIONS.c[name] for name in _RECORD))
    found = select(*columns).where(REVISIONS.c.cluster_id == cluster_id)
    if rollout:
        found = found.where(REVISIONS.c.rollout == rollout)
    if outcome:
        found = found.where(REVISIONS.c.outcome == outcome)
    if since is not None:
        found = found.where(REVISIONS.c.ended_at >= since)
    latest = (REVISIONS.c.ended_at.desc(), REVISIONS.c.rollout, REVISIONS.c.number.desc())
    return found.order_by(*latest).limit(limit)


def keep_snapshot(cluster_id: str, rollout: str, digest: str, content: bytes) -> Executable:
    """Return what keeps a snapshot; one that is damaged there is mended."""
    made = insert(SNAPSHOTS).values(
        cluster_id=cluster_id, rollout=rollout, digest=digest, content=content
    )
    return made.on_conflict_do_update(
        index_elements=list(SNAPSHOTS.primary_key),
        set_={"content": made.excluded.content},
        where=SNAPSHOTS.c.content != made.excluded.content,
    )


def find_snapshot(cluster_id: str, rollout: str, digest: str) -> Select[Any]:
    """Return what loads a snapshot."""
    return select(SNAPSHOTS.c.content).where(
        *_snapshots(cluster_id, rollout), SNAPSHOTS.c.digest == digest
    )


def drop_snapshots(cluster_id: str, rollout: str, digests: Collection[str] | None = None) -> Delete:
    """Return what deletes snapshots: those named, or all of a rollout."""
    gone = delete(SNAPSHOTS).where(*_snapshots(cluster_id, rollout))
    return gone if digests is None else gone.where(SNAPSHOTS.c.digest.in_(sorted(digests)))


def keep_key(cluster_id: str, key: bytes) -> Executable:
    """Return what keeps the installation's key if there is none."""
    return insert(KEYS).values(cluster_id=cluster_id, content=key).on_conflict_do_nothing()


def find_key(cluster_id: str) -> Select[Any]:
    """Return what loads the installation's key."""
    return select(KEYS.c.content).where(KEYS.c.cluster_id == cluster_id)


def read_revision(row: Any) -> Revision:
    """Return the revision that a row of ``find_revisions`` holds."""
    return Revision(**{name: getattr(row, name) for name in _RECORD})


def _columns(one: Revision) -> dict[str, Any]:
    return {name: _plain(getattr(one, name)) for name in _RECORD}


def _plain(value: Any) -> Any:
    return value.replace(_NUL, "\ufffd") if isinstance(value, str) else value


def _state(cluster_id: str, rollout: str) -> tuple[Any, ...]:
    return STATES.c.cluster_id == cluster_id, STATES.c.rollout == rollout


def _snapshots(cluster_id: str, rollout: str) -> tuple[Any, ...]:
    return SNAPSHOTS.c.cluster_id == cluster_id, SNAPSHOTS.c.rollout == rollout
