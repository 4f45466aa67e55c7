"""Who may change a rollout now: mutual exclusion with fencing tokens, one module per kind.

Every plugin has ``bind(cluster)``: the service for the rollouts of that cluster.
"""

from __future__ import annotations

BUILTIN = {
    "etcd": "rollwright.locks.etcd:EtcdLocks",
    "lease": "rollwright.locks.lease:LeaseLocks",
    "file": "rollwright.locks.file:FileLocks",
    "memory": "rollwright.locks.memory:MemoryLocks",
}
"""Plugin name → ``module:class``; imported on use."""
