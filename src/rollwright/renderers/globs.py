"""Files of a source that a pattern names: ``*`` stays in a folder, ``**`` does not."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from rollwright.plugins import tree

_PARTS = re.compile(r"\*\*/|\*\*|\*|\?|\[!?[^\]/]+\]|.", re.DOTALL)


def matching(root: Path, glob: str) -> tuple[Path, ...]:
    """Return the files of a tree that match, sorted by path; hidden ones never do.

    Raises:
        RenderError: A link of the tree leads out of it.
    """
    home = root.resolve()
    return tuple(one for one in tree.files(root, home) if is_match(tree.name_in(root, one), glob))


def is_match(name: str, glob: str) -> bool:
    """Whether a path below the root matches a pattern as a whole."""
    return _compiled(glob).fullmatch(name) is not None


def is_any(name: str, globs: Iterable[str]) -> bool:
    """Whether a path matches one of several patterns."""
    return any(is_match(name, one) for one in globs)


@lru_cache(maxsize=256)
def _compiled(glob: str) -> re.Pattern[str]:
    return re.compile("".join(_expression(part) for part in _PARTS.findall(glob)), re.DOTALL)


def _expression(part: str) -> str:
    if part == "**/":
        return "(?:[^/]+/)*"
    if part == "**":
        return ".*"
    if part in {"*", "?"}:
        return "[^/]" + part.replace("?", "")
    if part.startswith("[") and len(part) > 1:
        inner = part[1:-1].replace("\\", "\\\\")
        return f"[^/{inner[1:]}]" if inner.startswith("!") else f"(?!/)[{inner}]"
    return re.escape(part)
