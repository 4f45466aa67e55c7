"""Which objects a transformer means; policies mean objects the same way."""

from __future__ import annotations

from rollwright.plugins.target import Target

__all__ = ["Target"]
