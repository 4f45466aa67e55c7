"""The standard flow to many clusters, for deployments of this site."""

from __future__ import annotations

from rollwright.flows import fan_out

__all__ = ["fan_out"]
