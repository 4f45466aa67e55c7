"""The standard drift flow, for deployments of this site."""

from __future__ import annotations

from rollwright.flows import drift

__all__ = ["drift"]
