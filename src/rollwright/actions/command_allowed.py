"""Which programs a site lets the action ``Command`` start.

Before: a document names a program; site.toml lists what may be started.
After: ``command`` starts the file that was found, and nothing else.

A name says little where links lead elsewhere, so files are compared: an entry with a wildcard, or
inside the site, means files that lie there after every link was followed. An absolute entry
without wildcards may itself be a link: whoever wrote it named exactly that one.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import takewhile
from pathlib import Path
from shutil import which

SEARCH_PATH = "/usr/local/bin:/usr/bin:/bin"
"""Where a bare name is looked for, whatever the ``PATH`` of this process."""


def find_program(name: str, site: Path) -> Path | None:
    """Return the file that a document means; a bare name is looked for in ``SEARCH_PATH``."""
    if "/" not in name:
        found = which(name, path=SEARCH_PATH)
        return Path(found) if found else None
    path = site / name
    return path if path.is_file() and os.access(path, os.X_OK) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a program is not started."""

    message: str
    hint: str = ""


def why_refused(name: str, site: Path, allowed: Collection[str]) -> Refusal | None:
    """Return why the site does not let a program be started, wherever it is.

    Args:
        name: As a document writes it.
        site: Folder of the site.
        allowed: Entries of ``[plugins] commands``.
    """
    if not allowed:
        return Refusal(
            message=f"the site lets no program be started; {name!r} is not",
            hint="list it in site.toml: [plugins] commands",
        )
    path = find_program(name, site)
    if path is None or allowed_program(path, site, allowed) is not None:
        return None
    return Refusal(
        message=f"the site does not let {name!r} be started ({path.resolve()})",
        hint="add it to [plugins] commands in site.toml",
    )


def allowed_program(path: Path, site: Path, allowed: Iterable[str]) -> Path | None:
    """Return the file to start, if one of the entries allows it.

    Args:
        path: The file as it was named.
        site: Folder of the site; relative entries start there.
        allowed: Entries of ``[plugins] commands``.
    """
    named, real = _with_real_folder(path), path.resolve()
    for entry in allowed:
        pattern = _pattern(entry, site)
        if _matches(real, pattern):
            return real
        is_exact = Path(entry).is_absolute() and not _has_wildcard(entry)
        if is_exact and named == pattern:
            return named
    return None


def _pattern(entry: str, site: Path) -> Path:
    """Return what files are compared with; folders of the machine may be links, as ``/bin`` is."""
    path = Path(entry)
    if not path.is_absolute():
        return site.resolve() / path
    folders = tuple(takewhile(lambda part: not _has_wildcard(part), path.parts[:-1]))
    return Path(*folders).resolve().joinpath(*path.parts[len(folders) :])


def _with_real_folder(path: Path) -> Path:
    """Follow every link but that of the file itself."""
    return path.parent.resolve() / path.name


def _has_wildcard(entry: str) -> bool:
    return any(character in entry for character in "*?[")


def _matches(path: Path, pattern: Path) -> bool:
    """Whether each part of a path matches its part of the pattern; none spans two folders."""
    parts, wanted = path.parts, pattern.parts
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))
