"""The objects of a tree, in the order in which they were added, and what may change them.

Before: folders, templates and scripts gave manifests. After: ``renderer`` makes the set.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from rollwright.errors import InvalidManifests, Problem, RolloutError
from rollwright.renderers.jinja.output import PageCollector
from rollwright.renderers.jinja.pages import TemplateFailure
from rollwright.rollouts.body import flatten
from rollwright.rollouts.manifest import Manifest, ObjectRef, Origin, group_of, ref_of

PROJECT = "kubernator.io/project"

Transformer: TypeAlias = Callable[[list["Resource"], "Resource"], "Resource | None"]
Patcher: TypeAlias = Callable[[Any, str], Any]
Filter: TypeAlias = Callable[["Resource"], bool]
Validator: TypeAlias = Callable[..., Iterable[Exception]]


@dataclass(slots=True)
class Resource:
    """An object, as the functions of a script see it."""

    manifest: dict[str, Any]
    source: str
    project: str = ""
    first_ref: ObjectRef = field(init=False)

    def __post_init__(self) -> None:
        self.first_ref = self.ref

    @property
    def ref(self) -> ObjectRef:
        """Its identity, as it is now."""
        return ref_of(self.manifest)

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Group, kind, name and namespace."""
        ref = self.ref
        return ref.group, ref.kind, ref.name, ref.namespace

    @property
    def api_version(self) -> str:
        """Group and version."""
        return str(self.manifest["apiVersion"])

    @property
    def group(self) -> str:
        """Its group; empty for the core API."""
        return group_of(self.api_version)

    @property
    def version(self) -> str:
        """Its version without the group."""
        return self.api_version.rpartition("/")[2]

    @property
    def kind(self) -> str:
        """Its kind."""
        return self.ref.kind

    @property
    def name(self) -> str:
        """Its name."""
        return self.ref.name

    @name.setter
    def name(self, name: str) -> None:
        self._metadata["name"] = name

    @property
    def namespace(self) -> str | None:
        """Its namespace, if it names one."""
        return self.ref.namespace or None

    @namespace.setter
    def namespace(self, namespace: str) -> None:
        self._metadata["namespace"] = namespace

    @property
    def is_crd(self) -> bool:
        """Whether it defines a kind."""
        return (self.group, self.kind) == ("apiextensions.k8s.io", "CustomResourceDefinition")

    def __str__(self) -> str:
        return str(self.ref)

    @property
    def _metadata(self) -> dict[str, Any]:
        metadata: dict[str, Any] = self.manifest.setdefault("metadata", {})
        return metadata


@dataclass(slots=True)
class Hooks:
    """What the scripts of a tree registered; the last registered runs first (TRE-29)."""

    patchers: list[Patcher] = field(default_factory=list)
    transformers: list[Transformer] = field(default_factory=list)
    validators: list[Validator] = field(default_factory=list)
    filters: list[Filter] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """One object of the tree, or a chart that stands in its place in the order."""

    key: str
    origin: Origin
    document: str = ""
    resource: Resource | None = None
    chart: Mapping[str, Any] | None = None


