"""From what a schema validator finds to sentences for a person.

No sentence quotes a value of a Secret; of other objects only short words, where a list of
words was expected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from rollwright.documents import path_text
from rollwright.rollouts.manifest import Manifest

_TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "object": "a mapping",
    "string": "text",
}
_FORMATS = {"byte": "base64"}


def place_of(manifest: Manifest) -> str:
    """Return where an object was written, as problems say it.

    Where an engine built many objects of one file, the file alone would say too little.
    """
    origin = manifest.origin
    return str(origin) if origin.line else f"{origin} {manifest.ref}"


def found_in(error: Any, value: Any, schema: Any, *, is_secret: bool) -> Iterator[tuple[str, str]]:
    """Yield place and sentence of everything that one error of the validator says.

    Args:
        error: A ``jsonschema_rs.ValidationError``.
        value: What was validated.
        schema: The document that its ``schema_path`` leads through.
        is_secret: Whether values must not be quoted.
    """
    path, kind = tuple(error.instance_path), error.kind
    if error.schema_path[-1:] == ["additionalProperties"]:
        known = _known_fields(schema, error.schema_path)
        # NB: of a mapping that may have no field at all, the validator names none.
        for name in kind.value or _at(value, path):
            yield path_text((*path, name)), f"unknown field {name!r}{_nearest(name, known)}"
    elif kind.name == "required":
        yield path_text((*path, kind.value)), f"missing field {kind.value!r}"
    else:
        tell = _SENTENCES.get(kind.name, _as_a_rule)
        yield path_text(path), tell(kind, None if is_secret else error.instance, error.instance)


def _known_fields(schema: Any, path: list[str | int]) -> list[str]:
    for part in path[:-1]:
        schema = schema[part]
    return list(schema.get("properties", ()))


def _at(value: Any, path: tuple[str | int, ...]) -> Any:
    for part in path:
        value = value[part]
    return value


def _nearest(name: str, known: list[str]) -> str:
    small = {one.casefold(): one for one in known}
    close = get_close_matches(name.casefold(), small, n=1, cutoff=0.7)
    return f"; did you mean {small[close[0]]!r}?" if close else ""


def _of_type(kind: Any, _shown: Any, given: Any) -> str:
    wanted = [_TYPES.get(one, str(one)) for one in kind.value if one != "null"]
    hint = ", quote it" if wanted == ["text"] and isinstance(given, (bool, int, float)) else ""
    return f"expected {' or '.join(wanted)}; got {_type_name(given)}{hint}"


def _of_words(kind: Any, shown: Any, _given: Any) -> str:
    words = [str(one) for one in kind.value if one is not None]
    is_short = isinstance(shown, (str, int, float)) and len(str(shown)) <= 60
    return f"expected one of {', '.join(words)}" + (f"; got {shown!r}" if is_short else "")


def _of_branches(kind: Any, _shown: Any, given: Any) -> str:
    branches = [one for branch in kind.value for one in branch] if kind.value else []
    types = [name for one in branches if one.kind.name == "type" for name in one.kind.value]
    wanted = sorted({_TYPES.get(one, str(one)) for one in types} - {"null"})
    if branches and all(one.kind.name == "type" for one in branches):
        return f"expected {' or '.join(wanted)}; got {_type_name(given)}"
    return "fits none of the allowed forms"


def _of_format(kind: Any, _shown: Any, _given: Any) -> str:
    return f"not {_FORMATS.get(kind.value, kind.value)}"


def _of_pattern(kind: Any, _shown: Any, _given: Any) -> str:
    return f"does not match {kind.value}"


def _as_a_rule(kind: Any, _shown: Any, _given: Any) -> str:
    value = kind.value
    limit = f" of {value}" if isinstance(value, (str, int, float)) else ""
    return f"breaks the rule {kind.name}{limit}"


_SENTENCES: Mapping[str, Callable[[Any, Any, Any], str]] = {
    "type": _of_type,
    "enum": _of_words,
    "anyOf": _of_branches,
    "oneOf": _of_branches,
    "format": _of_format,
    "pattern": _of_pattern,
}


def _type_name(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "a boolean", int: "a number", float: "a number", str: "text", list: "a list"}
    return names.get(type(value), "a mapping")
