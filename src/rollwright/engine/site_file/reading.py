"""The way in: find ``site.toml``, read it, lay the environment over it, check it all at once."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from rollwright.engine.site_file.environment import Overlay, overlay
from rollwright.engine.site_file.lines import key_lines
from rollwright.engine.site_file.model import SiteFile, site_schema
from rollwright.errors import InvalidSpec, NotFound, Problem
from rollwright.rollouts.spec.problems import explain, path_text
from rollwright.rollouts.spec.secrets import Path, all_plain_secrets

SITE_VARIABLE = "ROLLWRIGHT_SITE"
FILE_NAMES = ("deployments/site.toml", "site.toml")

_TOML_PLACE = re.compile(r" \(at line (\d+), column \d+\)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedSite:
    """A site and where it stands.

    Attributes:
        file: What it declares.
        path: Its ``site.toml``; ``None`` without one.
        root: Its top folder; relative paths of the site start here.
    """

    file: SiteFile
    path: FilePath | None
    root: FilePath

    def resolve(self, path: str) -> FilePath:
        """Return a path of the site as it is on this machine: ``~`` and the root filled in."""
        return self.root / FilePath(path).expanduser()

    def placed(self, plugin: Any) -> Any:
        """Return a store or a lock whose relative ``path`` starts at the site.

        Whoever runs it from another folder would see another state otherwise, and another lock.
        """
        path = getattr(plugin, "path", None)
        if not isinstance(path, FilePath):
            return plugin
        return plugin.model_copy(update={"path": self.resolve(str(path))})


def find_site(start: FilePath, environ: Mapping[str, str] | None = None) -> FilePath | None:
    """Find the site that a document belongs to.

    Args:
        start: The document, or its folder.
        environ: Whose ``ROLLWRIGHT_SITE`` counts; the process's own by default.

    Returns:
        The nearest ``deployments/site.toml`` or ``site.toml`` in the folder or above it.

    Raises:
        NotFound: ``ROLLWRIGHT_SITE`` names a file that is not there.
    """
    named = (os.environ if environ is None else environ).get(SITE_VARIABLE, "")
    if named:
        return _named_site(FilePath(named).expanduser())
    folder = start.absolute()
    folders = (folder, *folder.parents)
    places = (folder / name for folder in folders for name in FILE_NAMES)
    return next((place for place in places if place.is_file()), None)


def load_site(
    path: FilePath | None,
    *,
    environ: Mapping[str, str] | None = None,
    start: FilePath | None = None,
) -> LoadedSite:
    """Read a site.

    Args:
        path: Its ``site.toml``, such as ``find_site`` gave it; ``None`` for the defaults.
        environ: Overrides; the process's own environment by default.
        start: The root where there is no ``site.toml``; the current folder by default.

    Raises:
        NotFound: The file is not there, or cannot be read.
        InvalidSpec: Something in it or in the environment is wrong; every problem is in it.
    """
    environ = os.environ if environ is None else environ
    if path is None:
        root = (start or FilePath()).absolute()
        return LoadedSite(file=parse_site("", environ=environ), path=None, root=root)
    file = parse_site(_read(path), name=str(path), environ=environ)
    folder = path.absolute().parent
    root = folder.parent if folder.name == "deployments" else folder
    return LoadedSite(file=file, path=path, root=root)


def parse_site(
    text: str, *, name: str = "site.toml", environ: Mapping[str, str] | None = None
) -> SiteFile:
    """Read the text of a ``site.toml`` and lay an environment over it.

    Args:
        text: TOML.
        name: What messages call it, best its path.
        environ: Overrides; none by default.

    Raises:
        InvalidSpec: Something in either is wrong; every problem is in it.
    """
    laid = overlay(_read_toml(text, name), environ or {}, site_schema())
    site, found = _validate(laid.data)
    if site is None or found or laid.problems:
        raise InvalidSpec([*laid.problems, *_problems(found, laid, text, name)])
    return site


def _validate(data: Mapping[str, Any]) -> tuple[SiteFile | None, list[tuple[Path, str]]]:
    found = [*_check_clusters(data.get("clusters")), *all_plain_secrets(data, ())]
    try:
        return SiteFile.model_validate(data, by_alias=True, by_name=False), found
    except ValidationError as error:
        return None, found + list(explain(error, site_schema))


def _check_clusters(clusters: Any) -> Iterator[tuple[Path, str]]:
    for name, cluster in clusters.items() if isinstance(clusters, Mapping) else ():
        if isinstance(cluster, Mapping) and cluster.get("sandbox"):
            for key in sorted({"block", "kubeconfig", "context"} & set(cluster)):
                yield ("clusters", name, key), "a sandbox has its own; leave it out"


def _problems(
    found: list[tuple[Path, str]], laid: Overlay, text: str, name: str
) -> Iterator[Problem]:
    lines = key_lines(text)
    for path, message in dict.fromkeys(found):
        yield Problem(
            where=_where(path, laid.origins, lines, name), path=path_text(path), message=message
        )


def _where(path: Path, origins: Mapping[Path, str], lines: Mapping[Path, int], name: str) -> str:
    for length in range(len(path), 0, -1):
        if path[:length] in origins:
            return origins[path[:length]]
        if path[:length] in lines:
            return f"{name}:{lines[path[:length]]}"
    return name


def _read_toml(text: str, name: str) -> Mapping[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        place = _TOML_PLACE.search(message)
        where = f"{name}:{place[1]}" if place else name
        message = _TOML_PLACE.sub("", message)
        why = f"not TOML: {message[:1].lower()}{message[1:]}"
        raise InvalidSpec([Problem(where=where, path="", message=why)]) from None


def _named_site(path: FilePath) -> FilePath:
    if path.is_dir():
        places = [path / name for name in FILE_NAMES if (path / name).is_file()]
        path = places[0] if places else path / FILE_NAMES[0]
    if not path.is_file():
        raise NotFound(f"no site file {str(path)!r}", hint=f"correct or unset {SITE_VARIABLE}")
    return path


def _read(path: FilePath) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidSpec([Problem(where=str(path), path="", message="not UTF-8")]) from error
    except OSError as error:
        raise NotFound(f"cannot read site file {str(path)!r}: {error.strerror}") from error
