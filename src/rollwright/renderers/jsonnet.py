"""Jsonnet, evaluated in a child process that reads nothing but the source.

Before: ``fetch`` gave a tree at an immutable revision.
After: objects, and the rollout of the older format that may come with them (DOC-41).
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import BaseModel, Field

from rollwright.documents import Limits, load_all
from rollwright.errors import RenderError, excerpt
from rollwright.plugins import tree
from rollwright.plugins.contracts import RenderRequest
from rollwright.plugins.options import OPTIONS
from rollwright.renderers import child
from rollwright.renderers.globs import matching
from rollwright.renderers.jsonnet_libraries import VENDOR, Libraries, libraries_of
from rollwright.renderers.jsonnet_output import Output, manifests_of
from rollwright.renderers.jsonnet_trace import explained
from rollwright.renderers.quotes import without_secrets
from rollwright.renderers.secret_values import secret_texts, without
from rollwright.rollouts.manifest import ManifestSet
from rollwright.rollouts.spec import PositiveDuration

VALUES = "values"
SUFFIX = ".jsonnet"
ENGINES: Mapping[str, str] = {
    "gojsonnet": "_gojsonnet",
    "jsonnet": "_jsonnet",
    "rjsonnet": "rjsonnet",
}
"""The engines, with the module that holds each."""

_PROGRAM = Path(__file__).with_name("jsonnet_child.py")


class Jsonnet(BaseModel):
    """Evaluate jsonnet files of the source.

    A file yields ``{objects, rollout}`` with a Rollout of the older format, a map of keys to
    objects (maps in it are flattened to ``outer/inner``), a list of objects, or one object. An
    object of a map has its key; of a list its identity, such as ``Deployment/shop/web``. Where
    several files are evaluated, keys begin with the file: ``web.jsonnet`` gives ``web/service``.

    The values of the rollout's ``config`` are ``std.extVar('values')``, and the raw configuration
    of ``import 'rollwright/config'``; what a trigger watches or queries is
    ``import 'rollwright-runtime/NAME'``. Imports are looked for beside the importing file, then
    in ``jpaths``; all of them lie in the source.

    Attributes:
        entrypoint: File to evaluate; a folder stands for its ``*.jsonnet``, a glob for what it
            matches, where ``*`` stays in a folder and ``**`` does not.
        engine: What evaluates: ``gojsonnet``; ``jsonnet``, which is in C++; ``rjsonnet``, which
            is the fastest, and must be installed.
        jpaths: Folders of libraries, in this order; by default each ``vendor`` beside the
            entrypoint or above it.
        ext_str: External variables that are text.
        ext_code: External variables that are jsonnet.
        tla_str: Arguments of a top-level function that are text.
        tla_code: Arguments of a top-level function that are jsonnet.
        max_stack: How deep calls may be nested.
        timeout: How long an evaluation may take, where the usual minute is not enough.
    """

    model_config = OPTIONS

    entrypoint: str = "main.jsonnet"
    engine: Literal["gojsonnet", "jsonnet", "rjsonnet"] = "gojsonnet"
    jpaths: tuple[str, ...] | None = None
    ext_str: Mapping[str, str] = Field(default={})
    ext_code: Mapping[str, str] = Field(default={})
    tla_str: Mapping[str, str] = Field(default={})
    tla_code: Mapping[str, str] = Field(default={})
    max_stack: int = Field(default=500, ge=10, le=20_000)
    timeout: PositiveDuration | None = None

    async def render(self, request: RenderRequest) -> ManifestSet:
        """Return the objects that the files yield.

        Raises:
            RenderError: A file cannot be evaluated, something leads out of the source, or the
                engine is not installed.
            InvalidManifests: What it yields are no objects.
        """
        root = request.checkout.root
        asked = await asyncio.to_thread(self._asked, request)
        answer = await _answer(asked, self.timeout or request.timeout)
        if "error" in answer:
            hidden = tuple(secret_texts([request.values, *_texts(asked)]))
            raise await asyncio.to_thread(_failed, answer, root, hidden)
        return await asyncio.to_thread(self._manifests, answer, request)

    def _asked(self, request: RenderRequest) -> dict[str, Any]:
        root = request.checkout.root
        _refuse_missing(self.engine)
        files = self._files(root)
        config = orjson.dumps(request.values).decode()
        given = {VALUES: config} if VALUES not in {*self.ext_str, *self.ext_code} else {}
        libraries = self._libraries(root, files[0].parent)
        return {
            "root": str(root.resolve()),
            "module": ENGINES[self.engine],
            "entrypoints": [tree.name_in(root, one) for one in files],
            "jpaths": list(libraries.folders),
            "aliases": dict(libraries.aliases),
            "config": config,
            "data": {name: orjson.dumps(one).decode() for name, one in request.data.items()},
            "extStr": dict(self.ext_str),
            "extCode": {**given, **self.ext_code},
            "tlaStr": dict(self.tla_str),
            "tlaCode": dict(self.tla_code),
            "maxStack": self.max_stack,
        }

    def _files(self, root: Path) -> tuple[Path, ...]:
        """Return the files to evaluate; vendored ones are none (RE-16)."""
        if not self._is_several(root):
            return (tree.inside(root, self.entrypoint),)
        found = matching(root, self._glob(root))
        own = tuple(one for one in found if VENDOR not in tree.name_in(root, one).split("/"))
        if not own:
            raise RenderError(f"{excerpt(self.entrypoint)!r}: no jsonnet file in the source")
        return own

    def _is_several(self, root: Path) -> bool:
        is_glob = any(mark in self.entrypoint for mark in "*?[")
        return is_glob or tree.inside(root, self.entrypoint).is_dir()

    def _glob(self, root: Path) -> str:
        if any(mark in self.entrypoint for mark in "*?["):
            return self.entrypoint
        place = tree.inside(root, self.entrypoint)
        is_root = place == root.resolve()
        return f"*{SUFFIX}" if is_root else f"{tree.name_in(root, place)}/*{SUFFIX}"

    def _libraries(self, root: Path, folder: Path) -> Libraries:
        if self.jpaths is None:
            return libraries_of(root, folder)
        places = [tree.inside(root, one) for one in self.jpaths]
        names = ["." if one == root.resolve() else tree.name_in(root, one) for one in places]
        has_vendor = any(one.name == VENDOR for one in places)
        found = libraries_of(root, folder).aliases if has_vendor else {}
        return Libraries(folders=tuple(names), aliases=found)

    def _manifests(self, answer: Mapping[str, Any], request: RenderRequest) -> ManifestSet:
        is_several = self._is_several(request.checkout.root)
        outputs = [_output(file, text, is_several) for file, text in answer["outputs"]]
        found = manifests_of(outputs, request.checkout.revision)
        return replace(found, inputs=tuple(answer["read"]))


def _refuse_missing(engine: str) -> None:
    if find_spec(ENGINES[engine]) is None:
        raise RenderError(
            f"the jsonnet engine {engine!r} is not installed",
            hint=f"pip install 'rollwright[{engine}]', or choose another engine",
        )


def _output(file: str, text: str, is_several: bool) -> Output:  # noqa: FBT001  (one of a table)
    limits = Limits(size=child.MAX_OUTPUT)
    documents = load_all(text, name=f"{file}.json", limits=limits)
    prefix = file.removesuffix(SUFFIX) if is_several else ""
    return Output(file=file, value=documents[0].value if documents else None, prefix=prefix)


async def _answer(asked: Mapping[str, Any], limit: timedelta) -> dict[str, Any]:
    files = asked["entrypoints"]
    about = files[0] if len(files) == 1 else f"{files[0]} to {files[-1]}"
    with tempfile.TemporaryDirectory(prefix="rollwright-jsonnet-") as folder:
        # NB: a file, as the values may hold secrets and everybody sees arguments.
        file = Path(folder) / "request.json"
        await asyncio.to_thread(file.write_bytes, orjson.dumps(asked))
        output = await child.run(
            child.Child(
                name=f"jsonnet {about}",
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


def _failed(answer: Mapping[str, Any], root: Path, hidden: tuple[str, ...]) -> RenderError:
    """Make the error of a complaint: ``file:line: what``, without the values of secrets."""
    complaint, file = str(answer["error"]), str(answer.get("file", ""))
    is_placed = bool(answer.get("isPlaced"))
    text = complaint if is_placed else explained(complaint, file, answer.get("read", ()))
    text = without_secrets(without(text, hidden), root)
    return RenderError(f"jsonnet failed: {excerpt(text)}")
