"""A folder or file on this machine, beside the document or anywhere else.

The revision is a digest of what is there, so that a plan, its approval and its rollout speak of
the same files.
"""

from __future__ import annotations

import asyncio
import pathlib
from hashlib import sha256

from pydantic import BaseModel

from rollwright.errors import RenderError, excerpt
from rollwright.plugins import tree
from rollwright.plugins.contracts import Checkout, FetchRequest
from rollwright.plugins.options import OPTIONS

MAX_FILES = 50_000
MAX_BYTES = 512 * 2**20


class Path(BaseModel):
    """Take files from this machine.

    Attributes:
        path: A folder or a file, relative to the document.
    """

    model_config = OPTIONS

    path: str

    async def fetch(self, request: FetchRequest) -> Checkout:
        """Return the folder and a digest of its names and contents.

        Raises:
            RenderError: There is nothing, a link leads out, it is too large, or another
                revision is asked for.
        """
        return await asyncio.to_thread(self._fetch, request)

    async def resolve(self, request: FetchRequest) -> str:
        """Return the revision that ``fetch`` would give: the digest is all there is to ask."""
        return (await self.fetch(request)).revision

    def _fetch(self, request: FetchRequest) -> Checkout:
        root = self._root(request.base)
        revision = f"path@sha256:{_digest(root)}"
        if request.revision not in {"", revision}:
            raise RenderError(
                f"{self.path} is at {revision}, not at {excerpt(request.revision)}",
                hint="a folder has no history; use a git source, or a kept revision",
            )
        return Checkout(root=root, revision=revision)

    def _root(self, base: pathlib.Path) -> pathlib.Path:
        try:
            return (base / pathlib.Path(self.path).expanduser()).resolve(strict=True)
        except (OSError, RuntimeError, ValueError) as error:
            raise RenderError(
                f"no such folder or file: {excerpt(self.path)!r}",
                hint=f"the path is relative to the document's folder, {base}",
            ) from error


def _digest(root: pathlib.Path) -> str:
    whole, count, size = sha256(), 0, 0
    for path in tree.files(root, root):
        content = tree.read(root, path)
        count, size = count + 1, size + len(content)
        if count > MAX_FILES or size > MAX_BYTES:
            raise RenderError(
                f"the source is too large: more than {MAX_FILES:,} files or {MAX_BYTES:,} bytes",
                hint="point the source to the folder of the manifests",
            )
        name = tree.name_in(root, path)
        whole.update(f"{len(name.encode())}:{name}\0".encode())
        whole.update(sha256(content).digest())
    for name, target in tree.links(root):
        if not any(part.startswith(".") for part in name.split("/")):
            whole.update(f"{len(name.encode())}:{name}\0{len(target.encode())}:{target}\0".encode())
    return whole.hexdigest()
