"""Where the state of rollouts is remembered between runs, one module per store.

Every plugin has ``bind(cluster)``: the store that keeps the states of that cluster.
"""

from __future__ import annotations

BUILTIN = {
    "etcd": "rollwright.stores.etcd:EtcdStore",
    "cluster": "rollwright.stores.cluster:ClusterStore",
    "file": "rollwright.stores.file:FileStore",
    "git": "rollwright.stores.git.store:GitStore",
    "memory": "rollwright.stores.memory:MemoryStore",
    "postgres": "rollwright.stores.postgres.store:PostgresStore",
}
"""Plugin name → ``module:class``; imported on use."""
