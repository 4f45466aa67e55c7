"""Keys with exact boundaries: ``shop-1`` never reaches what belongs to ``shop-10``.

A part of a key never holds a slash, and a range always ends at one.
"""

from __future__ import annotations

from urllib.parse import quote

_AFTER_SLASH = chr(ord("/") + 1)


def part(text: str) -> str:
    """Return one part of a key for any text; different for different texts."""
    return quote(text, safe="") or "%"


def join(*parts: str) -> str:
    """Return a key of parts; the first one may be a path of its own."""
    first, *rest = parts
    return "/".join((first, *map(part, rest)))


def below(key: str) -> tuple[str, str]:
    """Return the range of everything below a key, without the key itself."""
    return f"{key}/", f"{key}{_AFTER_SLASH}"
