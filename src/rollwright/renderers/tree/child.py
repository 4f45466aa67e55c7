"""The child process in which a tree is walked: a program of its own.

Before: ``renderer`` wrote a request, a file of JSON.
After: it reads one line of JSON: the objects in their order and what was read, or what is wrong.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rollwright.errors import InvalidDocument, InvalidManifests, RenderError
from rollwright.renderers.jinja.answers import Watch, failed
from rollwright.renderers.jinja.environment import TreeLoader
from rollwright.renderers.jinja.pages import TemplateFailure, failure_of
from rollwright.renderers.secret_values import secret_texts
from rollwright.renderers.tree.resources import Added, Resources, problems_of
from rollwright.renderers.tree.walk import Walk, new_walk


def render(request: Mapping[str, Any], watch: Watch) -> dict[str, Any]:
    """Return ``added`` and ``read``, or ``failures``."""
    loader = TreeLoader(Path(request["root"]))
    resources = Resources(tuple(secret_texts(request["values"])))
    failures: list[TemplateFailure] = []
    walk: Walk | None = None
    added: list[Added] = []
    try:
        walk = new_walk(request, loader, watch, resources)
        walk.run(request["path"])
    except TemplateFailure as failure:
        failures.append(failure)
    except (InvalidManifests, RenderError) as error:
        at = walk.folder.name if walk is not None else request["path"]
        failures += [failure_of(error, at, {})] if isinstance(error, RenderError) else problems_of(error)  # fmt: skip
    failures = [*(walk.failures if walk is not None else ()), *failures]
    try:
        added = resources.finished()
    except TemplateFailure as failure:
        failures.append(failure)
    except (InvalidManifests, InvalidDocument) as error:
        failures += problems_of(error)
    if failures:
        return failed(failures)
    return {"added": [_as_json(one) for one in added], "read": sorted(loader.read)}


def _as_json(one: Added) -> dict[str, Any]:
    body = None if one.resource is None else one.resource.manifest
    return {
        "key": one.key,
        "file": one.origin.file,
        "line": one.origin.line,
        "document": one.document,
        "body": body,
        "chart": one.chart,
    }


def main(path: str) -> None:
    """Answer the request of a file."""
    file = Path(path)
    request = json.loads(file.read_bytes())
    watch = Watch(file.with_name("progress"), request["seconds"])
    sys.stdout.write(json.dumps(watch.over(lambda: render(request, watch))))


if __name__ == "__main__":
    main(sys.argv[1])
