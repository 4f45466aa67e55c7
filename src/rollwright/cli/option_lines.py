"""The options of a plugin as lines: names, types, defaults, and what they are for.

Before: ``plugins`` was asked about one. After: the lines are printed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import orjson

from rollwright.rollouts.describe.lines import Line, Tone
from rollwright.rollouts.spec.durations import PATTERN

Form: TypeAlias = Mapping[str, Any]

_DEEPEST = 3
"""Levels of options within options."""


def option_lines(schema: Form) -> Iterator[Line]:
    """Yield a line for each option, and indented ones for the fields of those that have some."""
    if not schema.get("properties"):
        yield Line("no options", Tone.QUIET, 1)
        return
    yield from _Page(defs=schema.get("$defs", {})).fields(schema, 1)


@dataclass(kw_only=True)
class _Page:
    """One schema as it is written: a shape that was shown is only named again."""

    defs: Form
    shown: dict[str, str] = field(default_factory=dict)

    def fields(self, shape: Form, depth: int) -> Iterator[Line]:
        required = set(shape.get("required") or ())
        for name, form in (shape.get("properties") or {}).items():
            inner = list(dict.fromkeys(self._shapes(form)))
            as_before = next((self.shown[one] for one in inner if one in self.shown), "")
            yield Line(self._option(name, form, name in required, as_before), depth=depth)
            for one in inner:
                if depth < _DEEPEST and one not in self.shown:
                    self.shown[one] = name
                    yield from self.fields(self.defs[one], depth + 1)

    def _option(self, name: str, form: Form, is_required: bool, as_before: str) -> str:  # noqa: FBT001  (said by the schema)
        words = f"{name}: {self._type(form)}"
        if is_required:
            words += ", required"
        elif "default" in form:
            words += f", default {_value(form['default'])}"
        if as_before:
            words += f", as {as_before}"
        description = " ".join(str(form.get("description", "")).split())
        return f"{words}  {description}".rstrip()

    def _shapes(self, form: Form) -> Iterator[str]:
        """Yield the names of the mappings with fields that a form leads to."""
        if (name := _ref(form)) and self.defs.get(name, {}).get("properties"):
            yield name
        for key in ("items", "additionalProperties"):
            if isinstance(form.get(key), Mapping):
                yield from self._shapes(form[key])
        for one in _choices(form):
            yield from self._shapes(one)

    def _type(self, form: Form) -> str:
        if name := _ref(form):
            return self._type(self.defs.get(name, {}))
        if "enum" in form:
            return "|".join(str(one) for one in form["enum"])
        if "const" in form:
            return _value(form["const"])
        if choices := _choices(form):
            return " or ".join(dict.fromkeys(self._type(one) for one in choices))
        return self._plain(form)

    def _plain(self, form: Form) -> str:
        kind = form.get("type", "any")
        if kind == "string" and str(form.get("pattern", "")).endswith(PATTERN[1:]):
            return "duration"
        if kind == "array":
            inner = self._type(form["items"]) if isinstance(form.get("items"), Mapping) else "any"
            return "list" if inner == "any" else f"list of {inner}"
        return "mapping" if kind == "object" else str(kind)


def _ref(form: Form) -> str:
    return str(form.get("$ref", "")).rpartition("/")[2]


def _choices(form: Form) -> list[Form]:
    return list(form.get("anyOf") or form.get("oneOf") or form.get("allOf") or ())


def _value(value: Any) -> str:
    """Write a value as a document does; an empty text needs its quotes."""
    if isinstance(value, str):
        return value or "''"
    return orjson.dumps(value, default=str).decode()
