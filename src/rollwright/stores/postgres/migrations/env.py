"""Where alembic comes in. Before: ``schema`` holds the lock. After: ``versions`` run."""

from __future__ import annotations

from alembic import context

settings = context.config.attributes

context.configure(
    connection=settings["connection"],
    version_table=settings["version_table"],
    version_table_schema=settings["schema"],
)
# The transaction is the caller's: a crash leaves the old version whole.
with context.begin_transaction():
    context.run_migrations()
