"""Where the state of rollouts is remembered between runs, one module per store.

Every plugin has ``bind(cluster)``: the store that keeps the states of that cluster.
"""

from __future__ import annotations

BUILTIN = {
    "cluster": "rollwright.stores.cluster:ClusterStore",
    "file": "rollwright.stores.file:FileStore",
    "memory": "rollwright.stores.memory:MemoryStore",
}
"""Plugin name → ``module:class``; imported on use."""
