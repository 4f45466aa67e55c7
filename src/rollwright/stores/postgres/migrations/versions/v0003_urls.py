"""Where a run's page is, if it is tracked anywhere."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column; runs of before have no page."""
    op.add_column("revisions", sa.Column("url", sa.Text, nullable=False, server_default=""))


def downgrade() -> None:
    """Drop the column; the states still know what it held."""
    op.drop_column("revisions", "url")
