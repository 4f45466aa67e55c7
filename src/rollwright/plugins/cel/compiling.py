"""Expressions of CEL, compiled when a document is read: mistakes are told with their place.

Before: the options of a check or a policy hold a text.
After: ``worker`` evaluates it. Here nothing is evaluated, and compiling is bounded by the
text's length and the library's limit on nesting.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Any

from rollwright.errors import excerpt

MAX_LENGTH = 4096
"""Characters of an expression."""

_PLACE = re.compile(r"ERROR: <input>:(\d+):(\d+): (?:Syntax error: )?([^\n]*)")
_TAIL = re.compile(r"\s*\[[A-Z_]+\]$")
_TOO_DEEP = "recursion"


@lru_cache(maxsize=512)
def problem_of(text: str, scope: str = "check", kind: str = "BOOL") -> str:
    """Say why a text is no expression of a kind; empty if it is one.

    Args:
        text: The expression.
        scope: Whose variables it may use: ``check``, ``policy``, ``rule``, ``config`` or
            ``delivery``.
        kind: What it has to come to: ``BOOL`` or ``STRING``.
    """
    if not text.strip():
        return "must not be empty"
    if len(text) > MAX_LENGTH:
        return f"at most {MAX_LENGTH} characters; got {len(text)}"
    try:
        environment = _environment(scope)
    except ImportError as error:
        return f"the CEL library cannot be loaded: {error}"
    return _compile(environment, text, kind)


def _compile(environment: Any, text: str, wanted: str) -> str:
    try:
        program = environment.compile(text)
    except (RuntimeError, ValueError) as error:
        return _explain(str(error))
    kind = program.return_type().name()
    words = "true or false" if wanted == "BOOL" else "text"
    return "" if kind in (wanted, "DYN") else f"expected {words}; it is of type {kind}"


@cache
def _environment(scope: str) -> Any:
    from rollwright.plugins.cel.child import make_env  # noqa: PLC0415  (loads the CEL library)

    return make_env(scope)


def _explain(said: str) -> str:
    if _TOO_DEEP in said.lower():
        return "it is nested too deeply"
    found = _PLACE.search(said)
    if found is None:
        return excerpt(_TAIL.sub("", said))
    line, column, words = found.groups()
    place = f"column {column}" if line == "1" else f"line {line}, column {column}"
    return excerpt(f"{place}: {_shortened(_TAIL.sub('', words))}")


def _shortened(words: str) -> str:
    """Leave out every token that could stand there instead."""
    words = re.sub(r" expecting \{.*\}$", "", words).replace(" (in container '')", "")
    return words.replace("'<EOF>'", "the end")
