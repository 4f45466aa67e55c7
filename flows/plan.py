"""The standard plan flow, for deployments of this site."""

from __future__ import annotations

from rollwright.flows import plan

__all__ = ["plan"]
