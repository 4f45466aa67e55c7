"""Libraries that jsonnet-bundler put beside a file: where they lie, and whether all are there.

Before: the source has a ``jsonnetfile.json``, and ``jb install`` filled ``vendor``.
After: the child looks for imports in these folders. Nothing is fetched here (RE-01).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rollwright.documents import load
from rollwright.errors import RenderError
from rollwright.plugins import tree

VENDOR = "vendor"
WANTED, LOCKED = "jsonnetfile.json", "jsonnetfile.lock.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Libraries:
    """Folders of libraries below the root, and the short names that imports may use."""

    folders: tuple[str, ...]
    aliases: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dependency:
    """A library that a jsonnetfile names: its place below ``vendor``, its short name."""

    name: str
    place: str


def libraries_of(root: Path, folder: Path) -> Libraries:
    """Return what is vendored for the files of a folder: its own, then what lies above.

    Raises:
        RenderError: A library that a jsonnetfile names is not vendored.
    """
    home, folders, aliases = root.resolve(), [], dict[str, str]()
    above = [one for one in (folder, *folder.parents) if one.is_relative_to(home)]
    for one in above:
        short = _checked(home, one)
        if (one / VENDOR).is_dir():
            place = f"{tree.name_in(root, one)}/{VENDOR}" if one != home else VENDOR
            tree.inside(root, place)
            folders.append(place)
            aliases = {**{name: f"{place}/{path}" for name, path in short.items()}, **aliases}
    return Libraries(folders=tuple(folders), aliases=aliases)


def _checked(home: Path, folder: Path) -> Mapping[str, str]:
    """Return the short names of a folder's libraries; all of them are there."""
    file = next((folder / one for one in (LOCKED, WANTED) if (folder / one).is_file()), None)
    if file is None:
        return {}
    document = _document(home, file)
    needed = tuple(_dependencies(document, tree.name_in(home, file)))
    missing = sorted(one.place for one in needed if not _is_vendored(folder, one))
    if missing:
        raise RenderError(
            f"{tree.name_in(home, file)}: not vendored: {', '.join(missing)}",
            hint=f"run `jb install` beside it and keep {VENDOR}/ with the source",
        )
    wanted = folder / WANTED
    has_short = _document(home, wanted).get("legacyImports", True) if wanted.is_file() else True
    return {one.name: one.place for one in needed if one.name != one.place} if has_short else {}


def _is_vendored(folder: Path, one: _Dependency) -> bool:
    return (folder / VENDOR / one.place).is_dir()


def _document(home: Path, file: Path) -> Mapping[str, Any]:
    name = tree.name_in(home, file)
    found = load(tree.read(home, tree.inside(home, name)), name=name)
    if not isinstance(found, Mapping):
        raise RenderError(f"{name}: expected a mapping")
    return found


def _dependencies(document: Mapping[str, Any], about: str) -> Iterator[_Dependency]:
    listed = document.get("dependencies") or []
    several: list[Any] = listed if isinstance(listed, list) else [None]
    for number, one in enumerate(several):
        source = one.get("source") if isinstance(one, Mapping) else None
        place = _place(source) if isinstance(source, Mapping) else ""
        if not place or ".." in place.split("/"):
            raise RenderError(f"{about} dependencies[{number}]: expected a source, git or local")
        name = str(one.get("name") or place.rpartition("/")[2])
        yield _Dependency(name=name, place=place)


def _place(source: Mapping[str, Any]) -> str:
    """Return where jsonnet-bundler puts a library: ``github.com/owner/name/folder``."""
    local, git = source.get("local"), source.get("git")
    if isinstance(local, Mapping):
        return str(local.get("directory") or "").rstrip("/").rpartition("/")[2]
    if not isinstance(git, Mapping) or not isinstance(git.get("remote"), str):
        return ""
    below = str(git.get("subdir") or "").strip("/")
    place = _remote_place(git["remote"])
    return f"{place}/{below}" if below and place else place


def _remote_place(remote: str) -> str:
    """Return host and path of ``https://host/a/b.git``, ``ssh://git@host/a/b`` or ``git@h:a/b``."""
    url = urlsplit(remote)
    if url.hostname:
        return f"{url.hostname}/{url.path.strip('/').removesuffix('.git')}"
    address, _, path = remote.partition(":")
    host = address.rpartition("@")[2]
    return f"{host}/{path.strip('/').removesuffix('.git')}" if host and path else ""
