"""Prefect blocks: addresses, and references to credentials; no logic.

    rollwright blocks are found by Prefect through the entry point ``prefect.collections``, and
    registered by ``prefect block register -f blocks/register.py``.

Before: somebody saved a block on the server's pages or with ``.save(NAME)``.
After: ``site.toml`` or a rollout names it as ``SLUG/NAME``; ``reading`` turns it into options.

Every block says its ``kind``: without it Prefect would load one for another of a union. Every
field has a default, because a document that was saved before the field was there must load.
"""

from __future__ import annotations

from rollwright.blocks.cluster import Cluster
from rollwright.blocks.etcd import Etcd
from rollwright.blocks.git_source import GitSource
from rollwright.blocks.postgresql import PostgreSQL
from rollwright.blocks.secret import SecretReference, WebhookSecret
from rollwright.blocks.site import Site

ALL = (Cluster, GitSource, Etcd, PostgreSQL, WebhookSecret, Site)
"""Every block of ours."""

__all__ = [
    "ALL",
    "Cluster",
    "Etcd",
    "GitSource",
    "PostgreSQL",
    "SecretReference",
    "Site",
    "WebhookSecret",
]
