"""What finds mistakes in rendered objects. Each module is one validator."""

from __future__ import annotations

BUILTIN = {"schema": "rollwright.validators.schema:Schema"}
