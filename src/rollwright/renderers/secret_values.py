"""The values of a rollout's ``config`` that nobody may read in a message.

Before: an engine quotes what it was given. After: the complaint is told without them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rollwright.rollouts.spec.secrets import is_secret_name


def secret_texts(value: Any) -> Iterator[str]:
    """Yield the texts that stand under a name that means a secret."""
    if isinstance(value, list | tuple):
        for inner in value:
            yield from secret_texts(inner)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if is_secret_name(str(key)) and isinstance(inner, str) and inner:
                yield inner
            yield from secret_texts(inner)


def without(text: str, hidden: tuple[str, ...]) -> str:
    """Return a text without any of the hidden ones."""
    for value in sorted(hidden, key=len, reverse=True):
        text = text.replace(value, "***")
    return text
