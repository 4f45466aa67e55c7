"""From a document to a ``RolloutSpec`` and back.

Before: ``documents`` read the text and knows its lines.
After: the stages of a run ask the spec; nothing asks the document again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, TypeAlias

from pydantic import ValidationError

from rollwright.errors import InvalidSpec, Problem, excerpt
from rollwright.rollouts.spec.groups import GroupsFile
from rollwright.rollouts.spec.problems import explain, path_text
from rollwright.rollouts.spec.rollout import (
    API_VERSION,
    KIND,
    RolloutDocument,
    RolloutSpec,
    SpecBody,
)
from rollwright.rollouts.spec.rules import find_broken_rules
from rollwright.rollouts.spec.schema import schema_of_model
from rollwright.rollouts.spec.secrets import Path

FOREIGN_API_VERSION = "workflow.kubernetes.io/v1alpha1"
"""Rollouts of this version hold groups only; a Rollout of ours names them."""

LineOf: TypeAlias = Callable[[Path], int | None]
"""Gives the line of a path in a document's text, ``None`` if it does not stand there."""


def parse(
    document: Any, *, name: str = "rollout", line_of: LineOf = lambda _path: None
) -> RolloutSpec:
    """Read a declared rollout.

    Args:
        document: What YAML or JSON gave.
        name: What messages call the document, best its path.
        line_of: Finds lines for messages; asked for a parent where it knows no line.

    Raises:
        InvalidSpec: It is no Rollout, or something in it is wrong; every problem is in it.
    """
    strangeness = _find_strangeness(document)
    if strangeness:
        raise invalid(strangeness, name=name, line_of=line_of)
    found = list(find_broken_rules(document))
    try:
        whole = RolloutDocument.model_validate(document, by_alias=True, by_name=False)
    except ValidationError as error:
        found += explain(error, rollout_schema)
        raise invalid(found, name=name, line_of=line_of) from None
    if found:
        raise invalid(found, name=name, line_of=line_of)
    body = {field: getattr(whole.spec, field) for field in SpecBody.model_fields}
    return RolloutSpec(name=whole.metadata.name, labels=whole.metadata.labels, **body)


def dump(spec: RolloutSpec, *, keep_defaults: bool = False) -> dict[str, Any]:
    """Write a spec as the document it could have come from.

    Args:
        spec: The spec.
        keep_defaults: Write also what equals its default.
    """
    metadata = spec.model_dump(
        mode="json", include={"name", "labels"}, exclude_defaults=not keep_defaults
    )
    body = spec.model_dump(
        mode="json",
        by_alias=True,
        exclude={"name", "labels", "groups_parallel"},
        exclude_defaults=not keep_defaults,
    )
    if isinstance(spec.groups, GroupsFile):
        body["rest"] = spec.rest.value  # its default depends on the form of groups
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": body}


@cache
def rollout_schema() -> dict[str, Any]:
    """Return the JSON Schema of a Rollout document."""
    return schema_of_model(RolloutDocument, KIND)


def invalid(found: Iterable[tuple[Path, str]], *, name: str, line_of: LineOf) -> InvalidSpec:
    """Make the error of what was found, with the place of each problem."""
    return InvalidSpec(
        Problem(where=_where(name, path, line_of), path=path_text(path), message=message)
        for path, message in dict.fromkeys(found)
    )


def _where(name: str, path: Path, line_of: LineOf) -> str:
    lines = (line_of(path[:length]) for length in range(len(path), -1, -1))
    line = next((line for line in lines if line), None)
    return f"{name}:{line}" if line else name


def _find_strangeness(document: Any) -> list[tuple[Path, str]]:
    """Find out whether this is another kind of document: then nothing else matters."""
    if not isinstance(document, Mapping):
        shape = "a list" if isinstance(document, list) else excerpt(repr(document), 60)
        return [((), f"not a Rollout: expected a mapping; got {shape}")]
    version, kind = document.get("apiVersion"), document.get("kind")
    if version == FOREIGN_API_VERSION:
        why = f"a document of {FOREIGN_API_VERSION!r} holds groups only"
        return [(("apiVersion",), f"{why}; name it in a Rollout, groups: {{file: …}}")]
    if version is None and kind is None:
        return [((), "not a Rollout: apiVersion and kind are missing")]
    if isinstance(kind, str) and kind.lower() != KIND.lower():
        return [(("kind",), f"not a Rollout: kind {kind!r}")]
    group = API_VERSION.partition("/")[0]
    if isinstance(version, str) and version.partition("/")[0] != group:
        return [
            (("apiVersion",), f"not a Rollout: apiVersion {version!r}; expected {API_VERSION!r}")
        ]
    return []
