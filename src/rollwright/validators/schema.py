"""Objects against the schemas of their kinds: typing mistakes found without a cluster.

The server's dry run has the last word; what is said here is never wrong, but not everything
that is wrong is said here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from itertools import islice
from typing import Any, ClassVar

from pydantic import BaseModel, Field

from rollwright.documents import path_text
from rollwright.errors import Problem
from rollwright.plugins.contracts import ValidateRequest
from rollwright.plugins.kube_schemas import installed_or_newest
from rollwright.plugins.options import OPTIONS
from rollwright.rollouts.manifest import Manifest
from rollwright.validators import lists
from rollwright.validators.builtin_kinds import BuiltinKinds, builtin_kinds, is_stable
from rollwright.validators.custom_kinds import (
    CustomKind,
    compiled,
    custom_kinds,
    json_schema,
    with_defaults,
)
from rollwright.validators.findings import found_in, place_of
from rollwright.validators.rules import Rules

MAX_PROBLEMS_OF_OBJECT = 20

_Finding = tuple[str, str]


class Schema(BaseModel):
    """Check every object against the schema of its kind.

    Fields that a schema does not know are mistakes, and so is what stands twice in a list whose
    items are unique. Custom kinds are checked by their definition, in the set or else in the
    cluster, with its CEL rules; of a kind whose definition is nowhere only ``metadata`` is.

    Attributes:
        version: Kubernetes version of the schemas, such as ``1.36``; by default the target's, or
            the newest one if nobody was asked.
    """

    model_config = OPTIONS
    asks_kubernetes: ClassVar[bool] = True
    asks_definitions: ClassVar[bool] = True

    version: str = Field(default="", pattern=r"^(v?\d+\.\d+)?$")

    def validate(self, request: ValidateRequest) -> tuple[Problem, ...]:  # type: ignore[override]  # the port's name; pydantic's own is deprecated
        """Return every mistake.

        Raises:
            RenderError: The schemas of ``version`` are not installed.
        """
        builtin = builtin_kinds(self.version or installed_or_newest(request.kubernetes.version))
        known = {**custom_kinds(request.definitions), **custom_kinds(request.manifests)}
        return find_mistakes(request.manifests, builtin, known, with_rules=True)


def find_mistakes(
    manifests: Iterable[Manifest],
    builtin: BuiltinKinds,
    custom: Mapping[tuple[str, str], CustomKind],
    *,
    with_rules: bool = False,
) -> tuple[Problem, ...]:
    """Return every mistake of some objects, by the schemas of the kinds that are known.

    Args:
        manifests: The objects.
        builtin: Schemas of Kubernetes' own kinds.
        custom: Definitions of others.
        with_rules: Whether CEL rules are evaluated, which another process does.
    """
    look = _Look(builtin, custom)
    found = [(one, list(look.at(one))) for one in manifests]
    for owner, path, message in look.broken_rules() if with_rules else ():
        found[owner][1].append((path, message))
    return tuple(
        Problem(where=place_of(one), path=path, message=message)
        for one, findings in found
        for path, message in islice(findings, MAX_PROBLEMS_OF_OBJECT)
    )


class _Custom:
    """One version of a custom kind, made ready once."""

    def __init__(self, declared: Mapping[str, Any]) -> None:
        self.declared = declared
        self.schema = json_schema(declared)
        self.validator = compiled(self.schema)
        self.lists = lists.Places().of(declared)
        self.rules = Rules(declared)


class _Look:
    """One look at a set: the kinds that it knows, each custom one made ready once."""

    def __init__(self, builtin: BuiltinKinds, custom: Mapping[tuple[str, str], CustomKind]) -> None:
        self._builtin, self._custom = builtin, custom
        self._ready: dict[tuple[str, str], _Custom] = {}
        self._count = -1

    def at(self, manifest: Manifest) -> Iterator[_Finding]:
        """Yield the mistakes of the next object; what its rules say comes later."""
        self._count += 1
        custom = self._custom.get((manifest.ref.group, manifest.ref.kind))
        builtin = self._builtin.find(manifest.api_version, manifest.ref.kind)
        if custom:
            yield from self._metadata(manifest)
            yield from self._of_custom(manifest, custom)
        elif builtin:
            found = list(self._of_builtin(builtin, manifest.body, manifest))
            places = self._builtin.lists(manifest.api_version, manifest.ref.kind)
            yield from (*found, *_in_lists(manifest.body, places, found))
        else:
            yield from self._metadata(manifest)
            yield from self._of_unknown(manifest)

    def broken_rules(self) -> Iterator[tuple[int, str, str]]:
        """Yield number of the object, place and sentence of every rule that is broken."""
        for one in self._ready.values():
            for owner, path, message in one.rules.broken():
                yield owner, path_text(path), message

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
        if key not in self._ready:
            self._ready[key] = _Custom(declared)
        yield from self._by(self._ready[key], manifest)

    def _by(self, kind: _Custom, manifest: Manifest) -> Iterator[_Finding]:
        body = with_defaults(manifest.body, kind.declared)
        errors = kind.validator.iter_errors(body) if kind.validator else ()
        found = [
            one for error in errors for one in found_in(error, body, kind.schema, is_secret=False)
        ]
        found += _in_lists(body, kind.lists, found)
        if not found:  # the server, too, looks at rules only then
            kind.rules.look(self._count, body)
        yield from found

    def _of_unknown(self, manifest: Manifest) -> Iterator[_Finding]:
        kinds = self._builtin.kinds_of(manifest.api_version)
        if kinds and is_stable(manifest.api_version):
            close = get_close_matches(manifest.ref.kind, kinds, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            yield "kind", f"{manifest.api_version} has no kind {manifest.ref.kind!r}{hint}"


def _in_lists(body: Any, place: lists.Place | None, told: list[_Finding]) -> list[_Finding]:
    """Return what is wrong with lists whose items are unique, unless it was told already."""
    known = {path for path, _ in told}
    found = ((path_text(path), message) for path, message in lists.find(body, place))
    return [one for one in found if one[0] not in known]
