"""Where a path of a document stands in its text: looked up only when a message needs it."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any

import yaml

from rollwright.documents.loader import KubeLoader
from rollwright.documents.scalars import ScalarError, read_key

Path = tuple[str | int, ...]

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_PLAIN_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*")


def as_yaml(text: str) -> str:
    """Return JSON as YAML with the same lines: YAML has no escaped surrogate pairs."""
    return _SURROGATE.sub(r"\\u003f", text)


def path_text(path: Path) -> str:
    """Write a path for a person: ``spec.groups[0].name``, ``data['a.b']``."""
    return "".join(_part_text(part) for part in path).removeprefix(".")


def _part_text(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if _PLAIN_KEY.fullmatch(part) else f"[{part!r}]"


class Lines:
    """The lines of one document, found by composing it once more on the first question."""

    def __init__(self, text: str, first_line: int) -> None:
        self._text, self._first_line = text, first_line

    def find(self, path: Path) -> int | None:
        """Return the line of a key or list item, ``None`` if the text does not have it."""
        node, mark = self._root, getattr(self._root, "start_mark", None)
        for part in path:
            node, mark = _step(node, part)
        return None if mark is None else self._first_line + mark.line

    def nearest(self, path: Path) -> int | None:
        """Return the line of a path or of what is nearest above it."""
        lines = (self.find(path[:length]) for length in range(len(path), -1, -1))
        return next((line for line in lines if line is not None), None)

    @cached_property
    def _root(self) -> Any:
        try:
            return yaml.compose(as_yaml(self._text), Loader=KubeLoader)
        except yaml.YAMLError:
            return None


def _step(node: Any, part: str | int) -> tuple[Any, Any]:
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
        inside = 0 <= part < len(node.value)
        return (node.value[part], node.value[part].start_mark) if inside else (None, None)
    if isinstance(node, yaml.MappingNode) and isinstance(part, str):
        return _step_key(node, part)
    return None, None


def _step_key(node: Any, part: str) -> tuple[Any, Any]:
    for key, value in node.value:
        if part in _key_texts(key):
            return value, key.start_mark
    for key, value in node.value:
        if key.value == "<<" and not key.style:
            found = _step_merge(value, part)
            if found[1] is not None:
                return found
    return None, None


def _step_merge(node: Any, part: str) -> tuple[Any, Any]:
    parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
    found = (_step(item, part) for item in parts)
    return next((pair for pair in found if pair[1] is not None), (None, None))


def _key_texts(key: Any) -> set[str]:
    if not isinstance(key, yaml.ScalarNode):
        return set()
    try:
        return {key.value, read_key(None, key.value, is_plain=not key.style)}
    except ScalarError:
        return {key.value}
