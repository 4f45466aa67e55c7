"""The store that keeps states in PostgreSQL, for many clusters and long histories.

One schema is one installation. In it every row belongs to a cluster by the UID of its namespace
``kube-system``, so states of different clusters never mix, and a cluster keeps its states
whatever a machine calls it. The tables are made and brought up to date on first use.

``options`` says where, ``access`` reads secrets, ``database`` connects,
``schema`` runs the migrations, ``tables`` and ``statements`` are the
SQL, ``states`` is the store of one cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollwright.plugins.contracts import Cluster
from rollwright.stores.postgres.options import PostgresOptions

if TYPE_CHECKING:
    from rollwright.stores.postgres.states import PostgresStates


class PostgresStore(PostgresOptions):
    """Keeps states in a PostgreSQL database."""

    def bind(self, cluster: Cluster) -> PostgresStates:
        """Return the store of one cluster."""
        # 0.3 s: listing plugins needs neither SQLAlchemy nor asyncpg.
        from rollwright.stores.postgres.database import Database  # noqa: PLC0415  (see above)
        from rollwright.stores.postgres.states import PostgresStates  # noqa: PLC0415  (see above)

        return PostgresStates(cluster, Database(self))
