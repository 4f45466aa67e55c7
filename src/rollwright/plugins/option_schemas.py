"""JSON Schemas of the options of plugins, spelled as documents spell them.

Before: somebody asks what a plugin takes. After: ``rollwright plugins`` shows it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from rollwright.rollouts.spec.durations import format_duration


class _AsWritten(GenerateJsonSchema):
    """Writes defaults as documents do: ``5m``, not ``PT5M``."""

    def encode_default(self, dft: Any) -> Any:
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def schema_of_options(plugin: Any) -> dict[str, Any]:
    """Return the JSON Schema of a plugin's options."""
    return TypeAdapter(plugin).json_schema(schema_generator=_AsWritten)
