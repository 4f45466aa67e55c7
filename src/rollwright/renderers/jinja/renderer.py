"""Templates of manifests, each a file of the source (RE-17).

Before: ``fetch`` gave a tree at an immutable revision.
After: objects whose origin is the line of their template.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field

from rollwright.errors import RenderError, excerpt
from rollwright.plugins import tree
from rollwright.plugins.contracts import RenderRequest
from rollwright.plugins.options import OPTIONS
from rollwright.renderers.globs import is_any, is_match, matching
from rollwright.renderers.jinja.asking import ask
from rollwright.renderers.jinja.output import manifests_of
from rollwright.renderers.secret_values import secret_texts
from rollwright.rollouts.manifest import ManifestSet
from rollwright.rollouts.spec import PositiveDuration

_PROGRAM = Path(__file__).with_name("child.py")
_DEFAULT = tuple(
    f"**/*.{kind}{suffix}" for kind in ("yaml", "yml", "json") for suffix in ("", ".j2", ".jinja")
)


def _read_pair(pair: tuple[str, str]) -> tuple[str, str]:
    if not all(one.strip() == one and one for one in pair) or pair[0] == pair[1]:
        raise ValueError("expected two different texts without spaces around them")
    return pair


Pair = Annotated[tuple[str, str], AfterValidator(_read_pair)]


class Delimiters(BaseModel):
    """What surrounds variables, blocks and comments."""

    model_config = OPTIONS

    variable: Pair = ("{{", "}}")
    block: Pair = ("{%", "%}")
    comment: Pair = ("{#", "#}")


class Jinja(BaseModel):
    """Render Jinja templates of the source, and read what they give as manifests.

    Templates see the values of the rollout's ``config`` by their names and as ``values``, and
    ``rollout`` and ``namespace``. What is undefined is an error; ``default`` and ``is defined``
    are there for what may be missing. Texts and numbers are printed as they are, everything else
    as JSON. Includes, imports and parents lie in the source: below its root, or beside the
    template. The filters are Jinja's and ``to_json``, ``to_yaml``, ``to_yaml_str``,
    ``to_json_yaml_str``, ``to_yaml_str_block``, ``to_json_yaml_str_block``.

    A file ``*.tmpl.yaml`` is no template itself: its ``define`` gives templates names and
    defaults, its ``apply`` renders them with ``values``.

    Attributes:
        files: Globs of the templates; ``*`` stays in a folder, ``**`` does not. Files whose name
            begins with ``_`` or a dot are never rendered on their own.
        exclude: Globs of files to leave out.
        delimiters: What surrounds variables, blocks and comments.
        trim_blocks: Whether the line break after a block is left out.
        lstrip_blocks: Whether spaces before a block are left out.
        timeout: How long it may take, where the usual minute is not enough.
    """

    model_config = OPTIONS

    files: tuple[str, ...] = Field(default=_DEFAULT, min_length=1)
    exclude: tuple[str, ...] = ()
    delimiters: Delimiters = Delimiters()
    trim_blocks: bool = False
    lstrip_blocks: bool = False
    timeout: PositiveDuration | None = None

    async def render(self, request: RenderRequest) -> ManifestSet:
        """Return the objects of all templates.

        Raises:
            RenderError: A template cannot be rendered, or something leads out of the source.
            InvalidDocument: What one renders is not YAML or JSON as Kubernetes reads it.
            InvalidManifests: Templates render something else than objects, or an object twice.
        """
        asked = await asyncio.to_thread(self._asked, request)
        limit: timedelta = self.timeout or request.timeout
        answer = await ask("jinja", _PROGRAM, asked, limit)
        hidden = tuple(secret_texts(request.values))
        return await asyncio.to_thread(manifests_of, answer, request.checkout.revision, hidden)

    def _asked(self, request: RenderRequest) -> dict[str, Any]:
        root = request.checkout.root.resolve()
        return {
            "root": str(root),
            "files": list(self._files(root)),
            "values": request.values,
            "rollout": request.rollout,
            "namespace": request.namespace,
            "syntax": {
                **self.delimiters.model_dump(by_alias=True),
                "trimBlocks": self.trim_blocks,
                "lstripBlocks": self.lstrip_blocks,
            },
        }

    def _files(self, root: Path) -> tuple[str, ...]:
        """Return the templates, each once, in the order of their paths."""
        names = [tree.name_in(root, one) for one in matching(root, "**")]
        found = tuple(
            one
            for one in names
            if is_any(one, self.files)
            and not is_any(one, self.exclude)
            and not one.rpartition("/")[2].startswith("_")
        )
        for glob in self.files:
            is_plain = not any(mark in glob for mark in "*?[")
            if is_plain and not any(is_match(one, glob) for one in found):
                tree.inside(root, glob)
                raise RenderError(f"{excerpt(glob)!r} is no template of the source")
        return found
