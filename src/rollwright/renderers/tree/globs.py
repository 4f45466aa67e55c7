"""Ordered sets of patterns, and what they choose from a folder (TRE-9, TRE-12)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import translate
from typing import TypeAlias

Pattern: TypeAlias = str | re.Pattern[str]


class Globs:
    """Patterns in the order in which they were added; each stands once."""

    def __init__(self, patterns: Iterable[Pattern] = (), *, is_fixed: bool = False) -> None:
        self._patterns: list[re.Pattern[str]] = []
        self._is_fixed = False
        self.extend(patterns)
        self._is_fixed = is_fixed

    def __iter__(self) -> Iterator[re.Pattern[str]]:
        return iter(self._patterns)

    def __len__(self) -> int:
        return len(self._patterns)

    def __contains__(self, pattern: object) -> bool:
        return isinstance(pattern, str | re.Pattern) and _compiled(pattern) in self._patterns

    def add(self, pattern: Pattern) -> None:
        """Put a pattern at the end."""
        self._insert(len(self._patterns), pattern)

    def extend(self, patterns: Iterable[Pattern]) -> None:
        """Put patterns at the end, in their order."""
        for one in _several(patterns):
            self.add(one)

    def add_first(self, pattern: Pattern) -> None:
        """Put a pattern at the beginning."""
        self._insert(0, pattern)

    def extend_first(self, patterns: Sequence[Pattern]) -> None:
        """Put patterns at the beginning, in their order."""
        for one in reversed(_several(patterns)):
            self.add_first(one)

    def discard(self, pattern: Pattern) -> None:
        """Take a pattern out, if it is there."""
        self._refuse_fixed()
        self._patterns = [one for one in self._patterns if one != _compiled(pattern)]

    def clear(self) -> None:
        """Take all patterns out."""
        self._refuse_fixed()
        self._patterns = []

    def _insert(self, place: int, pattern: Pattern) -> None:
        self._refuse_fixed()
        if pattern not in self:
            self._patterns.insert(place, _compiled(pattern))

    def _refuse_fixed(self) -> None:
        if self._is_fixed:
            raise ValueError("the defaults of all folders cannot be changed; change the folder's")


def choose(names: Iterable[str], includes: Globs, excludes: Globs) -> Iterator[str]:
    """Yield names in the order of the include patterns, the first that matches wins.

    What an exclude matches, or no include, is left out; names of one pattern are sorted.
    """
    left = sorted(name for name in names if not any(one.match(name) for one in excludes))
    for pattern in includes:
        taken = [name for name in left if pattern.match(name)]
        yield from taken
        left = [name for name in left if name not in taken]


def _compiled(pattern: Pattern) -> re.Pattern[str]:
    if isinstance(pattern, re.Pattern):
        return pattern
    if not isinstance(pattern, str):
        raise TypeError(f"expected a pattern, got a {type(pattern).__name__}")
    return re.compile(translate(pattern))


def _several(patterns: Iterable[Pattern]) -> list[Pattern]:
    if isinstance(patterns, str):
        raise TypeError("expected a list of patterns, got a text")
    return list(patterns)
