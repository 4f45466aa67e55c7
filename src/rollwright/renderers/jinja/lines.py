"""From a line of what was rendered to the line of its template.

A template's loops, includes and values move lines. So a page is rendered a second time, with a
mark at each line of its templates; if it is the same page but for the marks, they are right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import ClassVar

from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream

LARGEST_PAGE = 2**20
"""Of a longer page nobody learns the lines of its templates."""

_START, _END = "\ue000", "\ue001"
_MARK = re.compile(f"{_START}([0-9]+):([0-9]+){_END}")


class Marks(Extension):
    """Puts a mark before each line that a template holds as it is."""

    tags: ClassVar[set[str]] = set()  # type: ignore[misc]  # (jinja declares no ClassVar)

    def filter_stream(self, stream: TokenStream) -> Iterable[Token]:
        """Mark the lines of a template."""
        if stream.name is None:  # a value that is a template: it has no lines
            yield from stream
            return
        number = self._number(stream.name)
        is_first = True
        for token in stream:
            if token.type == "data":
                yield Token(token.lineno, "data", _marked(token, number, is_first=is_first))
                is_first = False
            else:
                yield token

    def _number(self, name: str) -> int:
        names: list[str] = self.environment.marked_names  # type: ignore[attr-defined]  # (ours)
        if name not in names:
            names.append(name)
        return names.index(name)

    def parse(self, parser: object) -> list[nodes.Node]:
        """Parse nothing: there are no tags."""
        raise NotImplementedError


def _marked(token: Token, number: int, *, is_first: bool) -> str:
    lines = token.value.split("\n")
    marked = [lines[0]] + [
        f"{_START}{number}:{line}{_END}{text}"
        for line, text in enumerate(lines[1:], token.lineno + 1)
    ]
    first = f"{_START}{number}:{token.lineno}{_END}" if is_first else ""
    return first + "\n".join(marked)


def places(page: str, marked: str, names: list[str]) -> list[tuple[str, int]] | None:
    """Return file and line of the template for each line of a page; ``None`` if nobody knows."""
    if _START in page or _MARK.sub("", marked) != page:
        return None
    return list(_places(marked, names))


def _places(marked: str, names: list[str]) -> Iterator[tuple[str, int]]:
    last = ("", 0)
    for line in marked.split("\n"):
        found = list(_MARK.finditer(line))
        if found:
            last = _place(found[0], names)
        yield last
        if found:
            last = _place(found[-1], names)


def _place(found: re.Match[str], names: list[str]) -> tuple[str, int]:
    return names[int(found[1])], int(found[2])
