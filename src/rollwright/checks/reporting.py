"""Who is told instead of failing: an SQL statement against a database of the site (DOC-34, DOC-37).

Before: a check has found a failure, or its time is over.
After: the engine executes the statement in a transaction; if it succeeds, the step counts as done.
"""

from __future__ import annotations

from pydantic import BaseModel, Field

from rollwright.plugins.contracts import SqlReport
from rollwright.plugins.options import OPTIONS


class Query(BaseModel):
    """An SQL statement."""

    model_config = OPTIONS

    stmt: str = Field(min_length=1)


class DatabaseReport(BaseModel):
    """What to run in which database.

    Attributes:
        name: A database of the site.
        query: The statement.
    """

    model_config = OPTIONS

    name: str = Field(min_length=1)
    query: Query


class Report(BaseModel):
    """Who is told instead of failing."""

    model_config = OPTIONS

    database: DatabaseReport

    @property
    def sql(self) -> SqlReport:
        """The report as the engine takes it."""
        return SqlReport(database=self.database.name, statement=self.database.query.stmt)


def databases_of(report: Report | None) -> tuple[str, ...]:
    """Return the databases that a report names."""
    return (report.database.name,) if report else ()
