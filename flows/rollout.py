"""The standard rollout flow, for deployments of this site."""

from __future__ import annotations

from rollwright.flows import rollout

__all__ = ["rollout"]
