"""What the options of all plugins have in common: how they are written, how mistakes are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from rollwright.errors import Problem
from rollwright.rollouts.spec.problems import WANTED, closest, fields_at

_Place: TypeAlias = tuple[int | str, ...]

OPTIONS = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)
"""``model_config`` of every plugin: immutable, no unknown option, camelCase in documents."""


def problems_of(
    error: ValidationError, *, where: str, path: str, form: Any = None
) -> tuple[Problem, ...]:
    """Return one problem per mistake that pydantic found, with its place below ``path``.

    The messages do not quote what was given: an option may hold a secret.

    Args:
        error: What was raised.
        where: File and line, or what else holds the options.
        path: Their place in it.
        form: The type that they should have been, for names that were probably meant.
    """
    mistakes = error.errors(include_url=False, include_input=False)
    meant = _meant(mistakes, form)
    missing = frozenset((*place[:-1], name) for place, name in meant.items())
    return tuple(
        Problem(
            where=where,
            path=_place(path, found["loc"]),
            message=_message(found, meant.get(found["loc"], "")),
        )
        for found in mistakes
        if not _is_echo(found, mistakes, missing)
    )


def _meant(mistakes: Sequence[ErrorDetails], form: Any) -> Mapping[_Place, str]:
    """Return the options that were probably meant, by the place of an unknown one."""
    unknown = [one["loc"] for one in mistakes if one["type"] == "extra_forbidden"]
    if form is None or not unknown:
        return {}
    try:
        schema = TypeAdapter(form).json_schema()
    except PydanticUserError:
        return {}  # a plugin of others may have options that no schema describes
    found = {
        place: closest(str(place[-1]), sorted(fields_at(schema, place[:-1]))) for place in unknown
    }
    return {place: name for place, name in found.items() if name}


def _is_echo(
    found: ErrorDetails, mistakes: Sequence[ErrorDetails], missing: frozenset[_Place]
) -> bool:
    """Tell whether a mistake only follows from another one.

    A list is "too short" because its entries were refused one by one; an option is missing because
    it was misspelled.
    """
    place = found["loc"]
    if found["type"] == "missing" and place in missing:
        return True
    return found["type"] == "too_short" and any(
        len(one["loc"]) > len(place) and one["loc"][: len(place)] == place for one in mistakes
    )


def _place(path: str, parts: tuple[int | str, ...]) -> str:
    inside = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return f"{path}{inside}" if path else inside.removeprefix(".")


def _message(found: ErrorDetails, meant: str = "") -> str:
    if found["type"] == "extra_forbidden":
        return f"unknown option; did you mean {meant!r}?" if meant else "unknown option"
    if found["type"] == "missing":
        return "missing"
    if found["type"] in WANTED:
        return f"expected {WANTED[found['type']]}"
    if found["type"] == "too_short" and found.get("ctx", {}).get("min_length") == 1:
        return "must not be empty"
    text = str(found["msg"]).removeprefix("Value error, ")
    return text[:1].lower() + text[1:]
