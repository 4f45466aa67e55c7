"""What a kustomization refers to, checked before kustomize sees it.

kustomize takes whatever is no file for a repository to clone, and any URL for a file to load.
So every entry must be a place in the source; nothing is guessed from how an entry looks.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollwright.documents import load, load_all
from rollwright.errors import InvalidDocument, RenderError, excerpt
from rollwright.plugins import tree
from rollwright.renderers.objects import KUSTOMIZATION_FILES

_LISTS = (
    "resources",
    "bases",
    "components",
    "crds",
    "configurations",
    "patchesStrategicMerge",
    "generators",
    "transformers",
    "validators",
)
"""Fields whose entries are places, or YAML written in their place."""

_PARTS: Mapping[str, tuple[str, ...]] = {
    "patches": ("path",),
    "patchesJson6902": ("path",),
    "replacements": ("path",),
    "openapi": ("path",),
    "configMapGenerator": ("files", "envs", "env"),
    "secretGenerator": ("files", "envs", "env"),
}
"""Fields that hold places further inside."""

_CHARTS = ("helmCharts", "helmChartInflationGenerator")
_PLUGINS = frozenset({"generators", "transformers", "validators"})
_LOADED = frozenset({"path", "paths", "files", "envs", "env", "resources"})
_FUNCTION = b"config.kubernetes.io/function"
_URL = re.compile(r"([^=]*=)?[a-z][a-z+.-]*://", re.IGNORECASE)
_REMOTE = re.compile(r"[a-z+]+://|[\w.-]+@[\w.-]+:|[\w-]+(\.[\w-]+)+/|gh:|[a-z]+::", re.IGNORECASE)


def find(root: Path, folder: Path) -> Path:
    """Return the kustomization file of a folder.

    Raises:
        RenderError: There is none, or several.
    """
    name = tree.name_in(root, folder)
    if not folder.is_dir():
        raise RenderError(
            f"{name} is a file; kustomize needs a folder", hint="set path to the folder"
        )
    found = [folder / one for one in KUSTOMIZATION_FILES if (folder / one).is_file()]
    if len(found) == 1:
        return tree.inside(root, found[0].relative_to(root.resolve()).as_posix())
    if not found:
        raise RenderError(f"no kustomization.yaml in {name}", hint="set path, or render with plain")
    names = ", ".join(one.name for one in found)
    raise RenderError(f"several kustomizations in {name}: {names}", hint="keep one of them")


def check(root: Path, folder: Path) -> tuple[tuple[Entry, Path], ...]:
    """Refuse a kustomization that needs the network, a program or files of elsewhere.

    Returns:
        Every file that it names, or that one below it names, and where it is.

    Raises:
        RenderError: An entry is no place in the source, or a function would run a program.
        InvalidDocument: A kustomization cannot be read.
    """
    waiting, seen, files = [_Folder(path=folder)], set(), list[tuple[Entry, Path]]()
    while waiting:
        current = waiting.pop()
        if current not in seen:
            seen.add(current)
            waiting += _folders(root, current, files)
    return tuple(files)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Folder:
    """A folder to check; what ``configures`` kustomize's plugins can load files of its own."""

    path: Path
    configures: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One place that a kustomization names.

    Attributes:
        file: The kustomization.
        field: The field that names it, such as ``secretGenerator.files``.
        text: The place.
        annotations: Of what a generator makes.
    """

    file: str
    field: str
    text: str
    annotations: Mapping[str, Any] = dataclasses.field(default_factory=dict, compare=False)

    @property
    def about(self) -> str:
        """What messages call it."""
        return f"{self.file}: {self.field}"


def _folders(root: Path, folder: _Folder, files: list[tuple[Entry, Path]]) -> Iterator[_Folder]:
    """Check one kustomization; yield the folders it refers to, and note the files."""
    file = find(root, folder.path)
    name = tree.name_in(root, file)
    document = load(tree.read(root, file), name=name)
    if not isinstance(document, Mapping):
        raise InvalidDocument(f"{name}: a kustomization is a mapping")
    for entry in _entries(document, name):
        configures = folder.configures or entry.field in _PLUGINS
        place = _place(root, folder.path, entry)
        if place is not None and place.is_dir():
            yield _Folder(path=place, configures=configures)
            continue
        if place is not None:
            files.append((entry, place))
        if configures:
            _check_plugins(entry, entry.text.encode() if place is None else tree.read(root, place))


def _entries(document: Mapping[str, Any], name: str) -> Iterator[Entry]:
    if any(_get(document, one) for one in _CHARTS):
        raise RenderError(
            f"{name}: helmCharts needs a network", hint="render the chart with the renderer helm"
        )
    for listed in _LISTS:
        for text in _texts(_get(document, listed)):
            yield Entry(file=name, field=listed, text=text)
    for named, keys in _PARTS.items():
        found = _get(document, named)
        for part in found if isinstance(found, list) else [found]:
            for key in keys if isinstance(part, Mapping) else ():
                for text in _texts(_get(part, key)):
                    place = text.rpartition("=")[2] if key == "files" else text
                    yield Entry(
                        file=name,
                        field=f"{named}.{key}",
                        text=place,
                        annotations=_annotations(part),
                    )


def _annotations(part: Mapping[str, Any]) -> Mapping[str, Any]:
    options = _get(part, "options")
    found = _get(options, "annotations") if isinstance(options, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _get(document: Mapping[str, Any], field: str) -> Any:
    """Return a field in any case: Go's encoding/json, with which kustomize reads, has none."""
    found = [key for key in document if key.casefold() == field.casefold()]
    if len(found) > 1:
        raise InvalidDocument(f"one field of a kustomization stands twice: {', '.join(found)}")
    return document[found[0]] if found else None


def _texts(value: Any) -> Iterator[str]:
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, str) and one:
            yield one


def _place(root: Path, folder: Path, entry: Entry) -> Path | None:
    """Return where an entry stands in the source; ``None`` for YAML written in its place."""
    if "\n" in entry.text:
        return None
    below = folder.relative_to(root.resolve()).as_posix()
    try:
        text = entry.text
        return tree.inside(root, text if text.startswith("/") else f"{below}/{text}")
    except RenderError as error:
        if _REMOTE.match(entry.text):
            raise _remote(entry, entry.text) from error
        hint = "point the source to a folder that holds all of it, and set path"
        raise RenderError(f"{entry.about}: {error.message}", hint=hint) from error


def _check_plugins(entry: Entry, text: bytes) -> None:
    """Check the configuration of kustomize's own plugins, and refuse those of others."""
    if _FUNCTION in text:
        raise RenderError(f"{entry.about}: functions that run programs are not allowed")
    for document in load_all(text, name=entry.file):
        for url in _urls(document.value, is_loaded=False):
            raise _remote(entry, url)


def _urls(value: Any, *, is_loaded: bool) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _urls(inner, is_loaded=key.casefold() in _LOADED)
    elif isinstance(value, list):
        for inner in value:
            yield from _urls(inner, is_loaded=is_loaded)
    elif is_loaded and isinstance(value, str) and _URL.match(value):
        yield value


def _remote(entry: Entry, text: str) -> RenderError:
    return RenderError(
        f"{entry.about}: {excerpt(text, 120)!r} is remote, and rendering has no network",
        hint="put a copy of it into the source",
    )
