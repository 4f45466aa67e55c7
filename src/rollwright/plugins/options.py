"""What the options of all plugins have in common: how they are written, how mistakes are told."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from rollwright.errors import Problem
from rollwright.rollouts.spec.problems import WANTED

OPTIONS = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)
"""``model_config`` of every plugin: immutable, no unknown option, camelCase in documents."""


def problems_of(error: ValidationError, *, where: str, path: str) -> tuple[Problem, ...]:
    """Return one problem per mistake that pydantic found, with its place below ``path``.

    The messages do not quote what was given: an option may hold a secret.
    """
    mistakes = error.errors(include_url=False, include_input=False)
    return tuple(
        Problem(where=where, path=_place(path, found["loc"]), message=_message(found))
        for found in mistakes
        if not _is_echo(found, mistakes)
    )


def _is_echo(found: ErrorDetails, mistakes: Sequence[ErrorDetails]) -> bool:
    """Tell whether a list is only "too short" because its entries were refused one by one."""
    place = found["loc"]
    return found["type"] == "too_short" and any(
        len(one["loc"]) > len(place) and one["loc"][: len(place)] == place for one in mistakes
    )


def _place(path: str, parts: tuple[int | str, ...]) -> str:
    inside = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return f"{path}{inside}" if path else inside.removeprefix(".")


def _message(found: ErrorDetails) -> str:
    if found["type"] == "extra_forbidden":
        return "unknown option"
    if found["type"] == "missing":
        return "missing"
    if found["type"] in WANTED:
        return f"expected {WANTED[found['type']]}"
    if found["type"] == "too_short" and found.get("ctx", {}).get("min_length") == 1:
        return "must not be empty"
    text = str(found["msg"]).removeprefix("Value error, ")
    return text[:1].lower() + text[1:]
