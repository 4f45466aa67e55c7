"""What a chart of the source depends on: in ``charts/``, or put there in a copy (RE-13).

Versions are those of ``Chart.lock``, where there is one. Folders of the source (``file://``) need
no network; anything else is fetched only where the site allows it.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from rollwright.errors import RenderError
from rollwright.plugins import tree
from rollwright.renderers.helm.chart import check_archive, check_folder, mapping_of
from rollwright.renderers.helm.program import Program
from rollwright.renderers.helm.pulling import pull
from rollwright.renderers.helm.remote import Credentials, Remote, problem_of

_DEEPEST = 8
_FILE = "file://"
_FILES = (("Chart.yaml", "Chart.lock"), ("requirements.yaml", "requirements.lock"))
_HINT = (
    "run `helm dependency build` and put charts/ into the source, or allow the network:"
    " networkCharts = true in [plugins] of site.toml"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """One entry of ``dependencies``, with the version that is locked."""

    name: str
    version: str
    repository: str
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """How charts are put together.

    Attributes:
        root: The source's tree.
        helm: What fetches.
        timeout: How long one fetch may take.
        may_fetch: Whether the site allows the network.
        fetched: What was fetched, as ``chart@sha256:…``; filled on the way.
        read: Files of the source that were used; filled on the way.
    """

    root: Path
    helm: Program
    timeout: timedelta
    may_fetch: bool
    fetched: list[str]
    read: list[Path]

    async def copy(self, folder: Path, target: Path, depth: int = 0) -> None:
        """Copy a chart of the source, and put into the copy what it lacks.

        Raises:
            RenderError: A dependency cannot be had, or leads out of the source.
        """
        name = tree.name_in(self.root, folder)
        if depth > _DEEPEST:
            raise RenderError(f"{name}: dependencies of dependencies, more than {_DEEPEST} deep")
        self.read.extend(await asyncio.to_thread(check_folder, self.root, folder))
        await asyncio.to_thread(_copy, folder, target)
        for one in await asyncio.to_thread(missing, self.root, folder):
            await self._add(one, folder, target / "charts", depth)

    async def _add(self, one: Dependency, folder: Path, charts: Path, depth: int) -> None:
        if one.repository.startswith(_FILE):
            await self._add_folder(one, folder, charts, depth)
            return
        if not one.repository.startswith(("http://", "https://", "oci://")):
            place = repr(one.repository[:120]) if one.repository else "no repository"
            raise RenderError(
                f"{one.file}: the dependency {one.name!r} names {place}, which is not fetched",
                hint="name it by its URL, or put it into charts/",
            )
        if not self.may_fetch:
            place = f"{one.name} {one.version} of {one.repository}"
            raise RenderError(f"{one.file}: {place} is not in charts/", hint=_HINT)
        remote = _remote(one)
        archive = await pull(remote, Credentials(), self.helm, self.timeout)
        self.fetched.append(f"{remote.title}@{archive.digest}")
        # NB: two versions of one chart may stand side by side, under other aliases.
        target = charts / f"{one.name}-{archive.path.stem}.tgz"
        await asyncio.to_thread(shutil.copyfile, archive.path, target)

    async def _add_folder(self, one: Dependency, folder: Path, charts: Path, depth: int) -> None:
        base = folder.relative_to(self.root.resolve()).as_posix()
        relative = one.repository.removeprefix(_FILE)
        try:
            found = tree.inside(
                self.root, relative if relative.startswith("/") else f"{base}/{relative}"
            )
        except RenderError as error:
            raise RenderError(
                f"{one.file}: {one.name}: {error.message}", hint=error.hint
            ) from error
        if found.is_dir():
            await self.copy(found, _unused(charts, one.name), depth + 1)
            return
        content = await asyncio.to_thread(tree.read, self.root, found)
        await asyncio.to_thread(check_archive, content, tree.name_in(self.root, found))
        self.read.append(found)
        await asyncio.to_thread(_unused(charts, one.name, ".tgz").write_bytes, content)


def missing(root: Path, folder: Path) -> tuple[Dependency, ...]:
    """Return the dependencies of a chart that are not in its ``charts/``.

    Raises:
        RenderError: Chart.lock knows nothing of one.
        InvalidDocument: A file of the chart cannot be read.
    """
    there = _vendored(folder / "charts")
    declared = dict.fromkeys(_declared(root, folder))
    return tuple(one for one in declared if one.name not in there)


def _declared(root: Path, folder: Path) -> Iterator[Dependency]:
    for file, lock in _FILES:
        entries = _entries(root, folder / file)
        if entries:
            name = tree.name_in(root, folder / file)
            locked = _entries(root, folder / lock) if (folder / lock).is_file() else None
            yield from (_dependency(one, locked, name) for one in entries)
            return


def _dependency(
    entry: Mapping[str, Any], locked: list[Mapping[str, Any]] | None, file: str
) -> Dependency:
    name, version = str(entry.get("name", "")), str(entry.get("version", ""))
    if not name or "/" in name or name in {".", ".."}:
        raise RenderError(f"{file}: a dependency without a name")
    repository = str(entry.get("repository") or "").rstrip("/")
    for one in locked or ():
        same = str(one.get("repository") or "").rstrip("/") == repository
        if one.get("name") == name and same:
            return Dependency(
                name=name, version=str(one.get("version", "")), repository=repository, file=file
            )
    if locked is not None:
        raise RenderError(
            f"{file}: the lock file beside it knows nothing of {name!r}",
            hint="run `helm dependency update`",
        )
    return Dependency(name=name, version=version, repository=repository, file=file)


def _entries(root: Path, path: Path) -> list[Mapping[str, Any]]:
    if not path.is_file():
        return []
    name = tree.name_in(root, path)
    found = mapping_of(tree.read(root, path.resolve()), name).get("dependencies") or []
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise RenderError(f"{name}: dependencies is a list of mappings")
    return found


def _vendored(charts: Path) -> frozenset[str]:
    """Return the names of the charts in a folder, as they call themselves."""
    if not charts.is_dir():
        return frozenset()
    names = set[str]()
    for one in sorted(charts.iterdir()):
        if one.name.endswith((".tgz", ".tar.gz")):
            names.add(check_archive(one.read_bytes(), one.name).name)
        elif (one / "Chart.yaml").is_file():
            found = mapping_of((one / "Chart.yaml").read_bytes(), f"{one.name}/Chart.yaml")
            names.add(str(found.get("name", "")))
    return frozenset(names)


def _remote(one: Dependency) -> Remote:
    is_oci = one.repository.startswith("oci://")
    remote = Remote(
        chart=f"{one.repository}/{one.name}" if is_oci else one.name,
        repo="" if is_oci else one.repository,
        version=one.version,
    )
    if problem := problem_of(remote):
        raise RenderError(f"{one.file}: {one.name}: {problem}")
    return remote


def _unused(charts: Path, name: str, suffix: str = "") -> Path:
    """Return a place that nothing stands at: its name means nothing to helm."""
    number = len(list(charts.iterdir()))
    return charts / f"{name}-{number}{suffix}"


def _copy(folder: Path, target: Path) -> None:
    # Links were followed and found to stay in the source; in the copy they are what they lead to.
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns(".git"))
    (target / "charts").mkdir(exist_ok=True)
