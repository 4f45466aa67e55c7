"""The history of all rollouts in a table of its own, so that it can be asked."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_TEXTS = (
    *("source", "digest", "outcome", "actor"),
    *("kind", "message", "plan_id", "snapshot"),
)
_INSTANTS = ("started_at", "ended_at")


def upgrade() -> None:
    """Make the table, and fill it with what the states remember."""
    revisions = op.create_table(
        "revisions",
        sa.Column("cluster_id", sa.Text, primary_key=True),
        sa.Column("rollout", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in _TEXTS),
        sa.Column("rolled_back_to", sa.Integer, nullable=False),
        *(sa.Column(name, sa.DateTime(timezone=True), nullable=False) for name in _INSTANTS),
        sa.ForeignKeyConstraint(
            ["cluster_id", "rollout"], ["states.cluster_id", "states.rollout"], ondelete="CASCADE"
        ),
    )
    op.create_index("revisions_by_time", "revisions", ["cluster_id", "ended_at"])
    op.create_index("revisions_by_outcome", "revisions", ["cluster_id", "outcome", "ended_at"])
    states = sa.text("SELECT cluster_id, rollout, content FROM states")
    for cluster_id, rollout, content in op.get_bind().execute(states).all():
        rows = [
            {"cluster_id": cluster_id, "rollout": rollout, **row} for row in _remembered(content)
        ]
        op.bulk_insert(revisions, rows)


def downgrade() -> None:
    """Drop the table; the states still know what it was filled with."""
    op.drop_table("revisions")


def _remembered(content: bytes) -> Iterator[dict[str, Any]]:
    try:
        found = json.loads(zlib.decompress(content))["state"].get("revisions", ())
        yield from [_row(one) for one in found]
    except (zlib.error, ValueError, KeyError, TypeError, AttributeError):
        return  # damaged: whoever loads it is told


def _row(one: dict[str, Any]) -> dict[str, Any]:
    return {
        "number": one["number"],
        "rolled_back_to": one.get("rolled_back_to", 0),
        **{name: str(one.get(name, "")).replace("\x00", "\ufffd") for name in _TEXTS},
        **{name: datetime.fromisoformat(one[name]) for name in _INSTANTS},
    }
