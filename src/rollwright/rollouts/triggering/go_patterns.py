"""Regular expressions as Go reads them, made of Python's.

Before: a configuration file, written for a program in Go, holds patterns and replacements.
After: ``keys`` matches with them; what Go would refuse, or would mean something else here, is
refused by its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

_CLASSES = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "ascii": r"\x00-\x7f", "blank": r"\t ",
    "cntrl": r"\x00-\x1f\x7f", "digit": "0-9", "graph": "!-~", "lower": "a-z", "print": " -~",
    "punct": r"!-/:-@\[-`{-~", "space": r"\t\n\v\f\r ", "upper": "A-Z", "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}  # fmt: skip
"""What ``[[:alpha:]]`` and its like mean, for the inside of a class."""

_AROUND = ("(?=", "(?!", "(?<=", "(?<!", "(?>", "(?(", "(?P=", "(?#")
_NAMED_CLASS = re.compile(r"\[:(\^?)(\w+):\]")
_FLAGS = re.compile(r"\(\?[a-zA-Z]*-?[a-zA-Z]*[:)]")
_TEMPLATE = re.compile(r"\$(?:\$|\{(\w+)\}|(\w+))")
_COUNT = re.compile(r"\{(\d+)(?:,(\d*))?\}")
_MOST = 1000
_REPEATED = re.compile(r"(?:[*+?]|\{\d+(?:,\d*)?\})\+")


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """Return a pattern that matches what it matches in Go.

    Raises:
        ValueError: It is none, or holds what Go's regular expressions do not have.
    """
    try:
        return re.compile("".join(_translated(pattern)), re.ASCII)
    except (re.error, OverflowError) as error:
        raise ValueError(f"not a regular expression: {error}") from None


def _translated(pattern: str) -> Iterator[str]:
    place, is_in_class = 0, False
    while place < len(pattern):
        if is_in_class:
            text, size, is_in_class = _in_class(pattern, place)
        elif pattern[place] == "[":
            text, size = _class_begun(pattern, place)
            is_in_class = True
        else:
            text, size = _outside(pattern, place)
        yield text
        place += size


def _class_begun(pattern: str, place: int) -> tuple[str, int]:
    """Take the beginning of a class: a ``]`` that stands first is a member."""
    size = 2 if pattern.startswith("[^", place) else 1
    begun = pattern[place : place + size]
    if pattern.startswith("]", place + size):
        return begun + r"\]", size + 1
    return begun, size


def _in_class(pattern: str, place: int) -> tuple[str, int, bool]:
    if found := _NAMED_CLASS.match(pattern, place):
        is_other, name = found.groups()
        if name not in _CLASSES or is_other:
            raise ValueError(f"{found.group()!r} is not supported in a class")
        return _CLASSES[name], len(found.group()), True
    if pattern[place] == "\\":
        return *_escape(pattern, place), True
    # NB: Python warns of these inside a class, where they mean nothing special yet.
    text = f"\\{pattern[place]}" if pattern[place] in "[&|~" else pattern[place]
    return text, 1, pattern[place] != "]"


def _outside(pattern: str, place: int) -> tuple[str, int]:
    if pattern[place] == "\\":
        return _escape(pattern, place)
    if pattern[place] == "$":
        # NB: Python's also matches before a line break at the end.
        return (r"\Z" if "(?m" not in pattern else "$"), 1
    if pattern.startswith("{,", place):
        return r"\{", 1  # no repetition in Go
    if pattern.startswith(_AROUND, place):
        raise ValueError(f"Go's regular expressions have no {pattern[place : place + 3]!r}")
    if pattern.startswith("(?<", place):
        return "(?P<", 3
    _refuse_other(pattern, place)
    return pattern[place], 1


def _refuse_other(pattern: str, place: int) -> None:
    """Refuse what Python reads otherwise than Go, or Go does not read at all."""
    if (found := _FLAGS.match(pattern, place)) and set(found.group()) & set("UauLx"):
        raise ValueError(f"the flags {found.group()!r} are not supported")
    if found := _REPEATED.match(pattern, place):
        raise ValueError(f"Go's regular expressions have no {found.group()!r}")
    found = _COUNT.match(pattern, place)
    if found and max(int(one) for one in found.groups() if one) > _MOST:
        raise ValueError(f"Go repeats nothing more than {_MOST} times")


def _escape(pattern: str, place: int) -> tuple[str, int]:
    letter = pattern[place + 1 : place + 2]
    if letter == "Q":
        end = pattern.find("\\E", place)
        quoted = pattern[place + 2 : end if end >= 0 else len(pattern)]
        return re.escape(quoted), len(quoted) + (4 if end >= 0 else 2)
    if letter == "z":
        return r"\Z", 2
    if letter in {"Z", "C", "p", "P"} or (letter.isdigit() and letter != "0"):
        raise ValueError(f"'\\{letter}' is not supported")
    if letter == "x" and (found := re.match(r"\\x\{([0-9A-Fa-f]+)\}", pattern[place:])):
        return re.escape(chr(int(found.group(1), 16))), len(found.group())
    return pattern[place : place + 2], 2


def expanded(template: str, found: re.Match[str]) -> str:
    """Return a replacement with ``$1``, ``${1}`` and ``$name`` filled in.

    As in Go, the name is as long as it can be, so that ``$1x`` is ``${1x}``; what there is no
    group for is empty; ``$$`` is a dollar sign, and so is one that begins nothing.
    """

    def fill(mark: re.Match[str]) -> str:
        name = mark.group(1) or mark.group(2)
        if name is None:
            return "$"
        if name.isascii() and name.isdigit() and (name == "0" or name[0] != "0"):
            return (found.group(int(name)) or "") if int(name) <= found.re.groups else ""
        return (found.group(name) or "") if name in found.re.groupindex else ""

    return _TEMPLATE.sub(fill, template)
