"""Values in the source that two readers of YAML take for two things."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import BaseModel

from rollwright.documents import ambiguities
from rollwright.errors import InvalidDocument, Problem, RenderError
from rollwright.plugins import tree
from rollwright.plugins.contracts import ValidateRequest
from rollwright.plugins.options import OPTIONS

_SUFFIXES = (".yaml", ".yml")


class Ambiguous(BaseModel):
    """Find plain values such as ``yes``, ``0777`` or ``1e3`` that readers dispute.

    The YAML files that objects were written in are looked at, and whatever else the renderer
    says that it read; a file with ``{{`` is a template, and no YAML yet.

    Attributes:
        severity: Whether such a value stops a rollout.
    """

    model_config = OPTIONS
    reads_source: ClassVar[bool] = True

    severity: Literal["warning", "error"] = "warning"

    def validate(self, request: ValidateRequest) -> tuple[Problem, ...]:  # type: ignore[override]  # the port's name; pydantic's own is deprecated
        """Return every disputed value, with its file and line."""
        is_warning = self.severity == "warning"
        return tuple(
            Problem(where=one.where, path=one.path, message=one.message, is_warning=is_warning)
            for name, text in _texts(request)
            for one in _disputed(name, text)
        )


def _texts(request: ValidateRequest) -> Iterator[tuple[str, bytes]]:
    written = {one.origin.file for one in request.manifests} | set(request.manifests.inputs)
    if request.checkout is None:
        return
    root = request.checkout.root
    for name in sorted(written):
        if name.endswith(_SUFFIXES):
            try:
                place = root if root.is_file() else tree.inside(root, name)
                text = tree.read(root, place)
            except RenderError:
                continue  # an engine's name for what it built, and no file
            if b"{{" not in text:
                yield name, text


def _disputed(name: str, text: bytes) -> tuple[Problem, ...]:
    try:
        return ambiguities(text, name=name)
    except InvalidDocument:
        return ()  # whoever needs the file says it
