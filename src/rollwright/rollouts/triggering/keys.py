"""Keys of watched objects: which instance an event is about.

Before: something happened to an object whose key is ``default/grafana-main``.
After: it is about ``default/main``, or about nothing that anybody looks for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from rollwright.rollouts.triggering.go_patterns import compiled, expanded


class KeyAction(StrEnum):
    """What a transformation does with a key."""

    REPLACE = "replace"
    """A key that matches becomes the replacement, all of it; others stay (DOC-59)."""
    KEEP = "keep"
    """A key that does not match is dropped (DOC-57)."""
    DROP = "drop"
    """A key that matches is dropped (DOC-58)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyTransformation:
    """One step from the key of an event to the key of an instance.

    ``regex`` may match anywhere in the key, unless it is anchored (DOC-56).
    """

    action: KeyAction = KeyAction.REPLACE
    regex: str = "(.*)"
    replacement: str = "$1"

    def __post_init__(self) -> None:
        compiled(self.regex)

    def apply(self, key: str) -> str | None:
        """Return the key afterwards; ``None`` if it is dropped."""
        found = compiled(self.regex).search(key)
        if self.action is KeyAction.REPLACE:
            return expanded(self.replacement, found) if found else key
        return key if (found is not None) is (self.action is KeyAction.KEEP) else None


def transformed(key: str, transformations: Iterable[KeyTransformation]) -> str | None:
    """Return what a key becomes; ``None`` if it is dropped, which nothing undoes (DOC-60)."""
    for one in transformations:
        after = one.apply(key)
        if after is None:
            return None
        key = after
    return key


def key_of(namespace: str, name: str) -> str:
    """Return ``namespace/name``; the name alone for what has no namespace."""
    return f"{namespace}/{name}" if namespace else name


def place_of(key: str) -> tuple[str, str]:
    """Return namespace and name of a key."""
    namespace, _, name = key.rpartition("/")
    return namespace, name
