"""Lines of keys in a TOML text: a light scan, because the parser tells none.

It knows table headers, keys and values over several lines. Keys inside an inline table have the
line of their table's key. That is enough for a message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from rollwright.rollouts.spec.secrets import Path

_NAME = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_KEY = rf"{_NAME}(?:\s*\.\s*{_NAME})*"
_HEADER = re.compile(rf"\s*\[\[?\s*({_KEY})\s*\]")
_ASSIGNMENT = re.compile(rf"\s*({_KEY})\s*=")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"' + r"|'[^']*'")
_BLOCK = re.compile(r'"""|' + "'''")


def key_lines(text: str) -> Mapping[Path, int]:
    """Return the line of each key and table, counted from 1."""
    lines: dict[Path, int] = {}
    table: tuple[str, ...] = ()
    for number, line in _starts(text):
        if header := _HEADER.match(line):
            path: tuple[str, ...] = _names(header[1])
            table = path
        elif assignment := _ASSIGNMENT.match(line):
            path = (*table, *_names(assignment[1]))
        else:
            continue
        for length in range(1, len(path) + 1):
            lines.setdefault(path[:length], number)
    return lines


def _starts(text: str) -> Iterator[tuple[int, str]]:
    """Give the lines on which no value of a line before goes on."""
    depth, is_in_block = 0, False
    for number, line in enumerate(text.splitlines(), start=1):
        if not is_in_block and depth == 0:
            yield number, line
        if len(_BLOCK.findall(line)) % 2:
            is_in_block = not is_in_block
        elif not is_in_block:
            depth = max(0, depth + _open_brackets(line))


def _open_brackets(line: str) -> int:
    plain = _QUOTED.sub("", line).partition("#")[0]
    return plain.count("[") + plain.count("{") - plain.count("]") - plain.count("}")


def _names(key: str) -> tuple[str, ...]:
    return tuple(name.strip("\"'") for name in re.findall(_NAME, key))
