"""How the objects of a set are merged: by built-in schemas, and by definitions in the set."""

from __future__ import annotations

from collections.abc import Iterable

from rollwright.plugins.kube_schemas import shape_of
from rollwright.rollouts.manifest import Manifest
from rollwright.rollouts.order.bodies import defined_kind
from rollwright.rollouts.premises import is_crd
from rollwright.rollouts.simulation import schema_of
from rollwright.rollouts.strategic import NO_SHAPE, Shape


class Shapes:
    """The shapes of the kinds of one set."""

    def __init__(self, manifests: Iterable[Manifest]) -> None:
        self._crds = {defined_kind(one.body): one.body for one in manifests if is_crd(one.body)}
        self._known: dict[tuple[str, str], Shape] = {}

    def of(self, manifest: Manifest) -> Shape:
        """Return the shape of an object's kind; ``NO_SHAPE`` if nobody knows it."""
        key = (manifest.api_version, manifest.ref.kind)
        if key not in self._known:
            self._known[key] = self._find(manifest)
        return self._known[key]

    def _find(self, manifest: Manifest) -> Shape:
        crd = self._crds.get((manifest.ref.group, manifest.ref.kind))
        if crd is None:
            return shape_of(manifest.api_version, manifest.ref.kind)
        return Shape(schema, {}) if (schema := schema_of(crd, manifest.api_version)) else NO_SHAPE
