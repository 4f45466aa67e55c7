"""Variables of the environment that ``config`` asks for (RE-17).

Before: an entry of a document names variables, and the places that they are put at.
After: ``configuration`` lays their values over those of the entries before.

A document may come from anywhere, and the environment of a service holds its credentials: the site
lists what documents may name, and what they get is secret unless they say otherwise.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from math import isfinite
from typing import Any

from rollwright.errors import InvalidDocument, NotFound, Refused
from rollwright.rollouts.hiding import SHORTEST
from rollwright.rollouts.spec.configuration import Variable

_TRUE, _FALSE = frozenset({"true", "yes", "on", "1"}), frozenset({"false", "no", "off", "0"})
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_WORDS = {
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "json": "JSON",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Variables:
    """What was found.

    Attributes:
        values: The values by their places.
        hidden: The texts that the environment holds.
    """

    values: Mapping[str, Any] = field(repr=False)
    hidden: frozenset[str] = field(repr=False)


def read_variables(
    wanted: Mapping[str, Variable], allowed: tuple[str, ...], environment: Mapping[str, str]
) -> Variables:
    """Return the values of variables.

    Args:
        wanted: The variables by the places of their values.
        allowed: Globs of the names that a document may ask for.
        environment: What there is.

    Raises:
        Refused: The site allows no document to ask for one.
        NotFound: There is no such variable, and no default.
        InvalidDocument: One is not what it is to be read as; its text is not told.
    """
    names = sorted({one.name for one in wanted.values()})
    refused = [one for one in names if not any(fnmatchcase(one, glob) for glob in allowed)]
    if refused:
        raise Refused(
            f"the site allows no document to read {', '.join(refused)} of the environment",
            hint=f"list it in site.toml: [rendering] environment = [{json.dumps(refused[0])}]",
        )
    missing = [
        one.name
        for one in wanted.values()
        if one.name not in environment and "default" not in one.model_fields_set
    ]
    if missing:
        raise NotFound(
            f"no {', '.join(sorted(set(missing)))} in the environment",
            hint="set it where rollwright runs, or write a `default`",
        )
    texts = (environment.get(name, "") for name in names)
    return Variables(
        values={place: _value(one, environment) for place, one in wanted.items()},
        hidden=frozenset(text for text in texts if len(text) >= SHORTEST),
    )


def _value(wanted: Variable, environment: Mapping[str, str]) -> Any:
    if wanted.name not in environment:
        return wanted.default
    try:
        return _read(environment[wanted.name], wanted.type)
    except ValueError:
        # Not chained: the error would quote what may be secret.
        words = f"the variable {wanted.name} is not {_WORDS[wanted.type]}"
        raise InvalidDocument(words) from None


def _read(text: str, form: str) -> Any:
    if form == "boolean":
        word = text.strip().lower()
        if word not in _TRUE | _FALSE:
            raise ValueError("neither true nor false")
        return word in _TRUE
    if form == "integer":
        if not _INTEGER.fullmatch(text.strip()):
            raise ValueError("no integer")
        return int(text)
    if form in {"number", "json"}:
        value = json.loads(text, parse_constant=_refuse_constant)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        is_number = is_number and isfinite(value)
        if form == "number" and not is_number:
            raise ValueError("no number")
        return value
    return text


def _refuse_constant(_name: str) -> Any:
    raise ValueError("JSON has no such number")
