"""Whether a rollout may read what a push, or a range of commits, changed (TR-08).

Before: names of changed files are known. After: the rollout is looked at, or is not.

A rollout reads the folder of its source, and what files there name outside of it: such names
begin with ``..``, and what they lead to may name more. Where nobody can say, it reads everything.
"""

from __future__ import annotations

import os
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from posixpath import normpath

from rollwright.plugins.contracts import Push
from rollwright.plugins.git.same import are_same
from rollwright.sources.git.refs import BRANCHES, TAGS, is_commit

_OUTWARD = re.compile(rb"(?<![\w.])((?:\.\./)+[\w./@+-]*|\.\.(?![\w./]))")
_MOST_FILES = 2_000
_MOST_BYTES = 2**20
_TOP = "."


class Known:
    """What rollouts read at commits whose files are not kept here, because nothing of it changed.

    What is read at one commit is read at the next one if none of it changed in between.
    """

    def __init__(self, most: int = 20_000) -> None:
        self._most = most
        self._reads: OrderedDict[tuple[str, ...], tuple[str, ...]] = OrderedDict()

    def find(self, key: tuple[str, ...]) -> tuple[str, ...] | None:
        """Return what is read; ``None`` if it is not known."""
        return self._reads.get(key)

    def note(self, key: tuple[str, ...], reads: tuple[str, ...]) -> None:
        """Note what is read; the oldest go."""
        self._reads[key] = reads
        while len(self._reads) > self._most:
            self._reads.popitem(last=False)


COMPARED = Known()
"""By commits that were compared here."""
TOLD = Known()
"""By what deliveries said; nobody else relies on it."""


def is_about(push: Push, url: str, ref: str) -> bool:
    """Whether a push moved what a source names.

    Args:
        push: What a delivery says.
        url: Address of the source.
        ref: What it names: a branch or tag, a full name, a commit; empty for the default branch.
    """
    if is_commit(ref):
        return False  # nothing that is pushed changes it
    return _is_repository(push, url) and _is_ref(push, ref)


def _is_repository(push: Push, url: str) -> bool:
    if push.urls:
        return any(are_same(url, one) for one in push.urls)
    name = push.repository.casefold().strip("/")
    path = url.casefold().rstrip("/").removesuffix(".git")
    return not name or path.endswith(f"/{name}")


def _is_ref(push: Push, ref: str) -> bool:
    if not push.ref:
        return True
    if not ref:
        return not push.default_branch or push.ref == f"{BRANCHES}{push.default_branch}"
    return push.ref in {ref, f"{BRANCHES}{ref}", f"{TAGS}{ref}"}


def may_read(changed: Iterable[str], folders: tuple[str, ...] | None) -> bool:
    """Whether one of the files lies in one of the folders, or is one; ``None`` reads everything."""
    if folders is None or _TOP in folders or "" in folders:
        return True
    return any(_is_below(name, folder) for name in changed for folder in folders)


def matches(changed: Iterable[str], globs: tuple[str, ...]) -> bool:
    """Whether one of the files is meant by one of the globs."""
    return any(fnmatchcase(name, glob) for name in changed for glob in globs)


def _is_below(name: str, folder: str) -> bool:
    return name == folder or name.startswith(f"{folder.rstrip('/')}/")


@lru_cache(maxsize=4096)  # the files of a commit stay as they are
def folders_read(top: Path | None, path: str, beside: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the folders and files of a repository that a rollout reads.

    Args:
        top: Files of a commit, where they are kept; ``None`` where none are.
        path: Folder of the source.
        beside: Files that the document names; from its own folder, or from the top.

    Returns:
        Names from the top, or ``None`` where nobody can say.
    """
    if top is None or not path:
        return None
    found = {path, *(one for one in map(_inside, beside) if one)}
    ahead, seen = list(found), 0
    while ahead:
        for file in _files(top, ahead.pop()):
            seen += 1
            text = _text(file)
            if text is None or seen > _MOST_FILES:
                return None
            for name in _named(text, file.relative_to(top).parent.as_posix(), path):
                if name in {"", _TOP} or name.startswith(".."):
                    return None
                if not any(_is_below(name, one) for one in found):
                    found.add(name)
                    ahead.append(name)
    return tuple(sorted(found))


def _named(text: bytes, folder: str, path: str) -> Iterator[str]:
    """Yield what a text names outside, from its own folder and from that of the rollout."""
    for found in _OUTWARD.findall(text):
        name = found.decode("utf-8", "replace")
        for start in {folder, path}:
            yield normpath(f"{start}/{name}")


def _inside(name: str) -> str:
    plain = normpath(name)
    return "" if plain.startswith(("/", "..", "~")) else plain


def _files(top: Path, name: str) -> Iterator[Path]:
    place = top / name
    if place.is_file():
        yield place
        return
    for folder, _folders, files in os.walk(place):
        yield from (Path(folder) / one for one in files)


def _text(file: Path) -> bytes | None:
    """Return the content of a file; ``None`` of one that is too large to look at."""
    try:
        if file.stat().st_size > _MOST_BYTES:
            return None
        return file.read_bytes()
    except OSError:
        return None
