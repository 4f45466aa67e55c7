"""One folder of a tree: its files, chosen by patterns, and the paths that it names."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath, PurePosixPath

from rollwright.errors import RenderError
from rollwright.plugins import tree
from rollwright.renderers.tree.globs import Globs, choose

SCRIPT = ".kubernator.py"


class Folder:
    """A folder below the root; every path that it names stays in the tree (RE-07)."""

    def __init__(self, root: Path, name: str) -> None:
        self.root, self.name = root, name
        self.path = tree.inside(root, name)

    def files(self, includes: Globs, excludes: Globs) -> Iterator[str]:
        """Yield the chosen files, as paths below the root (TRE-10)."""
        for name in choose(self._names(_is_file), includes, excludes):
            yield self.below(name)

    def folders(self, includes: Globs, excludes: Globs) -> Iterator[str]:
        """Yield the chosen folders; a link to one has a place of its own, and is not followed."""
        for name in choose(self._names(_is_folder), includes, excludes):
            yield self.below(name)

    def below(self, path: str | PurePath) -> str:
        """Return a path that the folder names, as one below the root.

        Raises:
            RenderError: It leads out of the tree.
        """
        pure = PurePosixPath(path)
        if pure.is_absolute() and Path(pure).is_relative_to(self.root):
            pure = PurePosixPath(Path(pure).relative_to(self.root).as_posix())
        elif pure.is_absolute():
            raise RenderError(f"{str(path)!r} leads out of the source")
        else:
            pure = PurePosixPath(self.name) / pure
        text = os.path.normpath(pure)
        if text == ".." or text.startswith("../"):
            raise RenderError(f"{str(path)!r} leads out of the source")
        return text

    def _names(self, is_meant: Callable[[os.DirEntry[str]], bool]) -> list[str]:
        names = []
        for entry in os.scandir(self.path):
            if entry.is_symlink() and not entry.name.startswith("."):
                tree.inside(self.root, self.below(entry.name))
            if is_meant(entry):
                names.append(entry.name)
        return names


def _is_file(entry: os.DirEntry[str]) -> bool:
    return entry.is_file()


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False)
