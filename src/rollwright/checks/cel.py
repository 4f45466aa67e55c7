"""Expressions of CEL as checks compile them; ``plugins.cel.compiling`` does it."""

from __future__ import annotations

from rollwright.plugins.cel.compiling import MAX_LENGTH, problem_of

__all__ = ["MAX_LENGTH", "problem_of"]
