"""Files that hold objects as they are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from time import monotonic

from pydantic import BaseModel

from rollwright.errors import RenderError
from rollwright.plugins import tree
from rollwright.plugins.contracts import RenderRequest
from rollwright.plugins.options import OPTIONS
from rollwright.plugins.sops_manifests import decrypted_manifests
from rollwright.renderers.objects import EXCLUDE, Collector
from rollwright.rollouts.manifest import ManifestSet

MAX_BYTES = 64 * 2**20
SUFFIXES = (".yaml", ".yml", ".json")
SKIP_MARK = b"+argocd:skip-file-rendering"


class Plain(BaseModel):
    """Read YAML and JSON files, sorted by path.

    An object's key is the path of its file; a second object of the same file has the key
    ``path#2``, a third ``path#3``. Rollout documents, kustomizations and hidden files are left
    out.

    Attributes:
        paths: Files and folders of the source, in this order. A file that is named here may
            have any suffix.
        exclude: Globs of paths, file names or folders to leave out; ``*`` crosses ``/``.
        recurse: Whether folders in folders count.
    """

    model_config = OPTIONS

    paths: tuple[str, ...] = (".",)
    exclude: tuple[str, ...] = ()
    recurse: bool = True

    async def render(self, request: RenderRequest) -> ManifestSet:
        """Return the objects of all files.

        Raises:
            RenderError: A path is not in the source, a link leads out of it, or it is too much.
            InvalidDocument: One file is not YAML or JSON as Kubernetes reads it.
            InvalidManifests: Files hold something else than objects, or an object twice.
        """
        return await asyncio.to_thread(self._render, request)

    def _render(self, request: RenderRequest) -> ManifestSet:
        root, collector, size = request.checkout.root, Collector(hint=EXCLUDE), 0
        deadline = monotonic() + request.timeout.total_seconds()
        for path in self._files(root):
            content = tree.read(root, path)
            size += len(content)
            if size > MAX_BYTES:
                raise RenderError(f"the source is too large: more than {MAX_BYTES:,} bytes")
            if monotonic() > deadline:
                raise RenderError(f"reading the source took more than {request.timeout}")
            if SKIP_MARK not in content:
                name = tree.name_in(root, path)
                collector.add(decrypted_manifests(content, name), name)
        return collector.finish(request.checkout.revision)

    def _files(self, root: Path) -> Iterator[Path]:
        seen = set()
        for one in self.paths:
            start = tree.inside(root, one)
            for path in tree.files(root, start, recurse=self.recurse):
                is_meant = path == start or path.name.endswith(SUFFIXES)
                if is_meant and path not in seen and not self._excludes(tree.name_in(root, path)):
                    seen.add(path)
                    yield path

    def _excludes(self, name: str) -> bool:
        last = name.rpartition("/")[2]
        return any(
            fnmatchcase(name, glob)
            or fnmatchcase(last, glob)
            or fnmatchcase(name, f"{glob.rstrip('/')}/*")
            for glob in self.exclude
        )
