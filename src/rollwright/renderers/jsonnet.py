"""Jsonnet, evaluated in a child process that reads nothing but the source.

Before: ``fetch`` gave a tree at an immutable revision.
After: objects, and the rollout of the older format that may come with them (DOC-41).
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, Field

from rollwright.documents import Limits, load_all
from rollwright.errors import RenderError, excerpt
from rollwright.plugins import tree
from rollwright.plugins.contracts import RenderRequest
from rollwright.plugins.options import OPTIONS
from rollwright.renderers import child
from rollwright.renderers.jsonnet_output import manifests_of
from rollwright.renderers.quotes import without_secrets
from rollwright.rollouts.manifest import ManifestSet
from rollwright.rollouts.spec import Duration
from rollwright.rollouts.spec.secrets import is_secret_name

VENDOR = "vendor"
VALUES = "values"
_PROGRAM = Path(__file__).with_name("jsonnet_child.py")

_TRACE = re.compile(r"^\t(?!std\.jsonnet:)([^\t\n]+?):\(?(\d+):\d+", re.MULTILINE)
_STATIC = re.compile(r"^STATIC ERROR: (.+?):\(?(\d+):\d+\S*: (.*)", re.DOTALL)
_PREFIX = "RUNTIME ERROR: "


class Jsonnet(BaseModel):
    """Evaluate a jsonnet file of the source.

    It yields ``{objects, rollout}`` with a Rollout of the older format, a map of keys to objects
    (maps in it are flattened to ``outer/inner``), a list of objects, or one object. An object of
    a map has its key; of a list its identity, such as ``Deployment/shop/web``.

    The values of the rollout's ``config`` are ``std.extVar('values')``, and the raw configuration
    of ``import 'generic-operator/config'``. Imports are looked for beside the importing file,
    then in ``jpaths``; all of them lie in the source.

    Attributes:
        entrypoint: File to evaluate.
        jpaths: Folders of libraries, in this order.
        ext_str: External variables that are text.
        ext_code: External variables that are jsonnet.
        tla_str: Arguments of a top-level function that are text.
        tla_code: Arguments of a top-level function that are jsonnet.
        max_stack: How deep calls may be nested.
        timeout: How long an evaluation may take, where the usual minute is not enough.
    """

    model_config = OPTIONS

    entrypoint: str = "main.jsonnet"
    jpaths: tuple[str, ...] = (VENDOR,)
    ext_str: Mapping[str, str] = Field(default={})
    ext_code: Mapping[str, str] = Field(default={})
    tla_str: Mapping[str, str] = Field(default={})
    tla_code: Mapping[str, str] = Field(default={})
    max_stack: int = Field(default=500, ge=10, le=20_000)
    timeout: Duration | None = None

    async def render(self, request: RenderRequest) -> ManifestSet:
        """Return the objects that the file yields.

        Raises:
            RenderError: The file cannot be evaluated, or something leads out of the source.
            InvalidManifests: What it yields are no objects.
        """
        root = request.checkout.root
        asked = await asyncio.to_thread(self._asked, root, request.values)
        answer = await _answer(asked, self.timeout or request.timeout)
        if "error" in answer:
            hidden = tuple(_secret_texts([request.values, *_texts(asked)]))
            raise await asyncio.to_thread(_failed, answer["error"], root, hidden)
        return await asyncio.to_thread(self._manifests, answer, request)

    def _asked(self, root: Path, values: Mapping[str, Any]) -> dict[str, Any]:
        entrypoint = tree.inside(root, self.entrypoint)
        config = orjson.dumps(values).decode()
        given = {VALUES: config} if VALUES not in {*self.ext_str, *self.ext_code} else {}
        return {
            "root": str(root.resolve()),
            "entrypoint": tree.name_in(root, entrypoint),
            "jpaths": [tree.name_in(root, one) or "." for one in self._folders(root)],
            "config": config,
            "extStr": dict(self.ext_str),
            "extCode": {**given, **self.ext_code},
            "tlaStr": dict(self.tla_str),
            "tlaCode": dict(self.tla_code),
            "maxStack": self.max_stack,
        }

    def _folders(self, root: Path) -> Iterator[Path]:
        for jpath in self.jpaths:
            # The default may be missing; whoever names a folder wants to know that it is.
            if jpath != VENDOR or (root / jpath).exists():
                yield tree.inside(root, jpath)

    def _manifests(self, answer: Mapping[str, Any], request: RenderRequest) -> ManifestSet:
        name = f"{self.entrypoint}.json"
        documents = load_all(answer["output"], name=name, limits=Limits(size=child.MAX_OUTPUT))
        value = documents[0].value if documents else None  # null
        found = manifests_of(value, self.entrypoint, request.checkout.revision)
        return replace(found, inputs=tuple(answer["read"]))


async def _answer(asked: Mapping[str, Any], limit: timedelta) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="rollwright-jsonnet-") as folder:
        # NB: a file, as the values may hold secrets and everybody sees arguments.
        file = Path(folder) / "request.json"
        await asyncio.to_thread(file.write_bytes, orjson.dumps(asked))
        output = await child.run(
            child.Child(
                name="jsonnet",
                command=(sys.executable, "-I", str(_PROGRAM), str(file)),
                timeout=limit,
                root=Path(asked["root"]),
            )
        )
    answer: dict[str, Any] = orjson.loads(output)
    return answer


def _texts(asked: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Return the variables and arguments of a request."""
    return tuple(asked[kind] for kind in ("extStr", "extCode", "tlaStr", "tlaCode"))


def _failed(complaint: str, root: Path, hidden: tuple[str, ...]) -> RenderError:
    """Make the error of a complaint: ``file:line: what``, without the values of secrets."""
    text = _explained(complaint)
    for value in sorted(hidden, key=len, reverse=True):
        text = text.replace(value, "***")
    return RenderError(f"jsonnet failed: {excerpt(without_secrets(text, root))}")


def _explained(complaint: str) -> str:
    if found := _STATIC.match(complaint):
        return f"{found[1]}:{found[2]}: {found[3]}"
    # What a program says with `error` may have several lines; the trace comes after them.
    message, _, trace = complaint.removeprefix(_PREFIX).partition("\n\t")
    place = _TRACE.search(f"\t{trace}")
    return f"{place[1]}:{place[2]}: {message}" if place else message


def _secret_texts(value: Any) -> Iterator[str]:
    """Yield the texts that stand under a name that means a secret."""
    if isinstance(value, list):
        for inner in value:
            yield from _secret_texts(inner)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if is_secret_name(str(key)) and isinstance(inner, str) and inner:
                yield inner
            yield from _secret_texts(inner)
