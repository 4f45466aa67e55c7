"""The files a user writes, from disk to values.

Before: a command or a flow has a path. After: ``walk`` runs the spec; ``render`` gets the values.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rollwright.documents import Document, load_all, nearest_line
from rollwright.engine.inputs.older_documents import with_groups_of_file, wrap
from rollwright.engine.site_file import site_schema
from rollwright.errors import InvalidSpec, NotFound, Problem
from rollwright.rollouts.spec import (
    FOREIGN_API_VERSION,
    KIND,
    RolloutSpec,
    is_older,
    parse,
    rollout_schema,
)
from rollwright.rollouts.spec.trigger import trigger_schema

FILE_NAMES = ("rollout.yaml", "rollout.yml", "rollout.json")
"""What a folder's rollout is called, first hit."""

SCHEMAS = {"Rollout": rollout_schema, "Trigger": trigger_schema, "Site": site_schema}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedRollout:
    """A declared rollout and where it stands.

    Attributes:
        spec: What it declares.
        path: Its file, as it was named.
        base: Its folder; relative paths of the document start here.
        document: Its text's values and lines.
        older: The document of the older format that its groups come from.
    """

    spec: RolloutSpec
    path: Path
    base: Path
    document: Document
    older: Mapping[str, Any] | None = None


def schema_of(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of a kind of document, whatever the case of its name.

    Raises:
        NotFound: There is no schema of that kind.
    """
    schemas = {name.lower(): make for name, make in SCHEMAS.items()}
    if kind.lower() not in schemas:
        raise NotFound(f"no schema of kind {kind!r}; known: {', '.join(SCHEMAS)}")
    return deepcopy(schemas[kind.lower()]())


def load_rollout(path: Path | str, *, site: Path | None = None) -> LoadedRollout:
    """Read the one rollout of a file, or of a folder's ``rollout.yaml``.

    Args:
        path: The file or folder.
        site: The site.toml that counts; by default the one that is found from the file.

    Raises:
        NotFound: There is no such file, or it cannot be read.
        InvalidDocument: It is not YAML or JSON.
        InvalidSpec: It holds no Rollout or more than one document, or something in it is wrong.
    """
    file = _file_of(Path(path))
    documents = load_all(_read(file), name=str(file))
    document, others = _choose(documents, str(file))
    problems = [_unexpected(one, str(file)) for one in others]
    try:
        value = wrap(document, file, site) if is_older(document.value) else document.value
        spec = parse(value, name=str(file), line_of=partial(nearest_line, document))
    except InvalidSpec as error:
        raise InvalidSpec([*problems, *error.problems], hint=error.hint) from None
    if problems:
        raise InvalidSpec(problems, hint="put each document into a file of its own")
    line = nearest_line(document, ("spec", "groups", "file"))
    spec, older = with_groups_of_file(spec, file.parent, f"{file}:{line}", site)
    return LoadedRollout(spec=spec, path=file, base=file.parent, document=document, older=older)


def merge(values: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one mapping over another; lists and plain values are replaced, neither is changed."""
    merged = {key: deepcopy(value) for key, value in values.items()}
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            merged[key] = merge(below, value)
        else:
            merged[key] = deepcopy(value)
    return merged


def _file_of(path: Path) -> Path:
    if not path.is_dir():
        return path
    places = (path / name for name in FILE_NAMES)
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise NotFound(
            f"no {FILE_NAMES[0]} in folder {str(path)!r}", hint="name the file of the rollout"
        )
    return found


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError as error:
        raise NotFound(f"no file {str(file)!r}", hint=_nearby(file)) from error
    except OSError as error:
        raise NotFound(f"cannot read {str(file)!r}: {error.strerror}") from error


def _nearby(file: Path) -> str:
    if not file.parent.is_dir():
        return f"there is no folder {str(file.parent)!r}"
    documents = (one for one in file.parent.iterdir() if one.suffix in {".yaml", ".yml", ".json"})
    names = sorted(one.name for one in documents)[:5]
    return f"the folder has {', '.join(names)}" if names else "the folder has no YAML or JSON file"


def _choose(documents: tuple[Document, ...], name: str) -> tuple[Document, list[Document]]:
    """Return the document to read, and those that should not be there."""
    if not documents:
        message = "no document; expected one Rollout"
        raise InvalidSpec([Problem(where=name, path="", message=message)])
    ours = [one for one in documents if _is_rollout(one.value)]
    chosen = [*ours, *(one for one in documents if is_older(one.value)), *documents][0]
    return chosen, [one for one in documents if one is not chosen]


def _is_rollout(value: Any) -> bool:
    is_ours = isinstance(value, Mapping) and value.get("apiVersion") != FOREIGN_API_VERSION
    return is_ours and value.get("kind") == KIND


def _unexpected(document: Document, name: str) -> Problem:
    message = f"{_title(document.value)} beside the Rollout; a file holds exactly one"
    return Problem(where=f"{name}:{document.line}", path="", message=message)


def _title(value: Any) -> str:
    """Name a document for a person: ``Deployment 'web'``."""
    if not isinstance(value, Mapping) or not isinstance(value.get("kind"), str):
        return "a document without a kind"
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return f"{value['kind']} {name!r}" if isinstance(name, str) else str(value["kind"])
