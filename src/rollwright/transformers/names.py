"""Prefixes and suffixes of names; who names a renamed object follows."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, Field, model_validator

from rollwright.plugins.contracts import TransformRequest
from rollwright.plugins.options import OPTIONS
from rollwright.rollouts.manifest import Body, Manifest, ManifestSet
from rollwright.transformers.editing import with_bodies
from rollwright.transformers.following import Whereabouts, follow
from rollwright.transformers.references import Link
from rollwright.transformers.target import Target

_KEPT = frozenset(
    {
        ("", "Namespace"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
        ("apiregistration.k8s.io", "APIService"),
    }
)
"""Kinds whose names mean something outside the set; they are renamed only by their kind."""

_PART = r"^[A-Za-z0-9.:-]*$"


class Names(BaseModel):
    """Put text before and behind the names of objects.

    Namespaces, CustomResourceDefinitions and APIServices keep their names.

    Attributes:
        prefix: Text before the name.
        suffix: Text behind it.
        target: Which objects; every one by default.
        references: Fields of other kinds that name objects of the set.
    """

    model_config = OPTIONS

    prefix: str = Field(default="", pattern=_PART)
    suffix: str = Field(default="", pattern=_PART)
    target: Target = Target()
    references: tuple[Link, ...] = ()

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.prefix or self.suffix):
            raise ValueError("expected prefix or suffix")
        return self

    def transform(self, request: TransformRequest) -> ManifestSet:
        """Return the set with the names.

        Raises:
            InvalidManifests: Two objects have one identity afterwards.
        """
        old = request.manifests
        where = Whereabouts(old, request.namespace)
        new = with_bodies(old, self.target, self._renamed)
        return follow(old, new, where, self.references)

    def _renamed(self, manifest: Manifest) -> Body:
        metadata = manifest.body["metadata"]
        if manifest.ref.group_kind in _KEPT:
            return manifest.body
        # What is named only when it runs keeps its own beginning of a name, behind the prefix.
        key, end = ("name", self.suffix) if metadata.get("name") else ("generateName", "")
        name = f"{self.prefix}{metadata.get(key, '')}{end}"
        return {**manifest.body, "metadata": {**metadata, key: name}}
