"""A private kustomization around the source's own: nothing in the source is ever changed.

It asks kustomize where each object comes from, and holds what the rollout adds: a namespace,
replacements from ``config``, or the resources of a folder that has no kustomization (RE-11).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rollwright.documents import dump, dump_all, load, load_all
from rollwright.errors import InvalidManifests, Problem, RenderError
from rollwright.plugins import tree
from rollwright.renderers import kustomization
from rollwright.renderers.objects import KUSTOMIZATION_FILES
from rollwright.rollouts.body import flatten, identity_problems
from rollwright.rollouts.manifest import group_of
from rollwright.rollouts.spec import is_older

CONFIG_NAME = "rollwright-config"
CONFIG_KIND = "Config"
CONFIG_FILE = f"{CONFIG_NAME}.yaml"
ORIGINS = "originAnnotations"

_SUFFIXES = (".yaml", ".yml")
_TOOLS = frozenset({"rollwright.dev", "kustomize.config.k8s.io"})
_TOP_FIELDS = frozenset({"sortoptions"})
"""Fields that count at the top only, and can be given on; Go's reader knows no case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a rollout adds to a kustomization."""

    namespace: str = ""
    replacements: Sequence[Mapping[str, Any]] = ()
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def is_needed(self) -> bool:
        """Whether the kustomization cannot be built without the overlay."""
        return bool(self.namespace or self.replacements)


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """What to build.

    Attributes:
        folder: Folder that kustomize builds.
        plain: Folder to build if that fails, since it says better what is wrong; or nothing.
        file: What messages call it.
        copies: Files of the overlay, and what they are called in the source.
        has_origins: Whether the objects say where they come from, for us alone.
    """

    folder: Path
    plain: Path | None
    file: str
    copies: Mapping[Path, str] = field(default_factory=dict)
    has_origins: bool = True


def prepare(root: Path, path: str, wishes: Wishes, overlay: Path) -> Build:
    """Check a folder of the source, and write the kustomization to build instead of it.

    Raises:
        RenderError: It has nothing to build, or leads out of the source.
        InvalidDocument: A file of it cannot be read.
        InvalidManifests: A file of a folder without kustomization holds no objects.
    """
    folder = tree.inside(root, path)
    if folder.is_dir() and not is_kustomization(folder):
        return _made(root, folder, wishes, overlay)
    file = kustomization.find(root, folder)
    kustomization.check(root, folder)
    name, document = tree.name_in(root, file), load(tree.read(root, file), name=file.name)
    if not isinstance(document, Mapping) or not (wishes.is_needed or _may_be_wrapped(document)):
        return Build(folder=folder, plain=None, file=name, has_origins=False)
    fields = {key: one for key, one in document.items() if key.casefold() in _TOP_FIELDS}
    _write(overlay, [os.path.relpath(folder, overlay)], wishes, fields)
    return Build(folder=overlay, plain=None if wishes.is_needed else folder, file=name)


def is_kustomization(folder: Path) -> bool:
    """Whether a folder has a kustomization of its own."""
    return any((folder / name).is_file() for name in KUSTOMIZATION_FILES)


def _may_be_wrapped(document: Mapping[str, Any]) -> bool:
    """Whether a kustomization gives the same inside of another one.

    What it says of its build counts at the top only, and a component is no resource.
    """
    keys = {key.casefold() for key in document}
    return "buildmetadata" not in keys and document.get("kind") != "Component"


def _write(
    overlay: Path, resources: Sequence[str], wishes: Wishes, fields: Mapping[str, Any]
) -> None:
    document: dict[str, Any] = {**fields, "resources": list(resources), "buildMetadata": [ORIGINS]}
    if wishes.namespace:
        document["namespace"] = wishes.namespace
    if wishes.replacements:
        document["resources"].append(CONFIG_FILE)
        document["replacements"] = [_with_source(one) for one in wishes.replacements]
        file = overlay / CONFIG_FILE
        file.touch(mode=0o600)
        file.write_text(dump(_config(wishes.values)), encoding="utf-8")
    (overlay / "kustomization.yaml").write_text(dump(document), encoding="utf-8")


def _config(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the object that replacements read; kustomize leaves it out of what it prints."""
    return {
        "apiVersion": "rollwright.dev/v1",
        "kind": CONFIG_KIND,
        "metadata": {
            "name": CONFIG_NAME,
            "annotations": {"config.kubernetes.io/local-config": "true"},
        },
        "values": dict(values),
    }


def _with_source(replacement: Mapping[str, Any]) -> Mapping[str, Any]:
    if "path" in replacement:
        raise RenderError("replacements: path is only for kustomizations of the source")
    source = replacement.get("source")
    if not isinstance(source, Mapping):
        raise RenderError("replacements: each has a source, such as {fieldPath: values.replicas}")
    if "kind" in source or "name" in source:
        return replacement
    return {**replacement, "source": {"kind": CONFIG_KIND, "name": CONFIG_NAME, **source}}


# ------------------------------------------------------------------ folders without one


def _made(root: Path, folder: Path, wishes: Wishes, overlay: Path) -> Build:
    """Make a kustomization of all objects in a folder, and of the kustomizations below it."""
    resources: list[str] = []
    copies: dict[Path, str] = {}
    problems: list[Problem] = []
    for found in resources_of(root, folder):
        if found.is_dir():
            kustomization.check(root, found)
            resources.append(os.path.relpath(found, overlay))
            continue
        name = tree.name_in(root, found)
        bodies = _objects(tree.read(root, found), name, problems)
        if bodies:
            copy = f"resources/{len(copies)}.yaml"
            (overlay / copy).parent.mkdir(exist_ok=True)
            (overlay / copy).write_text(dump_all(bodies), encoding="utf-8")
            copies[overlay / copy] = name
            resources.append(copy)
    if problems:
        hint = "add a kustomization.yaml that names the resources"
        raise InvalidManifests(problems, hint=hint)
    name = tree.name_in(root, folder)
    if not resources:
        raise RenderError(f"no kustomization.yaml in {name}, and no objects to make one of")
    _write(overlay, resources, wishes, {})
    return Build(folder=overlay, plain=None, file=name, copies=copies)


def resources_of(root: Path, folder: Path) -> Iterator[Path]:
    """Yield files of objects, and folders that are kustomizations, in the order of their paths."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        place = tree.inside(root, path.relative_to(root.resolve()).as_posix())
        if place.is_dir():
            if path.is_symlink():
                continue  # as everywhere: what it leads to has a place of its own
            yield from [place] if is_kustomization(place) else resources_of(root, place)
        elif path.name.endswith(_SUFFIXES):
            yield place


def _objects(text: bytes, name: str, problems: list[Problem]) -> list[Any]:
    found = []
    for document in load_all(text, name=name):
        for _, body in flatten(document.value):
            if _speaks_to_tools(body):
                continue
            wrong = identity_problems(body, f"{name}:{document.line}")
            problems += wrong
            found += [] if wrong else [body]
    return found


def _speaks_to_tools(body: Any) -> bool:
    if not isinstance(body, Mapping):
        return False
    version = body.get("apiVersion")
    return is_older(body) or (isinstance(version, str) and group_of(version) in _TOOLS)
