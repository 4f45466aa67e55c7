"""From the fields of a block to the options of a plugin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from pydantic import BaseModel
from pydantic.alias_generators import to_camel

Use: TypeAlias = tuple[str, Mapping[str, Any]]
"""A plugin's name and its options."""

DOCUMENTATION = "https://rollwright.dev/docs/blocks"
"""Where the server's pages lead to for more."""


def options_of(block: BaseModel, *fields: str) -> dict[str, Any]:
    """Return fields as options: named as in documents, what nobody filled in left out."""
    values = {name: getattr(block, name) for name in fields}
    return {to_camel(name): _plain(value) for name, value in values.items() if value}


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return options_of(value, *type(value).model_fields)
    return list(value) if isinstance(value, tuple) else value
