"""The tables of the store in PostgreSQL, as the newest migration leaves them.

Every row names its cluster by the UID of the namespace ``kube-system``. Names of contexts differ
from machine to machine, and are used again for clusters that were made anew: they would hide a
state from those who call the cluster something else, or show one that is about another cluster.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    func,
)

METADATA = MetaData()

STATES = Table(
    "states",
    METADATA,
    Column("cluster_id", Text, primary_key=True),
    Column("rollout", Text, primary_key=True),
    # For people who look with psql:
    Column("cluster_name", Text, nullable=False),
    Column("object_count", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("is_running", Boolean, nullable=False),
    Column("saved_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    # What a save compares:
    Column("version", Text, nullable=False),
    Column("token", BigInteger, nullable=False),
    # The state itself, compressed, and the digest of what was compressed:
    Column("digest", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

SNAPSHOTS = Table(
    "snapshots",
    METADATA,
    Column("cluster_id", Text, primary_key=True),
    Column("rollout", Text, primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("kept_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

KEYS = Table(
    "installation_keys",
    METADATA,
    Column("cluster_id", Text, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("kept_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

REVISIONS = Table(
    "revisions",
    METADATA,
    Column("cluster_id", Text, primary_key=True),
    Column("rollout", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("source", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("plan_id", Text, nullable=False),
    Column("snapshot", Text, nullable=False),
    Column("rolled_back_to", Integer, nullable=False),
    Column("url", Text, nullable=False, server_default=""),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True), nullable=False),
    ForeignKeyConstraint(
        ["cluster_id", "rollout"], ["states.cluster_id", "states.rollout"], ondelete="CASCADE"
    ),
    Index("revisions_by_time", "cluster_id", "ended_at"),
    Index("revisions_by_outcome", "cluster_id", "outcome", "ended_at"),
)
"""Every revision that ever was, also those that have left the state's own history."""
