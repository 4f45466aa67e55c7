"""Objects against the schemas of their kinds: typing mistakes found without a cluster.

The server's dry run has the last word; what is said here is never wrong, but not everything
that is wrong is said here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from itertools import islice
from typing import Any

from pydantic import BaseModel, Field

from rollwright.errors import Problem
from rollwright.plugins.contracts import ValidateRequest
from rollwright.plugins.options import OPTIONS
from rollwright.rollouts.manifest import Manifest
from rollwright.validators.builtin_kinds import BuiltinKinds, builtin_kinds, is_stable
from rollwright.validators.custom_kinds import (
    CustomKind,
    compiled,
    custom_kinds,
    json_schema,
    with_defaults,
)
from rollwright.validators.findings import found_in

MAX_PROBLEMS_OF_OBJECT = 20

_Finding = tuple[str, str]


class Schema(BaseModel):
    """Check every object against the schema of its kind.

    Fields that a schema does not know are mistakes. Custom kinds are checked if their
    definition is in the same set; of others only ``metadata`` is.

    Attributes:
        version: Kubernetes version of the schemas, such as ``1.36``; the newest by default.
    """

    model_config = OPTIONS

    version: str = Field(default="", pattern=r"^(v?\d+\.\d+)?$")

    def validate(self, request: ValidateRequest) -> tuple[Problem, ...]:  # type: ignore[override]  # the port's name; pydantic's own is deprecated
        """Return every mistake.

        Raises:
            RenderError: The schemas of ``version`` are not installed.
        """
        builtin = builtin_kinds(self.version)
        return find_mistakes(request.manifests, builtin, custom_kinds(request.manifests))


def find_mistakes(
    manifests: Iterable[Manifest],
    builtin: BuiltinKinds,
    custom: Mapping[tuple[str, str], CustomKind],
) -> tuple[Problem, ...]:
    """Return every mistake of some objects, by the schemas of the kinds that are known."""
    look = _Look(builtin, custom)
    return tuple(problem for one in manifests for problem in look.at(one))


class _Look:
    """One look at a set: the kinds that it knows, each custom one compiled once."""

    def __init__(self, builtin: BuiltinKinds, custom: Mapping[tuple[str, str], CustomKind]) -> None:
        self._builtin, self._custom = builtin, custom
        self._compiled: dict[tuple[str, str], tuple[Any, Any]] = {}

    def at(self, manifest: Manifest) -> Iterator[Problem]:
        # Where an engine built many objects of one file, the file alone would say too little.
        where = (
            str(manifest.origin) if manifest.origin.line else f"{manifest.origin} {manifest.ref}"
        )
        for path, message in islice(self._findings(manifest), MAX_PROBLEMS_OF_OBJECT):
            yield Problem(where=where, path=path, message=message)

    def _findings(self, manifest: Manifest) -> Iterator[_Finding]:
        custom = self._custom.get((manifest.ref.group, manifest.ref.kind))
        builtin = self._builtin.find(manifest.api_version, manifest.ref.kind)
        if custom:
            yield from self._metadata(manifest)
            yield from self._of_custom(manifest, custom)
        elif builtin:
            yield from self._of_builtin(builtin, manifest.body, manifest)
        else:
            yield from self._metadata(manifest)
            yield from self._of_unknown(manifest)

    def _of_builtin(self, validator: Any, value: Any, manifest: Manifest) -> Iterator[_Finding]:
        is_secret = manifest.ref.group_kind == ("", "Secret")
        for error in validator.iter_errors(value):
            yield from found_in(error, value, self._builtin.document, is_secret=is_secret)

    def _metadata(self, manifest: Manifest) -> Iterator[_Finding]:
        validator = self._builtin.metadata()
        for path, message in self._of_builtin(validator, manifest.body["metadata"], manifest):
            yield f"metadata.{path}" if path else "metadata", message

    def _of_custom(self, manifest: Manifest, custom: CustomKind) -> Iterator[_Finding]:
        version = manifest.api_version.rpartition("/")[2]
        if version not in custom.schemas:
            served = ", ".join(custom.schemas) or "none"
            yield "apiVersion", f"{custom.origin} does not serve {version!r}; served: {served}"
            return
        declared = custom.schemas[version]
        if declared is None:
            return
        key = (manifest.api_version, manifest.ref.kind)
        if key not in self._compiled:
            schema = json_schema(declared)
            self._compiled[key] = compiled(schema), schema
        validator, schema = self._compiled[key]
        body = with_defaults(manifest.body, declared)
        for error in validator.iter_errors(body) if validator else ():
            yield from found_in(error, body, schema, is_secret=False)

    def _of_unknown(self, manifest: Manifest) -> Iterator[_Finding]:
        kinds = self._builtin.kinds_of(manifest.api_version)
        if kinds and is_stable(manifest.api_version):
            close = get_close_matches(manifest.ref.kind, kinds, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            yield "kind", f"{manifest.api_version} has no kind {manifest.ref.kind!r}{hint}"
