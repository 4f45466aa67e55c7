"""The environment over ``site.toml``: ``ROLLWRIGHT_CLUSTERS__PROD__CONTEXT=blue``.

Two underscores go one level down. Names are compared without case, dashes and underscores, with
the keys that the file has and those that a site may have. A value is read as TOML where it is
TOML, and as text otherwise.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from pydantic.alias_generators import to_camel

from rollwright.errors import Problem
from rollwright.rollouts.spec.problems import Schema, did_you_mean, fields_at, forms_at
from rollwright.rollouts.spec.secrets import Path

PREFIX = "ROLLWRIGHT_"
RESERVED = (
    "ROLLWRIGHT_SITE",
    "ROLLWRIGHT_TEST_*",
    "ROLLWRIGHT_HELM",
    "ROLLWRIGHT_KUBECTL",
    "ROLLWRIGHT_SOPS",
    "ROLLWRIGHT_ROOT",
    "ROLLWRIGHT_ENGINE",
    "ROLLWRIGHT_SANDBOX*",
)
"""Variables that mean something else than a site key."""

_JSON_TYPES = (bool, int, float, str, list, dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """A site's data with the environment laid over it.

    ``origins`` says which variable set a path; ``problems`` which variables set nothing.
    """

    data: Mapping[str, Any]
    origins: Mapping[Path, str]
    problems: tuple[Problem, ...]


def overlay(data: Mapping[str, Any], environ: Mapping[str, str], schema: Schema) -> Overlay:
    """Lay the environment over the data of a site.

    Args:
        data: What ``site.toml`` holds; it is not changed.
        environ: The environment; variables without our prefix do not count.
        schema: JSON Schema of a site.
    """
    merged: Any = data
    origins: dict[Path, str] = {}
    problems: list[Problem] = []
    for variable in _ours(environ):
        path, why = _resolve(variable, merged, schema)
        if why:
            problems.append(Problem(where=variable, path="", message=why))
            continue
        merged = _put(merged, path, _read(environ[variable], forms_at(schema, path)))
        origins[path] = variable
    return Overlay(data=merged, origins=origins, problems=tuple(problems))


def _ours(environ: Mapping[str, str]) -> Iterator[str]:
    for variable in sorted(environ):
        is_reserved = any(fnmatchcase(variable, pattern) for pattern in RESERVED)
        if variable.startswith(PREFIX) and not is_reserved:
            yield variable


def _resolve(variable: str, data: Any, schema: Schema) -> tuple[Path, str]:
    """Return the path a variable means, or why it means none."""
    path: Path = ()
    for word in variable.removeprefix(PREFIX).split("__"):
        here = _at(data, path)
        known = fields_at(schema, path) | (set(here) if isinstance(here, Mapping) else set())
        key = next((key for key in sorted(known) if _plain(key) == _plain(word)), "")
        if not key and not (word and _is_open(schema, path)):
            return (), f"no site key {word.lower()!r}{did_you_mean(word, known)}"
        # Options of plugins are camelCase; other new names are taken as they are.
        path = (*path, key or (to_camel(word.lower()) if "with" in path else word.lower()))
    return path, ""


def _plain(word: str) -> str:
    return word.lower().replace("-", "").replace("_", "")


def _is_open(schema: Schema, path: Path) -> bool:
    """Tell whether names of the user's choice may stand at a place."""
    forms = forms_at(schema, path)
    is_option = "with" in path  # what plugins know, the site's schema does not
    return is_option or any(form.get("additionalProperties") for form in forms)


def _at(data: Any, path: Path) -> Any:
    for part in path:
        data = data.get(part) if isinstance(data, Mapping) else None
    return data


def _put(data: Any, path: Path, value: Any) -> Any:
    if not path:
        return value
    if isinstance(data, str):
        data = {"use": data}  # a plugin by its name alone, to which options come
    inside = data if isinstance(data, Mapping) else {}
    return {**inside, path[0]: _put(inside.get(str(path[0])), path[1:], value)}


def _read(text: str, forms: list[Schema]) -> Any:
    value = _read_toml(text)
    wants_text = bool(forms) and all(form.get("type") in ("string", "null") for form in forms)
    return value if isinstance(value, str) or not wants_text else text


def _read_toml(text: str) -> Any:
    try:
        table = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    value = table["value"]
    return value if len(table) == 1 and isinstance(value, _JSON_TYPES) else text
