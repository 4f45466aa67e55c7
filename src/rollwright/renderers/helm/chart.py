"""What a chart consists of, looked over before helm reads it (RE-07).

helm follows every link of a chart's folder and unpacks every archive. So links that lead out
of the source, links in archives, and archives that grow beyond measure are refused here.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

from rollwright.documents import load
from rollwright.errors import InvalidDocument, RenderError, excerpt
from rollwright.plugins import tree

MAX_FILES = 20_000
MAX_ARCHIVE = 100 * 2**20
"""Bytes of an archive with all archives in it, unpacked."""

_DEEPEST = 8
_CHART = "Chart.yaml"
_SUBCHART = re.compile(r"(^|/)charts/[^/]+\.(tgz|tar\.gz)$")
_LEFT_OUT = frozenset({".git"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What a chart calls itself."""

    name: str
    version: str


def check_folder(root: Path, folder: Path) -> tuple[Path, ...]:
    """Return the files of a chart's folder, sorted; its archives are looked into.

    Raises:
        RenderError: A link leads out of the source or in a circle, or it is too much.
    """
    found: list[Path] = []
    for path in _files(root.resolve(), folder, ()):
        found.append(path)
        if len(found) > MAX_FILES:
            raise RenderError(f"the chart {tree.name_in(root, folder)} has over {MAX_FILES} files")
        if _SUBCHART.search(path.as_posix()):
            check_archive(tree.read(root, path), tree.name_in(root, path))
    return tuple(sorted(set(found)))


def _files(home: Path, folder: Path, above: tuple[Path, ...]) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        name = tree.name_in(home, folder)
        raise RenderError(f"cannot read the folder {name!r}: {error.strerror}") from error
    for entry in entries:
        if entry.name in _LEFT_OUT:
            continue
        path = _followed(home, Path(entry.path)) if entry.is_symlink() else Path(entry.path)
        if path.is_dir():
            if path in (*above, folder):
                name = tree.name_in(home, Path(entry.path))
                raise RenderError(f"{name} is a link to a folder that holds it")
            yield from _files(home, path, (*above, folder))
        elif path.is_file():
            yield path
        else:
            name = tree.name_in(home, Path(entry.path))
            raise RenderError(f"{name} is neither a file nor a folder")


def _followed(home: Path, link: Path) -> Path:
    name = link.relative_to(home).as_posix()
    try:
        real = link.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise RenderError(f"{name} is a link to nothing") from error
    if not real.is_relative_to(home):
        raise RenderError(
            f"{name} is a link that leads out of the source", hint="put a copy into the source"
        )
    return real


def check_archive(content: bytes, name: str) -> Metadata:
    """Return what the chart of an archive calls itself.

    Raises:
        RenderError: It is no archive, holds links, or grows beyond measure.
    """
    return _Archive(name=name).check(content, 0)


@dataclass(slots=True)
class _Archive:
    """One archive and what is in it; ``left`` is what may still be unpacked."""

    name: str
    left: int = MAX_ARCHIVE
    files: int = 0
    chart: Mapping[str, Any] = field(default_factory=dict)

    def check(self, content: bytes, depth: int) -> Metadata:
        if depth > _DEEPEST:
            raise RenderError(f"{self.name}: charts in charts, more than {_DEEPEST} deep")
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as unpacked:
                self._members(_Bounded(unpacked, self), depth)
        except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
            message = f"{self.name} is no chart archive: {excerpt(str(error), 80)}"
            raise RenderError(message) from error
        return Metadata(
            name=str(self.chart.get("name", "")), version=str(self.chart.get("version", ""))
        )

    def _members(self, stream: Any, depth: int) -> None:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                self._check_member(member)
                self.files += 1
                if self.files > MAX_FILES:
                    raise RenderError(f"{self.name} has over {MAX_FILES} files")
                if member.isfile():
                    self._look_into(member, archive, depth)

    def _check_member(self, member: tarfile.TarInfo) -> None:
        path = PurePosixPath(member.name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise RenderError(f"{self.name}: {excerpt(member.name, 80)!r} leads out of the chart")
        if not (member.isfile() or member.isdir()):
            name = excerpt(member.name, 80)
            raise RenderError(f"{self.name}: {name!r} is a link or a device, not a file")

    def _look_into(self, member: tarfile.TarInfo, archive: tarfile.TarFile, depth: int) -> None:
        parts = PurePosixPath(member.name).parts
        is_chart = depth == 0 and len(parts) == 2 and parts[1] == _CHART
        is_archive = bool(_SUBCHART.search(member.name))
        if not is_chart and not is_archive:
            return
        stream: IO[bytes] | None = archive.extractfile(member)
        content = stream.read() if stream else b""
        if is_chart:
            self.chart = mapping_of(content, f"{self.name}: {_CHART}")
        else:
            self.check(content, depth + 1)


class _Bounded:
    """Reads no more than its archive may still unpack."""

    def __init__(self, stream: Any, archive: _Archive) -> None:
        self._stream, self._archive = stream, archive

    def read(self, size: int) -> bytes:
        content: bytes = self._stream.read(min(size, self._archive.left + 1))
        self._archive.left -= len(content)
        if self._archive.left < 0:
            raise RenderError(
                f"{self._archive.name} is more than {MAX_ARCHIVE:,} bytes when it is unpacked"
            )
        return content


def mapping_of(content: bytes, name: str) -> Mapping[str, Any]:
    """Return the mapping that a file of a chart holds; an empty file is an empty one.

    Raises:
        InvalidDocument: It cannot be read, or holds something else.
    """
    found = load(content, name=name) if content.strip() else None
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise InvalidDocument(f"{name}: expected a mapping")
    return found
