"""From what ``helm template`` prints to objects, each with the template that made it.

helm writes ``# Source: chart/templates/x.yaml`` above everything that it prints.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from rollwright.documents import Limits, load_all
from rollwright.errors import InvalidManifests, Problem, RenderError
from rollwright.renderers import child
from rollwright.renderers.objects import MAX_OBJECTS, Collector, keyed_by_identity
from rollwright.rollouts.manifest import ManifestSet, Origin

_SOURCE = re.compile(rb"^---[ \t]*\r?\n# Source: ([^\r\n]+)\r?\n", re.MULTILINE)
_LIMITS = Limits(size=child.MAX_OUTPUT)


def manifests_of(output: bytes, chart: str, revision: str) -> ManifestSet:
    """Return the objects that a chart gave, keyed by their identity.

    Raises:
        InvalidDocument: A template gave what is no YAML; its name is told.
        InvalidManifests: A template gave no object, or two gave the same; both are named.
    """
    collector = Collector()
    for source, text in _parts(output, chart):
        values = [one.value for one in load_all(text, name=source, limits=_LIMITS)]
        collector.add_built(values, Origin(file=source))
    found = keyed_by_identity(collector.finish(revision))
    return replace(found, inputs=())


def _parts(output: bytes, chart: str) -> Iterator[tuple[str, bytes]]:
    """Yield what each template gave, with its name."""
    marks = list(_SOURCE.finditer(output))
    if len(marks) > MAX_OBJECTS:
        message = f"more than {MAX_OBJECTS:,} objects"
        raise InvalidManifests([Problem(where=chart, path="", message=message)])
    before = output[: marks[0].start()] if marks else output
    if before.strip():
        raise RenderError(f"helm template printed something else than the objects of {chart}")
    ends = (*(mark.start() for mark in marks[1:]), len(output))
    for mark, end in zip(marks, ends, strict=False):
        yield mark[1].decode("utf-8", "replace").strip(), output[mark.end() : end]
