"""From pages to objects: where a line of a page is told, its template's line is.

Before: a child rendered the templates. After: ``Collector`` makes manifests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rollwright.errors import InvalidDocument, excerpt
from rollwright.renderers.objects import EXCLUDE, Collector
from rollwright.renderers.quotes import without_secret_values
from rollwright.renderers.secret_values import without
from rollwright.rollouts.manifest import ManifestSet, Origin

_QUOTED = 80


def manifests_of(
    answer: Mapping[str, Any], revision: str, hidden: tuple[str, ...] = ()
) -> ManifestSet:
    """Return the objects of an answer's pages.

    Args:
        answer: Of the child.
        revision: Of the source.
        hidden: Texts that no message may quote.

    Raises:
        InvalidDocument: One page is no YAML.
        InvalidManifests: Pages hold something else than objects, or an object twice.
    """
    collector = PageCollector(hidden, hint=EXCLUDE)
    for page in answer["pages"]:
        collector.add_page(page)
    return replace(collector.finish(revision), inputs=tuple(answer["read"]))


class PageCollector(Collector):
    """Takes pages; what it tells of them is about their templates."""

    def __init__(self, hidden: tuple[str, ...] = (), *, hint: str | None = None) -> None:
        super().__init__(hint=hint)
        self._hidden = hidden
        self._page: Mapping[str, Any] = {}

    def add_page(self, page: Mapping[str, Any]) -> None:
        """Take every object of a page."""
        self._page = page
        self.add(page["text"].encode("utf-8", "surrogatepass"), page["key"])

    def origin(self, name: str, line: int) -> Origin:
        """Return the line of the template, or the template alone."""
        del name
        lines = self._page["lines"]
        if lines is None or not 0 < line <= len(lines) or not lines[line - 1][0]:
            return Origin(file=self._page["file"])
        file, number = lines[line - 1]
        return Origin(file=file, line=number)

    def explained(self, error: InvalidDocument, name: str) -> InvalidDocument:
        """Say which line of the page cannot be read, and where it comes from."""
        found = re.match(rf"{re.escape(name)}:(\d+)(?::\d+)?: (.*)", error.message, re.DOTALL)
        if found is None:
            file = self._page["file"]
            return InvalidDocument(f"{file}: {error.message.removeprefix(f'{name}: ')}")
        number, words = int(found[1]), found[2]
        quote = self._quote(number)
        rendered = f"line {number} of what it renders{quote}"
        place = self.origin(name, number)
        return InvalidDocument(f"{place}: {words} ({rendered})", hint=error.hint)

    def _quote(self, number: int) -> str:
        """Quote a line, unless the page holds a Secret."""
        text: str = self._page["text"]
        lines = text.split("\n")
        if number > len(lines):
            return ""
        line = without_secret_values(without(lines[number - 1], self._hidden), text)
        return f": {excerpt(line, _QUOTED)!r}"
