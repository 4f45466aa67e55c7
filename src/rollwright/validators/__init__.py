"""What finds mistakes in rendered objects. Each module is one validator."""

from __future__ import annotations

BUILTIN = {
    "ambiguous": "rollwright.validators.ambiguous:Ambiguous",
    "deprecated": "rollwright.validators.deprecated:Deprecated",
    "policies": "rollwright.validators.policies:Policies",
    "schema": "rollwright.validators.schema:Schema",
}
