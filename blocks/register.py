"""Block types for Prefect: ``prefect block register -f blocks/register.py``.

A server that has Rollwright installed registers them by itself when it starts.
"""

from __future__ import annotations

from rollwright.blocks import Cluster, Etcd, GitSource, PostgreSQL, Site, WebhookSecret

__all__ = ["Cluster", "Etcd", "GitSource", "PostgreSQL", "Site", "WebhookSecret"]
