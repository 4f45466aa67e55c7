"""States, snapshots and the installation's keys."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "states",
        sa.Column("cluster_id", sa.Text, primary_key=True),
        sa.Column("rollout", sa.Text, primary_key=True),
        sa.Column("cluster_name", sa.Text, nullable=False),
        sa.Column("object_count", sa.Integer, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("is_running", sa.Boolean, nullable=False),
        _now("saved_at"),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "snapshots",
        sa.Column("cluster_id", sa.Text, primary_key=True),
        sa.Column("rollout", sa.Text, primary_key=True),
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
        _now("kept_at"),
    )
    op.create_table(
        "installation_keys",
        sa.Column("cluster_id", sa.Text, primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
        _now("kept_at"),
    )
    for table in ("states", "snapshots"):
        # It is compressed already; the server need not try again.
        op.execute(f"ALTER TABLE {table} ALTER COLUMN content SET STORAGE EXTERNAL")


def downgrade() -> None:
    """Drop the tables."""
    for table in ("installation_keys", "snapshots", "states"):
        op.drop_table(table)


def _now(name: str) -> sa.Column[datetime]:
    kind = sa.DateTime(timezone=True)
    return sa.Column(name, kind, nullable=False, server_default=sa.func.now())
