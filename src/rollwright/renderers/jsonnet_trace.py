"""What the jsonnet engines complain of, as ``file:line: what``.

Before: the child evaluated a file, and an engine said why it could not.
After: ``jsonnet`` takes the values of secrets out and raises the error.

Each engine has a form of its own. C++: ``STATIC ERROR: file:1:5: what``, or ``RUNTIME ERROR:
what`` and lines with a tab and the place. Go: the same, and ``file:1:5 what`` for what it cannot
parse, alone or as a runtime error. Rust: ``what``, and lines with four spaces and the place.
"""

from __future__ import annotations

import re
from collections.abc import Collection

_PLACE = r"(?P<file>[^\t\n]+?):\(?(?P<line>\d+):\d+"
_FRAME = re.compile(rf"\n(?:\t| {{4}}){_PLACE}")
_STATIC = re.compile(rf"^(?:STATIC ERROR: )?{_PLACE}\)?(?:-[\d:()]+)?:? (?P<what>[^\n]*)")
_ENDS = ("\n\t", "\n    ")
_PREFIXES = ("RUNTIME ERROR: ", "runtime error: ")
_SPOKEN = ("During evaluation", "During manifestation")


def explained(complaint: str, file: str, read: Collection[str]) -> str:
    """Return what a complaint says, with its place.

    Args:
        complaint: What the engine said.
        file: What was evaluated; named where the engine names no place.
        read: The files that were read; no other name is a place.
    """
    text = complaint
    for prefix in _PREFIXES:
        text = text.removeprefix(prefix)
    static = _STATIC.match(text)
    if static and static["file"] in read:
        return f"{static['file']}:{static['line']}: {static['what']}"
    for frame in _FRAME.finditer(text):
        if frame["file"] in read:
            return f"{frame['file']}:{frame['line']}: {_message(text[: frame.start()])}"
    return f"{file}: {_message(text)}"


def _message(text: str) -> str:
    """Leave the trace out; what a program says with ``error`` may have several lines."""
    for end in _ENDS:
        before, found, after = text.partition(end)
        if found and (after.startswith(("<std>", "std.jsonnet", "Field ", *_SPOKEN))):
            text = before
    return text.strip()
