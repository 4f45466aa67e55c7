"""The files of a checkout, and the fence around it.

What a document or a repository names must lie inside its tree, links followed (RE-07): sources
and renderers find files through this module only.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from rollwright.errors import RenderError, excerpt


def inside(root: Path, relative: str) -> Path:
    """Return a place in a tree, links followed.

    Args:
        root: The tree; a single file is a tree as well, whose only place is ``.``.
        relative: Path below the root, with ``/``.

    Raises:
        RenderError: The path is absolute, leads out of the tree, or nothing is there.
    """
    pure = PurePosixPath(relative)
    if pure.is_absolute() or "\0" in relative:
        raise _outside(relative)
    home = root.resolve()
    try:
        place = (home / pure).resolve(strict=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
        _refuse_leading_out(home, pure)
        raise RenderError(
            f"{excerpt(relative)!r} is not in the source", hint="paths are relative to the source"
        ) from error
    if not place.is_relative_to(home):
        raise _outside(relative)
    return place


def files(root: Path, start: Path, *, recurse: bool = True) -> Iterator[Path]:
    """Yield the regular files at or below ``start``, in the order of their paths.

    What begins with a dot is left out. A link to a file of the tree counts as that file, a link
    to a folder of the tree is not followed, as its files have a place of their own.

    Raises:
        RenderError: A link leads out of the tree or nowhere, something is neither file nor
            folder, or a folder cannot be read.
    """
    home = root.resolve()
    if start.is_dir():
        yield from _below(home, start, recurse=recurse)
    else:
        _check(home, start)
        yield start


def links(root: Path) -> Iterator[tuple[str, str]]:
    """Yield every link of a tree and what it leads to, hidden ones too; not those of ``.git``.

    They belong to what a tree holds: a link that leads to another folder changes no file.
    """
    home = root.resolve()
    for folder, folders, names in os.walk(home):
        folders[:] = sorted(one for one in folders if one != ".git")
        for path in (Path(folder, name) for name in sorted((*folders, *names))):
            if path.is_symlink():
                yield as_text(name_in(home, path)), as_text(_target(home, path))


def as_text(name: str) -> str:
    """Return the name of a file as text, also if its bytes are no UTF-8."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def name_in(root: Path, path: Path) -> str:
    """Return how messages and keys call a file: its path below the root, or its name."""
    home = root.resolve()
    return path.name if path == home else path.relative_to(home).as_posix()


def read(root: Path, path: Path) -> bytes:
    """Return what a file holds.

    Raises:
        RenderError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise RenderError(f"cannot read {name_in(root, path)}: {error.strerror}") from error


def _below(home: Path, folder: Path, *, recurse: bool) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        name = name_in(home, folder)
        raise RenderError(f"cannot read the folder {name!r}: {error.strerror}") from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        _refuse_unreadable(entry.name)
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            if recurse:
                yield from _below(home, path, recurse=True)
        elif entry.is_file(follow_symlinks=False) or _check(home, path):
            yield path


def _check(home: Path, path: Path) -> bool:
    """Return whether a link or special file counts as a file; a folder does not."""
    name = name_in(home, path)
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise RenderError(f"{name} is a link to nothing") from error
    if not real.is_relative_to(home):
        raise RenderError(
            f"{name} is a link that leads out of the source", hint="put a copy into the source"
        )
    if not real.is_file() and not real.is_dir():
        raise RenderError(f"{name} is neither a file nor a folder")
    return real.is_file()


def _refuse_unreadable(name: str) -> None:
    if (shown := as_text(name)) == name:
        return
    raise RenderError(
        f"the name of a file is not UTF-8: {excerpt(shown)}",
        hint="rename it; keys and messages are text",
    )


def _target(home: Path, link: Path) -> str:
    try:
        place = link.resolve()
    except (OSError, RuntimeError):  # a loop of links
        place = home.parent
    return name_in(home, place) if place.is_relative_to(home) else str(link.readlink())


def _refuse_leading_out(home: Path, pure: PurePosixPath) -> None:
    if not Path(os.path.normpath(home / pure)).is_relative_to(home):
        raise _outside(str(pure))


def _outside(relative: str) -> RenderError:
    return RenderError(
        f"{excerpt(relative)!r} leads out of the source",
        hint="everything that is rendered must lie inside the source's folder",
    )
