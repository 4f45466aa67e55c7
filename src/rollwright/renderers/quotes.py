"""What an engine says without the values of Secrets that it quotes.

Before: kustomize failed, and its complaint quotes a patch, a literal or a whole document.
After: the complaint is cut to what a message may hold, and told.

The values are looked for in the source itself, and only then: in Secrets, in patches of Secrets
and in ``secretGenerator``. A text that cannot be read gives up all its words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rollwright.documents import load_all
from rollwright.errors import InvalidDocument
from rollwright.rollouts.hiding import SECRET_PARTS, hidden_texts
from rollwright.rollouts.spec.secrets import is_secret_name

LARGEST_BYTES = 2**20
"""Of one file; a larger one is not looked through for a message."""

_SUFFIXES = frozenset({".yaml", ".yml", ".json", ""})
_WORD = re.compile(r"""[^\s'"\[\]{},:`]{4,}""")
_KNOWN = re.compile(
    r"(api[vV]ersion|v1|kind|Secret|metadata|name|namespace|stringData|data|patch|patches|target"
    r"|path|value|replace|test|add|secretGenerator|literals|resources|type|Opaque)$"
)
_MARKS = ("Secret", "secretGenerator")


def without_secrets(text: str, root: Path) -> str:
    """Return a complaint about a tree without the values of the tree's Secrets."""
    for value in sorted(_values_in(root), key=len, reverse=True):
        text = text.replace(value, "***")
    return text


def without_secret_values(line: str, text: str) -> str:
    """Return a line of a text without the values of the text's Secrets."""
    if not any(mark in text for mark in _MARKS):
        return line
    for value in sorted(_of_text(text), key=len, reverse=True):
        line = line.replace(value, "***") if value else line
    return line


def secret_texts(value: Any) -> Iterator[str]:
    """Yield what stands in values under a name that means a secret."""
    if isinstance(value, list | tuple):
        for inner in value:
            yield from secret_texts(inner)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if is_secret_name(str(key)):
                yield from (text for text in _leaves(inner) if text)
            else:
                yield from secret_texts(inner)


def _values_in(root: Path) -> frozenset[str]:
    found: set[str] = set()
    for path in root.rglob("*"):
        if path.suffix in _SUFFIXES and path.is_file() and not path.is_symlink():
            text = _text_of(path)
            if any(mark in text for mark in _MARKS):
                found.update(_of_text(text))
    return frozenset(one.strip() for one in found if one.strip())


def _text_of(path: Path) -> str:
    if path.stat().st_size > LARGEST_BYTES:
        return ""
    return path.read_bytes().decode("utf-8", "replace")


def _of_text(text: str) -> Iterator[str]:
    try:
        documents = load_all(text)
    except InvalidDocument:
        yield from (word for word in _WORD.findall(text) if not _KNOWN.match(word))
        return
    for document in documents:
        yield from _of_value(document.value)


def _of_value(value: Any) -> Iterator[str]:
    """Give the secret texts of a document: of objects, generators and patches in it."""
    if isinstance(value, list):
        for inner in value:
            yield from _of_value(inner)
    elif isinstance(value, Mapping):
        yield from _of_mapping(value)
    elif isinstance(value, str) and "\n" in value and "Secret" in value:
        yield from _of_text(value)


def _of_mapping(value: Mapping[str, Any]) -> Iterator[str]:
    target = value.get("target")
    if value.get("kind") == "Secret":
        yield from hidden_texts([{**value, "apiVersion": "v1"}], shortest=1)
        yield from _leaves([value.get(part) for part in SECRET_PARTS])
    elif isinstance(target, Mapping) and target.get("kind") == "Secret":
        yield from _of_patch(value.get("patch"))
    for key, inner in value.items():
        if key == "secretGenerator":
            yield from _literals(inner)
        else:
            yield from _of_value(inner)


def _of_patch(patch: Any) -> Iterator[str]:
    """Give what a patch of a Secret sets; all its words if it cannot be read."""
    text = patch if isinstance(patch, str) else ""
    try:
        documents = [one.value for one in load_all(text)]
    except InvalidDocument:
        yield from (word for word in _WORD.findall(text) if not _KNOWN.match(word))
        return
    for document in documents:
        for part in document if isinstance(document, list) else [document]:
            if isinstance(part, Mapping):
                yield from _leaves([part.get(key) for key in (*SECRET_PARTS, "value")])


def _literals(generators: Any) -> Iterator[str]:
    for generator in generators if isinstance(generators, list) else [generators]:
        literals = generator.get("literals") if isinstance(generator, Mapping) else None
        for literal in _leaves(literals):
            key, is_pair, value = literal.partition("=")
            yield value.strip("'\"") if is_pair else key


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield str(value)
