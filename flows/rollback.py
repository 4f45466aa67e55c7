"""The standard rollback flow, for deployments of this site."""

from __future__ import annotations

from rollwright.flows import rollback

__all__ = ["rollback"]
