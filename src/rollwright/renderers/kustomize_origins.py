"""Where the objects of a kustomization were written: file and line of the source.

Before: kustomize noted on each object the file it came from, relative to what was built.
After: the note is gone from the object, and its origin says file and line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rollwright.documents import line_of, load, load_all
from rollwright.errors import InvalidDocument
from rollwright.renderers.kustomize_overlay import Build
from rollwright.rollouts.body import flatten
from rollwright.rollouts.manifest import Origin

ORIGIN = "config.kubernetes.io/origin"
LARGEST = 4 * 2**20
"""Bytes of a file in which lines are looked for."""


class Origins:
    """Finds origins; each file is read once."""

    def __init__(self, root: Path, build: Build) -> None:
        self._root, self._build = root.resolve(), build
        self._texts: dict[str, bytes] = {}
        self._lines: dict[str, list[tuple[str, str, int]]] = {}

    def take(self, body: Any) -> tuple[Any, Origin]:
        """Return an object without kustomize's note, and where it was written."""
        metadata = body.get("metadata") if isinstance(body, Mapping) else None
        annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
        if not isinstance(annotations, Mapping) or ORIGIN not in annotations:
            return body, Origin(file=self._build.file)
        origin = self._origin(str(annotations[ORIGIN]), body)
        if not self._build.has_origins:
            return body, origin
        rest = {key: text for key, text in annotations.items() if key != ORIGIN}
        bare = {key: one for key, one in metadata.items() if key != "annotations"}  # type: ignore[union-attr]  # a mapping
        return {**body, "metadata": {**bare, **({"annotations": rest} if rest else {})}}, origin

    def line_with(self, origin: Origin, text: str) -> Origin:
        """Return the place of a text at or after an origin, if it stands there."""
        lines = self._text(origin.file).decode("utf-8", "replace").splitlines()
        start = max(origin.line - 1, 0)
        for number, line in enumerate(lines[start:], start + 1):
            if text in line:
                return Origin(file=origin.file, line=number)
        return origin

    def _origin(self, note: str, body: Mapping[str, Any]) -> Origin:
        try:
            found = load(note, name=self._build.file)
        except InvalidDocument:
            found = None
        note_of = found if isinstance(found, Mapping) else {}
        place = note_of.get("path") or note_of.get("configuredIn")
        file = self._name(str(place)) if place else ""
        if not file:
            return Origin(file=self._build.file)
        return Origin(file=file, line=self._line(file, body) if note_of.get("path") else 0)

    def _name(self, relative: str) -> str:
        """Return what the source calls a file; empty for files of nobody."""
        path = Path(os.path.normpath(self._build.folder / relative))
        if path in self._build.copies:
            return self._build.copies[path]
        return path.relative_to(self._root).as_posix() if path.is_relative_to(self._root) else ""

    def _line(self, file: str, body: Mapping[str, Any]) -> int:
        """Return the line of an object; its name may have got a prefix and a suffix."""
        if file not in self._lines:
            self._lines[file] = list(_places(self._text(file), file))
        name = str((body.get("metadata") or {}).get("name", ""))
        kinds = [one for one in self._lines[file] if one[0] == body.get("kind")]
        named = [one for one in kinds if one[1] and one[1] in name]
        best = max(named, key=lambda one: len(one[1]), default=None)
        if best is not None:
            return best[2]
        return kinds[0][2] if len(kinds) == 1 else 0

    def _text(self, file: str) -> bytes:
        if file not in self._texts:
            path = self._root / file
            is_small = path.is_file() and path.stat().st_size <= LARGEST
            self._texts[file] = path.read_bytes() if is_small else b""
        return self._texts[file]


def _places(text: bytes, file: str) -> Iterator[tuple[str, str, int]]:
    """Yield kind, name and line of the objects in a file."""
    try:
        documents = load_all(text, name=file)
    except InvalidDocument:
        return
    for document in documents:
        for path, body in flatten(document.value):
            if isinstance(body, Mapping):
                metadata = body.get("metadata")
                name = metadata.get("name", "") if isinstance(metadata, Mapping) else ""
                line = (line_of(document, path) if path else None) or document.line
                yield str(body.get("kind", "")), str(name), line
