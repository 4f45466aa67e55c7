"""Trees of folders with scripts, templates, charts and manifests.

Before: ``fetch`` gave a tree at an immutable revision.
After: objects in the order of the walk; what the dependency graph leaves free keeps it (TRE-32).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel

from rollwright.errors import RenderError
from rollwright.plugins import tree
from rollwright.plugins.contracts import RenderRequest
from rollwright.plugins.options import OPTIONS
from rollwright.renderers.helm import Helm
from rollwright.renderers.jinja.asking import ask
from rollwright.renderers.objects import Collector
from rollwright.rollouts.manifest import Manifest, ManifestSet, Origin, refuse_twins
from rollwright.rollouts.scope import is_namespaced
from rollwright.rollouts.spec import PositiveDuration

_PROGRAM = Path(__file__).with_name("child.py")


class Tree(BaseModel):
    """Walk a tree of folders: manifests, templates with ``{${ values }$}``, charts, scripts.

    Each folder may have a script ``.kubernator.py``, which sets values for itself and the folders
    below, registers plugins and chooses files and folders. Scripts are read, not run: what needs
    Python is refused, unless the site lists ``ScriptedTree``. The values of the rollout's
    ``config`` are values of ``ktor``, such as ``ktor.region``.

    ``*.yaml`` are manifests, rendered first; ``*.tmpl.yaml`` define and apply templates;
    ``*.helm.yaml`` name charts. What begins with a dot is left out.

    Attributes:
        path: Folder to begin with.
        timeout: How long it may take, where the usual minute is not enough.
    """

    model_config = OPTIONS
    asks_kubernetes: ClassVar[bool] = True
    asks_lookups: ClassVar[bool] = True
    runs_python: ClassVar[bool] = False

    path: str = "."
    timeout: PositiveDuration | None = None

    async def render(self, request: RenderRequest) -> ManifestSet:
        """Return the objects of the tree.

        Raises:
            RenderError: A template, script or chart cannot be rendered, or leads out of the tree.
            InvalidManifests: It holds something else than objects, or two of one name.
        """
        asked = await asyncio.to_thread(self._asked, request)
        limit: timedelta = self.timeout or request.timeout
        answer = await ask("tree", _PROGRAM, asked, limit)
        return await _joined(answer, request)

    def _asked(self, request: RenderRequest) -> dict[str, Any]:
        root = request.checkout.root.resolve()
        place = tree.inside(root, self.path)
        if not place.is_dir():
            raise RenderError(f"{self.path} is a file; a tree needs a folder")
        return {
            "root": str(root),
            "path": "." if place == root else tree.name_in(root, place),
            "values": request.values,
            "rollout": request.rollout,
            "namespace": request.namespace,
            "runsPython": self.runs_python,
        }


class ScriptedTree(Tree):
    """As ``tree``, and scripts are run as Python, in the child process.

    It is registered by no name of ours. A site that trusts the authors of its trees lists it, in a
    file of its own: ``[plugins.renderers] scripted = "tasks/scripted.py:ScriptedTree"``.
    """

    runs_python: ClassVar[bool] = True


async def _joined(answer: Mapping[str, Any], request: RenderRequest) -> ManifestSet:
    """Put the objects of the charts at their places."""
    collector, hooks, faults = Collector(), list[Manifest](), list[str]()
    notes = list[str]()
    inputs = set(answer["read"])
    placed: list[Manifest | None] = []
    charts: list[tuple[int, ManifestSet, Mapping[str, Any]]] = []
    for one in answer["added"]:
        if one["chart"] is None:
            origin = Origin(file=one["file"], line=one["line"])
            collector.add_object(one["body"], one["key"], origin, document=one["document"])
            placed.append(None)
            continue
        found = await Helm.model_validate(one["chart"]).render(replace(request, values={}))
        charts.append((len(placed), found, one))
        hooks += found.hooks
        faults += found.faults
        notes += found.notes
        inputs |= set(found.inputs)
    own = collector.finish(request.checkout.revision)
    manifests = list(own)
    for place, found, one in reversed(charts):
        manifests[place:place] = [_of_chart(manifest, one) for manifest in found]
    refuse_twins(manifests)
    return replace(
        own,
        manifests=tuple(manifests),
        hooks=tuple(hooks),
        faults=tuple(faults),
        notes=tuple(dict.fromkeys(notes)),
        inputs=tuple(sorted(inputs)),
    )


def _of_chart(manifest: Manifest, one: Mapping[str, Any]) -> Manifest:
    """Give an object of a chart a key of its own, and the namespace of its release (TRE-67)."""
    key = f"{one['key']}/{manifest.key}"
    if manifest.ref.namespace or not is_namespaced(manifest.ref.group, manifest.ref.kind):
        return replace(manifest, key=key)
    metadata = {**manifest.body["metadata"], "namespace": one["chart"]["namespace"]}
    return replace(manifest.with_body({**manifest.body, "metadata": metadata}), key=key)
