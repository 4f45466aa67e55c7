"""The values of Secrets, and sentences without them.

Before: a Secret was rendered or read, and somebody says something: a container, an event, a tool's
annotation, a rule.
After: whoever tells it tells it without the value.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rollwright.rollouts.manifest import Body, is_secret

SECRET_PARTS = frozenset({"data", "stringData"})
"""The fields of a Secret that hold values."""

SHORTEST = 6
"""Shorter values stand in other words by chance: ``admin``, ``true``, ``8080``."""


def hidden_texts(bodies: Iterable[Body], *, shortest: int = SHORTEST) -> frozenset[str]:
    """Return the values of the Secrets among the objects, as they stand and decoded.

    Args:
        bodies: Objects of any kind.
        shortest: How long a value must be to count.
    """
    found = {text for body in bodies if is_secret(body) for text in _texts(body)}
    return frozenset(text for text in found if len(text) >= shortest)


def _texts(body: Body) -> Iterator[str]:
    for part in SECRET_PARTS:
        values = body.get(part)
        for value in values.values() if isinstance(values, Mapping) else ():
            if isinstance(value, str):
                yield value
                yield value.strip()
                decoded = _decoded(value)
                yield decoded
                yield decoded.strip()


def _decoded(text: str) -> str:
    try:
        return b64decode(text, validate=True).decode()
    except ValueError:
        return ""


def is_quoting(value: Any, hidden: frozenset[str]) -> bool:
    """Whether a text holds one of the hidden ones."""
    return isinstance(value, str) and any(text in value for text in hidden)
