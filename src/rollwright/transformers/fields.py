"""Set one field to a value, or drop fields and whole objects."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, Field

from rollwright.plugins.contracts import TransformRequest
from rollwright.plugins.options import OPTIONS
from rollwright.rollouts.manifest import Body, Manifest, ManifestSet
from rollwright.transformers.editing import as_object, no_place, refuse_aimless, with_bodies
from rollwright.transformers.places import ABSENT, FieldPath, changed, parse
from rollwright.transformers.target import Target


class Set(BaseModel):
    """Set a field of every object that the target means.

    Mappings on the way are made where nothing is; a list item must be there already, unless the
    path ends a list with ``[-]``.

    Attributes:
        target: Which objects.
        path: A JSON pointer, or a path such as ``spec.template.spec.containers[name=web].image``.
        value: What stands there then.
        optional: Whether it is good that no object is meant, or that an object lacks the place.
    """

    model_config = OPTIONS

    target: Target = Target()
    path: FieldPath
    value: Any
    optional: bool = False

    def transform(self, request: TransformRequest) -> ManifestSet:
        """Return the set with the field set.

        Raises:
            RenderError: The target means no object, or one of them has no such place.
            InvalidManifests: Two objects have one identity afterwards.
        """
        if not self.optional:
            refuse_aimless("set", self.target, request.manifests)
        return with_bodies(request.manifests, self.target, self._set)

    def _set(self, manifest: Manifest) -> Body:
        hits = 0

        def put(_old: Any) -> Any:
            nonlocal hits
            hits += 1
            return deepcopy(self.value)

        body = changed(manifest.body, parse(self.path), put, create=True)
        if not hits and not self.optional:
            raise no_place("set", manifest, self.path)
        return as_object(manifest, body, "set") if hits else manifest.body


class Drop(BaseModel):
    """Drop every object that the target means, or only some of its fields.

    Attributes:
        target: Which objects; it has to say something.
        fields: Places to drop, such as ``/spec/replicas``; without any, the object goes.
        optional: Whether it is good that no object is meant, or that an object lacks a field.
    """

    model_config = OPTIONS

    target: Target
    fields: tuple[FieldPath, ...] = Field(default=())
    optional: bool = False

    def transform(self, request: TransformRequest) -> ManifestSet:
        """Return the set without them.

        Raises:
            RenderError: The target means no object, or one of them has no such field.
        """
        if not self.optional:
            refuse_aimless("drop", self.target, request.manifests)
        if self.fields:
            return with_bodies(request.manifests, self.target, self._stripped)
        kept = tuple(one for one in request.manifests if not self.target.matches(one))
        return replace(request.manifests, manifests=kept)

    def _stripped(self, manifest: Manifest) -> Body:
        body: Any = manifest.body
        for path in self.fields:
            body, before = changed(body, parse(path), lambda _old: ABSENT), body
            if body is before and not self.optional:
                raise no_place("drop", manifest, path)
        return body if body is manifest.body else as_object(manifest, body, "drop")
