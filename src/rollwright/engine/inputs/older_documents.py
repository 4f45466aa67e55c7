"""Rollouts of the older format on disk: named by a rollout of ours, or run as they are.

Before: ``documents`` read a file. After: the spec holds the groups, as if it declared them.

A document of the older format knows no source: its objects lie in ``manifests`` beside it, are
made by ``main.jsonnet`` beside it, or are the other files of its folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rollwright.documents import Document, load_all, nearest_line
from rollwright.engine.inputs.known_names import known_at
from rollwright.errors import InvalidSpec, Problem
from rollwright.rollouts.manifest import ManifestSet
from rollwright.rollouts.spec import (
    API_VERSION,
    FOREIGN_API_VERSION,
    KIND,
    GroupsFile,
    OlderRollout,
    RolloutSpec,
    is_older,
    read_older,
    with_older,
)
from rollwright.rollouts.spec.older import UNCHECKED, Known

MANIFESTS = "manifests"
ENTRYPOINTS = ("main.jsonnet", "jsonnet/main.jsonnet")


def wrap(document: Document, file: Path, site: Path | None = None) -> dict[str, Any]:
    """Return the rollout of ours that a document of the older format means on its own.

    Args:
        document: The document.
        file: Its file.
        site: The site.toml that counts; by default the one that is found from the file.

    Raises:
        InvalidSpec: It cannot be read.
    """
    older = _read(document, file, known_at(file.parent, site))
    metadata: dict[str, Any] = {"labels": dict(older.labels)}
    if older.name:
        metadata["name"] = older.name
    target = {"target": {"namespace": older.namespace}} if older.namespace else {}
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": metadata,
        "spec": {**_source(file.parent), **target, "groups": {"file": file.name}},
    }


def with_groups_of_file(
    spec: RolloutSpec, base: Path, where: str, site: Path | None = None
) -> tuple[RolloutSpec, Mapping[str, Any] | None]:
    """Return a spec with the groups of the file that it names, and that file's document.

    Args:
        spec: What was declared.
        base: Folder that the path starts from.
        where: File and line that name it, for messages.
        site: The site.toml that counts; by default the one that is found from the folder.

    Raises:
        InvalidSpec: The file is missing, or holds no rollout of the older format.
        InvalidDocument: It is not YAML or JSON.
    """
    if not isinstance(spec.groups, GroupsFile):
        return spec, None
    file = base / Path(spec.groups.file).expanduser()
    try:
        text = file.read_bytes()
    except OSError as error:
        raise _refused(where, f"cannot read {spec.groups.file!r}: {error.strerror}") from error
    documents = load_all(text, name=str(file))
    if len(documents) != 1 or not is_older(documents[0].value):
        raise _refused(where, f"expected one Rollout of {FOREIGN_API_VERSION!r} in the file")
    document = documents[0]
    older = _read(document, file, known_at(base, site))
    return with_older(spec, older), document.value


def _read(document: Document, file: Path, known: Known) -> OlderRollout:
    return read_older(
        document.value, name=str(file), line_of=partial(nearest_line, document), known=known
    )


def with_rendered_groups(spec: RolloutSpec, wanted: ManifestSet) -> RolloutSpec:
    """Return a spec with the groups that were rendered; groups that it has itself win.

    Raises:
        InvalidSpec: What was rendered is no rollout of the older format.
    """
    if wanted.rollout is None or spec.groups:
        return spec
    name = f"rendered rollout of {spec.name}"
    return with_older(spec, read_older(wanted.rollout, name=name, known=UNCHECKED))


def _source(base: Path) -> dict[str, Any]:
    if (base / MANIFESTS).is_dir():
        return {"source": {"path": MANIFESTS}}
    entrypoint = next((one for one in ENTRYPOINTS if (base / one).is_file()), None)
    if entrypoint is None:
        return {"source": {"path": "."}}
    render = {"use": "jsonnet", "with": {"entrypoint": entrypoint}}
    return {"source": {"path": "."}, "render": render}


def _refused(where: str, message: str) -> InvalidSpec:
    return InvalidSpec([Problem(where=where, path="spec.groups.file", message=message)])
