"""The way in: text or bytes to ``Document`` values, every failure an ``InvalidDocument``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import yaml

from rollwright.documents.json_text import JSONError, read_json
from rollwright.documents.loader import (
    DEFAULT_LIMITS,
    DuplicateKey,
    KubeLoader,
    Limits,
    LoadedValue,
)
from rollwright.documents.places import Lines, Path, as_yaml
from rollwright.documents.texts import cause_of, decode, explain, place
from rollwright.errors import InvalidDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document of a text.

    Attributes:
        value: JSON types only; never ``None``.
        line: Line of its first node, counted from 1.
        lines: Lines of its parts, looked up on demand.
    """

    value: Any
    line: int
    lines: Lines = field(repr=False, compare=False)


def load_all(
    text: str | bytes, *, name: str = "<text>", limits: Limits = DEFAULT_LIMITS
) -> tuple[Document, ...]:
    """Read every document of a YAML stream or JSON text; empty ones are skipped.

    Args:
        text: The text, or its bytes in UTF-8 (or UTF-16 with a byte order mark).
        name: What messages call the text, best a path. One that ends in ``.json`` must be JSON.
        limits: What the text may cost.

    Raises:
        InvalidDocument: The text cannot be read, or passes a limit.
    """
    plain = decode(text, name, limits)
    return tuple(
        Document(
            value=loaded.value,
            line=loaded.line,
            lines=Lines(plain[loaded.start : loaded.end], loaded.start_line),
        )
        for loaded in _read(plain, name, limits)
        if loaded.value is not None
    )


def load(text: str | bytes, *, name: str = "<text>", limits: Limits = DEFAULT_LIMITS) -> Any:
    """Read a text that holds exactly one document.

    Raises:
        InvalidDocument: It holds none or several, or cannot be read.
    """
    documents = load_all(text, name=name, limits=limits)
    if len(documents) == 1:
        return documents[0].value
    where = name if not documents else f"{name}:{documents[1].line}"
    found = "none" if not documents else str(len(documents))
    raise InvalidDocument(f"{where}: expected exactly one document; got {found}")


def line_of(document: Document, path: Path) -> int | None:
    """Return the line where a key or list item stands, ``None`` if the text has no such path."""
    return document.lines.find(path)


def nearest_line(document: Document, path: Path) -> int:
    """Return the line of a path or, if the text does not have it, of what is nearest above."""
    return document.lines.nearest(path) or document.line


def _read(text: str, name: str, limits: Limits) -> list[LoadedValue]:
    must_be_json = name.lower().endswith(".json")
    if must_be_json or text.lstrip()[:1] == "{":
        try:
            return _limited(read_json(text, limits), name, limits)
        except DuplicateKey as error:
            raise _duplicate(text, name, limits, error) from error
        except JSONError as error:
            if must_be_json or not error.is_syntax:
                where = f"{name}:{place(text, error.offset)}"
                raise InvalidDocument(f"{where}: {error.message}", hint=error.hint) from error
    return _limited(_read_yaml(text, name, limits), name, limits)


def _limited(values: Iterator[LoadedValue], name: str, limits: Limits) -> list[LoadedValue]:
    taken = list(islice(values, limits.documents + 1))
    if len(taken) > limits.documents:
        where = f"{name}:{taken[-1].line}"
        raise InvalidDocument(f"{where}: more than {limits.documents:,} documents", hint="split it")
    return taken


def _duplicate(text: str, name: str, limits: Limits, error: DuplicateKey) -> InvalidDocument:
    """Find both lines by reading the JSON as the YAML that it also is."""
    try:
        list(_read_yaml(as_yaml(text), name, limits))
    except InvalidDocument as found:
        if "stands twice" in found.message:
            return found
    return InvalidDocument(f"{name}: {error.message}", hint=error.hint)


def _read_yaml(text: str, name: str, limits: Limits) -> Iterator[LoadedValue]:
    try:
        yield from KubeLoader(text, limits).documents()
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        raise explain(error, text, name) from cause_of(error, text)
