"""Secrets are never values in a document: they are named, and read where they are used."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""A place in a document: keys and positions."""

REFERENCES = ("env", "file", "block")

_WORDS = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_SECRET_ENDS = ("secret", "password", "passphrase", "token", "apikey", "api key")
_HOW = "write {env: NAME}, {file: PATH} or {block: NAME}"


def is_secret_name(key: str) -> bool:
    """Tell whether a key names a secret itself: ``password``, ``apiToken``, not ``tokenFile``."""
    words = [word.lower() for word in _WORDS.findall(key)]
    return bool(words) and (words[-1] in _SECRET_ENDS or " ".join(words[-2:]) in _SECRET_ENDS)


def secret_problem(value: Any) -> str:
    """Say why a secret may not be given so; empty if it is a reference. Never quotes it."""
    if not isinstance(value, Mapping):
        return f"a secret is never a value in a document; {_HOW}"
    if len(value) != 1 or not set(value) <= set(REFERENCES):
        return f"a secret is named in one way; {_HOW}"
    [target] = value.values()
    return "" if isinstance(target, str) and target else f"expected a name; {_HOW}"


def plain_secrets(options: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Find secrets among a plugin's options that are not references."""
    if not isinstance(options, Mapping):
        return
    for key, value in options.items():
        if is_secret_name(str(key)) and value is not None and (problem := secret_problem(value)):
            yield (*path, key), problem


def all_plain_secrets(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Find secrets that are not references among the options (``with``) below a place, at any depth."""
    if isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from all_plain_secrets(item, (*path, index))
    if isinstance(value, Mapping):
        if "with" in path:
            yield from plain_secrets(value, path)
        for key, item in value.items():
            yield from all_plain_secrets(item, (*path, key))
