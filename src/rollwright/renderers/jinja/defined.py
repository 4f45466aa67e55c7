"""Templates with a name: ``define`` gives one a path and defaults, ``apply`` renders it (TRE-72).

Before: a folder holds ``*.tmpl.yaml``. After: each application is a page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rollwright.documents import Document, line_of, load_all
from rollwright.renderers.jinja.pages import TemplateFailure

TEMPLATE_SUFFIXES = (".tmpl.yaml", ".tmpl.yml")
_FIELDS = frozenset({"define", "apply"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One template: its name, its file, its defaults, and where that is written."""

    name: str
    path: str
    defaults: Mapping[str, Any] = field(default_factory=dict, repr=False)
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """One use of a template."""

    name: str
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)
    file: str = ""
    line: int = 0


class Book:
    """The templates that were defined so far; a name stands once."""

    def __init__(self) -> None:
        self._definitions: dict[str, Definition] = {}

    def define(self, one: Definition) -> None:
        """Take a template.

        Raises:
            TemplateFailure: The name is taken.
        """
        other = self._definitions.get(one.name)
        if other is not None:
            where = f"{other.file}:{other.line}" if other.line else other.file
            message = f"the template {one.name!r} is defined already, in {where}"
            raise TemplateFailure(one.file, one.line, message)
        self._definitions[one.name] = one

    def find(self, use: Application) -> Definition:
        """Return a template.

        Raises:
            TemplateFailure: Nothing is defined under that name.
        """
        found = self._definitions.get(use.name)
        if found is None:
            known = ", ".join(sorted(self._definitions)) or "none"
            message = f"no template {use.name!r} is defined; known: {known}"
            raise TemplateFailure(use.file, use.line, message)
        return found

    def values(self, use: Application) -> dict[str, Any]:
        """Return the defaults with the given values over them, one level deep."""
        return {**self.find(use).defaults, **use.values}


def is_template_file(name: str) -> bool:
    """Whether a file holds definitions and applications."""
    return name.endswith(TEMPLATE_SUFFIXES)


def read_book(
    text: str, file: str, resolve: Callable[[str], str]
) -> Iterator[Definition | Application]:
    """Yield what a file defines and applies, in its order: of each document first the former.

    Args:
        text: YAML.
        file: Its name.
        resolve: Returns the path below the root of a path that the file names.

    Raises:
        InvalidDocument: It is no YAML.
        TemplateFailure: It holds something else.
    """
    for document in load_all(text, name=file):
        if document.value is not None:
            entries = _Entries(document, file)
            for entry in entries.of("define", {"name", "path", "defaults"}):
                defaults = entries.mapping(entry, "define", "defaults")
                name, path = entry.value["name"], resolve(entry.value["path"])
                yield Definition(
                    name=name, path=path, defaults=defaults, file=file, line=entry.line
                )
            for entry in entries.of("apply", {"name", "values"}):
                given = entries.mapping(entry, "apply", "values")
                yield Application(
                    name=entry.value["name"], values=given, file=file, line=entry.line
                )


@dataclass(frozen=True, slots=True)
class _Entry:
    value: Mapping[str, Any]
    line: int


class _Entries:
    """One document of a file, checked while it is read."""

    def __init__(self, document: Document, file: str) -> None:
        self._document, self._file = document, file
        value = document.value
        if not isinstance(value, Mapping) or not set(value) <= _FIELDS:
            raise self._wrong((), "expected a mapping with define and apply, and nothing else")
        self._value = value

    def of(self, key: str, known: set[str]) -> Iterator[_Entry]:
        listed = self._value.get(key)
        if listed is None:
            return
        if not isinstance(listed, list):
            raise self._wrong((key,), f"{key}: expected a list")
        needed = ("name", "path") if key == "define" else ("name",)
        for number, one in enumerate(listed):
            place = (key, number)
            if not isinstance(one, Mapping) or not set(one) <= known:
                fields = ", ".join(sorted(known))
                raise self._wrong(place, f"{key}[{number}]: expected a mapping of {fields}")
            for name in needed:
                if not isinstance(one.get(name), str) or not one[name]:
                    raise self._wrong(place, f"{key}[{number}].{name}: expected a text")
            yield _Entry(one, self._line(place))

    def mapping(self, entry: _Entry, key: str, name: str) -> Mapping[str, Any]:
        found = entry.value.get(name)
        if found is None:
            return {}
        if not isinstance(found, Mapping):
            raise TemplateFailure(self._file, entry.line, f"{key} {name}: expected a mapping")
        return found

    def _line(self, place: tuple[str | int, ...]) -> int:
        found = line_of(self._document, place) if place else None
        return found or self._document.line

    def _wrong(self, place: tuple[str | int, ...], message: str) -> TemplateFailure:
        return TemplateFailure(self._file, self._line(place), message)
