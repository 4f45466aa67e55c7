"""Which objects a transformer or a policy means.

Before: a document named a group, a kind, a glob of names. After: ``transformers`` and
``validators`` ask it of every object.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from pydantic import BaseModel, Field

from rollwright.plugins.options import OPTIONS
from rollwright.rollouts.manifest import Manifest


class Target(BaseModel):
    """Objects by what all given fields say; without any, every object.

    Attributes:
        group: API group; empty is the core group.
        kind: Kind.
        name: Glob of names.
        namespace: Glob of namespaces as the manifest writes them; one without has ``""``.
        labels: Labels that the object has.
        annotations: Annotations that the object has.
    """

    model_config = OPTIONS

    group: str | None = None
    kind: str | None = None
    name: str | None = None
    namespace: str | None = None
    labels: Mapping[str, str] = Field(default_factory=dict)
    annotations: Mapping[str, str] = Field(default_factory=dict)

    def matches(self, manifest: Manifest) -> bool:
        """Tell whether an object is meant."""
        ref = manifest.ref
        return (
            (self.group is None or self.group in {ref.group, ref.group_kind[0]})
            and (self.kind is None or self.kind == ref.kind)
            and (self.name is None or fnmatchcase(ref.name, self.name))
            and (self.namespace is None or fnmatchcase(ref.namespace, self.namespace))
            and _has(manifest.labels, self.labels)
            and _has(manifest.annotations, self.annotations)
        )

    def __str__(self) -> str:
        given = self.model_dump(exclude_defaults=True)
        return ", ".join(f"{key} {value!r}" for key, value in given.items()) or "any object"


def _has(values: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(values.get(key) == value for key, value in wanted.items())
