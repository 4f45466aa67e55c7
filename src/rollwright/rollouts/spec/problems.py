"""From a validator's errors to problems a person can act on.

Before: a model refused a document. After: ``InvalidSpec`` carries the problems. The JSON Schema
of the document is what knows the fields around a mistake.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, TypeAlias

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from rollwright.errors import excerpt
from rollwright.rollouts.spec.secrets import Path, is_secret_name

Schema: TypeAlias = Mapping[str, Any]

WANTED = {
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a number",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
"""What was expected, by the validator's word for it."""

_BOUNDS: Mapping[str, tuple[str, str]] = {
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
    "greater_than": ("more than", "gt"),
    "less_than": ("less than", "lt"),
}
_PLAIN_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*")
_FIELDS_SHOWN = 12


def path_text(path: Path) -> str:
    """Write a path as a person does: ``spec.groups[0].name``, ``labels['a.b']``."""
    return "".join(_part_text(part) for part in path).removeprefix(".")


def _part_text(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if _PLAIN_KEY.fullmatch(part) else f"[{part!r}]"


def explain(error: ValidationError, schema: Callable[[], Schema]) -> Iterator[tuple[Path, str]]:
    """Say for each error where it is and what is wrong, one message per mistake.

    Args:
        error: What the model raised.
        schema: Gives the JSON Schema of the document; asked only for unknown fields.
    """
    details = [one for one in error.errors(include_url=False) if not _is_echo(one)]
    meant: set[Path] = set()
    for detail in details:
        if detail["type"] == "extra_forbidden":
            path = _path_of(detail)
            message, field = _unknown(str(path[-1]), fields_at(schema(), path[:-1]))
            meant.add((*path[:-1], field))
            yield path, message
    for detail in details:
        path = _path_of(detail)
        is_misspelled = detail["type"] == "missing" and path in meant
        if detail["type"] != "extra_forbidden" and not is_misspelled:
            yield path, _message(detail, path)


def _is_echo(detail: ErrorDetails) -> bool:
    """Tell whether a list is only "too short" because its entries were refused one by one."""
    return detail["type"] == "too_short" and bool(detail["input"])


def _path_of(detail: ErrorDetails) -> Path:
    # NB: forms of a union show up as <tag>; they are no place in the document.
    loc = tuple(p for p in detail["loc"] if isinstance(p, int) or not p.startswith("<"))
    return (*loc, *detail.get("ctx", {}).get("at", ()))


def _message(detail: ErrorDetails, path: Path) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in WANTED:
        return f"expected {WANTED[kind]}; got {_got(detail['input'], path)}"
    if kind == "wanted":
        return f"{context['message']}; got {_got(detail['input'], path)}"
    if kind == "refused":
        return str(context["message"])
    if kind == "missing":
        return "required, but missing"
    if kind in {"enum", "literal_error"}:
        return _choice(str(context["expected"]), detail["input"], path)
    if kind in _BOUNDS:
        word, key = _BOUNDS[kind]
        return f"must be {word} {context[key]:g}; got {_got(detail['input'], path)}"
    return (
        "must not be empty"
        if kind == "too_short"
        else detail["msg"][:1].lower() + detail["msg"][1:]
    )


def _choice(expected: str, value: Any, path: Path) -> str:
    allowed = re.findall(r"'([^']*)'", expected)
    hint = did_you_mean(value, allowed) if isinstance(value, str) and allowed[1:] else ""
    return f"expected {expected}; got {_got(value, path)}{hint}"


def _got(value: Any, path: Path) -> str:
    if isinstance(value, str) and path and is_secret_name(str(path[-1])):
        return "a text"
    if isinstance(value, str):
        return repr(excerpt(value, 60))
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, Mapping):
        return "a mapping"
    return "a list" if isinstance(value, list | tuple) else str(value)


def did_you_mean(value: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?``, or nothing."""
    close = closest(value, known)
    return f"; did you mean {close!r}?" if close else ""


def closest(value: str, known: Iterable[str]) -> str:
    """Return the known word nearest to a value, whatever its case; empty if none is near."""
    words = {word.lower().replace("_", "").replace("-", ""): word for word in known}
    close = get_close_matches(
        value.lower().replace("_", "").replace("-", ""), words, n=1, cutoff=0.7
    )
    return words[close[0]] if close else ""


_YES_AND_NO = {"true": "`on` and `yes`", "false": "`off` and `no`"}
"""Words that YAML reads as something else, by what it reads them as."""


def _unknown(field: str, known: Iterable[str]) -> tuple[str, str]:
    names = sorted(known)
    if words := _YES_AND_NO.get(field):
        meant = "when" if field == "true" and "when" in names else ""
        instead = f"write {meant!r}" if meant else f"known: {', '.join(names[:_FIELDS_SHOWN])}"
        return f"unknown field; YAML reads {words} as {field}; {instead}", meant
    meant = closest(field, names)
    if meant:
        return f"unknown field; did you mean {meant!r}?", meant
    shown = ", ".join(names[:_FIELDS_SHOWN]) + (", …" if len(names) > _FIELDS_SHOWN else "")
    return f"unknown field; known: {shown}", ""


def fields_at(schema: Schema, path: Path) -> set[str]:
    """Return the fields that a JSON Schema knows at a place."""
    return {name for form in forms_at(schema, path) for name in form.get("properties", {})}


def forms_at(schema: Schema, path: Path) -> list[Schema]:
    """Return the schemas that apply at a place, references and alternatives resolved."""
    forms = _expand(schema, schema)
    for part in path:
        forms = [inner for form in forms for inner in _step(form, part, schema)]
    return forms


def _step(form: Schema, part: str | int, root: Schema) -> Iterator[Schema]:
    if isinstance(part, int):
        inner = form.get("items")
    else:
        inner = form.get("properties", {}).get(part, form.get("additionalProperties"))
    if isinstance(inner, Mapping):
        yield from _expand(inner, root)


def _expand(form: Schema, root: Schema) -> list[Schema]:
    if "$ref" in form:
        return _expand(root["$defs"][str(form["$ref"]).rpartition("/")[2]], root)
    # NB: alternatives that only require fields have no type; the form around them is the shape.
    inner = [
        one for key in ("anyOf", "oneOf") for one in form.get(key, ()) if set(one) - {"required"}
    ]
    return [shape for one in inner for shape in _expand(one, root)] or [form]
