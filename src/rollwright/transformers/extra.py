"""Fields of kinds that nobody knows here: a document names them."""

from __future__ import annotations

from pydantic import BaseModel

from rollwright.plugins.options import OPTIONS
from rollwright.rollouts.manifest import Manifest
from rollwright.transformers.places import FieldPath
from rollwright.transformers.target import Target


class Extra(BaseModel):
    """Where objects of a kind have a field.

    Attributes:
        group: API group; any without.
        kind: Kind; any without.
        path: The field, such as ``spec.image``.
    """

    model_config = OPTIONS

    group: str | None = None
    kind: str | None = None
    path: FieldPath

    def means(self, manifest: Manifest) -> bool:
        """Tell whether an object has the field."""
        return Target(group=self.group, kind=self.kind).matches(manifest)
