"""What the options of all plugins have in common: how they are written, how mistakes are told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from rollwright.errors import Problem

OPTIONS = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)
"""``model_config`` of every plugin: immutable, no unknown option, camelCase in documents."""


def problems_of(error: ValidationError, *, where: str, path: str) -> tuple[Problem, ...]:
    """Return one problem per mistake that pydantic found, with its place below ``path``.

    The messages do not quote what was given: an option may hold a secret.
    """
    return tuple(
        Problem(where=where, path=_place(path, found["loc"]), message=_message(found))
        for found in error.errors(include_url=False, include_input=False)
    )


def _place(path: str, parts: tuple[int | str, ...]) -> str:
    inside = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return f"{path}{inside}" if path else inside.removeprefix(".")


def _message(found: Mapping[str, Any]) -> str:
    if found["type"] == "extra_forbidden":
        return "unknown option"
    if found["type"] == "missing":
        return "missing"
    text = str(found["msg"]).removeprefix("Value error, ")
    return text[:1].lower() + text[1:]