class Resources(PageCollector):
    """Takes the objects of a tree."""

    def __init__(self, hidden: tuple[str, ...] = ()) -> None:
        super().__init__(hidden)
        self.hooks = Hooks()
        self.project: Callable[[], str] = lambda: ""
        self.added: list[Added] = []
        self._by_ref: dict[ObjectRef, Added] = {}
        self._counts: dict[str, int] = {}

    @property
    def resources(self) -> list[Resource]:
        """The objects so far."""
        return [one.resource for one in self.added if one.resource is not None]

    def take(self, text: str, file: str) -> None:
        """Take what a file holds as it is."""
        lines = [(file, line) for line in range(1, text.count("\n") + 2)]
        self.add_page({"key": file, "file": file, "text": text, "lines": lines})

    def take_text(self, text: str, source: str) -> None:
        """Take objects that a script wrote as text."""
        self.add_page({"key": self._key(source), "file": source, "text": text, "lines": None})

    def take_value(self, value: Any, source: str) -> None:
        """Take objects that a script holds as values."""
        for _, body in flatten(value):
            self.add_object(body, self._key(source), Origin(file=source))

    def take_chart(self, chart: Mapping[str, Any], file: str, line: int) -> None:
        """Take a chart, to be rendered by whoever reads the answer."""
        self.added.append(Added(key=file, origin=Origin(file=file, line=line), chart=chart))

    def add_object(
        self, body: Any, key: str, origin: Origin, *, document: str = "", place: str = ""
    ) -> None:
        """Take one object, changed by what scripts registered (TRE-26)."""
        given = self._patched(copy.deepcopy(body), origin)
        count = len(self._manifests)
        super().add_object(given, key, origin, document=document, place=place)
        if len(self._manifests) > count:
            self._wrap(self._manifests[-1])

    def finished(self) -> list[Added]:
        """Return what was added, in its order.

        Raises:
            InvalidManifests: Pages held something else than objects; all problems.
            TemplateFailure: A validator found something.
        """
        error = self._error()
        if error is not None:
            raise error
        self._validate()
        return [one for one in self.added if one.resource is None or self._passes(one.resource)]

    def _key(self, source: str) -> str:
        count = self._counts[source] = self._counts.get(source, 0) + 1
        return source if count == 1 else f"{source}#{count}"

    def _patched(self, body: Any, origin: Origin) -> Any:
        for patcher in reversed(self.hooks.patchers):
            changed = patcher(body, str(origin))
            body = body if changed is None else changed
        return body

    def _wrap(self, manifest: Manifest) -> None:
        resource = Resource(_mutable(manifest.body), str(manifest.origin), self.project())
        if resource.project:
            annotations = resource._metadata.setdefault("annotations", {})  # noqa: SLF001  (ours)
            annotations[PROJECT] = resource.project
        for transformer in reversed(self.hooks.transformers):
            resource = transformer(self.resources, resource) or resource
        added = Added(
            key=manifest.key, origin=manifest.origin, document=manifest.document, resource=resource
        )
        if not self._is_known(resource, added):
            self.added.append(added)

    def _is_known(self, resource: Resource, added: Added) -> bool:
        """Whether the same object is there already; another one of that name is refused (TRE-27)."""
        former = self._by_ref.setdefault(resource.ref, added)
        if former is added:
            return False
        if former.resource is not None and former.resource.manifest == resource.manifest:
            return True
        message = f"resource {resource} already exists and was added from {former.origin}"
        raise InvalidManifests([Problem(where=str(added.origin), path="", message=message)])

    def _validate(self) -> None:
        """Run all validators over all objects, and tell everything they say (TRE-30)."""
        found = []
        for resource in self.resources:
            if resource.ref != resource.first_ref:
                found.append(f"{resource.first_ref} was changed to {resource}")
            for validator in reversed(self.hooks.validators):
                for error in validator(self.resources, resource, _error_of) or ():
                    found.append(f"{resource} from {resource.source}: {error}")  # noqa: PERF401  (reads as told)
        if found:
            raise TemplateFailure("the tree", 0, "; ".join(found))

    def _passes(self, resource: Resource) -> bool:
        return all(one(resource) for one in self.hooks.filters)


def problems_of(error: RolloutError) -> Iterator[TemplateFailure]:
    """Yield what is wrong with objects as failures with a place."""
    if isinstance(error, InvalidManifests):
        for problem in error.problems:
            file, _, line = problem.where.rpartition(":")
            where = (file, int(line)) if line.isdigit() else (problem.where, 0)
            yield TemplateFailure(*where, f"{problem.path}: {problem.message}".removeprefix(": "))
    else:
        yield TemplateFailure("", 0, error.message)


def _mutable(body: Mapping[str, Any]) -> dict[str, Any]:
    return copy.deepcopy(dict(body))


def _error_of(message: str, *args: object) -> ValueError:
    """Build an error, as validators are given it."""
    return ValueError(message % args if args else message)
