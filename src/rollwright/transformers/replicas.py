"""How many pods a workload has."""

from __future__ import annotations

from pydantic import BaseModel, Field

from rollwright.plugins.contracts import TransformRequest
from rollwright.plugins.options import OPTIONS
from rollwright.rollouts.manifest import Body, Manifest, ManifestSet
from rollwright.transformers.editing import no_place, refuse_aimless, with_bodies
from rollwright.transformers.places import FieldPath, changed, parse
from rollwright.transformers.target import Target

_WORKLOADS = frozenset(
    {
        ("", "ReplicationController"),
        ("apps", "Deployment"),
        ("apps", "ReplicaSet"),
        ("apps", "StatefulSet"),
    }
)


class _Workloads(Target):
    """The kinds that have replicas, or whatever kind is named."""

    def matches(self, manifest: Manifest) -> bool:
        """Tell whether an object is meant."""
        is_known = self.kind is not None or manifest.ref.group_kind in _WORKLOADS
        return is_known and super().matches(manifest)


class Replicas(BaseModel):
    """Set the number of replicas.

    Attributes:
        count: How many.
        target: Which objects; without a kind, Deployments, StatefulSets, ReplicaSets and
            ReplicationControllers.
        path: Where a kind of one's own has the number.
        optional: Whether it is good that no object is meant.
    """

    model_config = OPTIONS

    count: int = Field(ge=0, strict=True)
    target: _Workloads = _Workloads()
    path: FieldPath = "spec.replicas"
    optional: bool = False

    def transform(self, request: TransformRequest) -> ManifestSet:
        """Return the set with the number.

        Raises:
            RenderError: The target means no object, or one has no such place.
        """
        if not self.optional:
            refuse_aimless("replicas", self.target, request.manifests)
        return with_bodies(request.manifests, self.target, self._scaled)

    def _scaled(self, manifest: Manifest) -> Body:
        hits = 0

        def put(_old: object) -> int:
            nonlocal hits
            hits += 1
            return self.count

        body: Body = changed(manifest.body, parse(self.path), put, create=True)
        if not hits:
            raise no_place("replicas", manifest, self.path)
        return body
