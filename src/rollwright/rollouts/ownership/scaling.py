"""Workloads whose number of replicas an autoscaler sets (AP-37).

Before: the wanted objects are known; ``engine`` lists the autoscalers of a namespace when there
is a reason to.
After: ``proposals`` leaves ``spec.replicas`` of such a workload to its owner.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from rollwright.rollouts.diff import ABSENT
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import Body, Manifest, ObjectRef, group_of, ref_of
from rollwright.rollouts.ownership.fieldsets import overlapping, stripped, value_at, with_value
from rollwright.rollouts.ownership.ignore import Owners

REPLICAS = ("f:spec", "f:replicas")

_WORKLOADS = frozenset(
    {
        ("apps", "Deployment"), ("apps", "StatefulSet"), ("apps", "ReplicaSet"),
        ("", "ReplicationController"),
    }
)  # fmt: skip

AUTOSCALERS = (("autoscaling", "HorizontalPodAutoscaler"), ("keda.sh", "ScaledObject"))
"""Group and kind of what sets replicas."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaler:
    """What sets the replicas of a workload; ``is_declared`` by an object of the same rollout."""

    name: str
    is_declared: bool = False

    def __str__(self) -> str:
        return self.name


Scaled: TypeAlias = Mapping[ObjectRef, Scaler]
"""Workloads by identity, with the autoscaler that targets them."""


def targets(bodies: Iterable[Body], *, is_declared: bool) -> dict[ObjectRef, Scaler]:
    """Return the workloads that autoscalers among the objects target."""
    return {
        workload: Scaler(name=name, is_declared=is_declared) for workload, name in _targets(bodies)
    }


def _targets(bodies: Iterable[Body]) -> Iterator[tuple[ObjectRef, str]]:
    for body in bodies:
        ref = ref_of(body)
        if (ref.group, ref.kind) not in AUTOSCALERS:
            continue
        spec = body.get("spec")
        target = spec.get("scaleTargetRef") if isinstance(spec, Mapping) else None
        if isinstance(target, Mapping) and target.get("name"):
            # KEDA takes a Deployment for granted; an HPA always names the kind.
            kind = str(target.get("kind") or "Deployment")
            group = group_of(str(target.get("apiVersion") or "apps/v1"))
            workload = ObjectRef(group, kind, ref.namespace, str(target["name"]))
            yield workload, f"{ref.kind} {ref.name}"


def is_scaled(manifest: Manifest) -> bool:
    """Whether autoscalers know objects of that kind by themselves."""
    return manifest.ref.group_kind in _WORKLOADS


def may_be_scaled(sent: Body, owners: Owners) -> bool:
    """Whether it matters if an autoscaler targets the object.

    It sets replicas that somebody else owns; or it sets none, and an apply would delete ours.
    """
    if value_at(sent, REPLICAS) is not ABSENT:
        return overlapping(REPLICAS, owners.applied | owners.updated)
    return overlapping(REPLICAS, owners.ours)


def is_set_by_autoscaler(live: LiveObject) -> bool:
    """Whether a controller of Kubernetes wrote the replicas through ``scale``: that is an HPA."""
    return any(
        entry.get("subresource") == "scale" and entry.get("manager") == "kube-controller-manager"
        for entry in live.metadata.get("managedFields") or ()
    )


def leave_replicas(sent: Body, live: LiveObject, owners: Owners) -> tuple[Body, bool]:
    """Return the body that leaves the replicas to the autoscaler, and whether it had to change."""
    wanted: Any = value_at(sent, REPLICAS)
    if overlapping(REPLICAS, owners.applied | owners.updated):
        return stripped(sent, REPLICAS), wanted is not ABSENT
    if wanted is ABSENT and overlapping(REPLICAS, owners.ours):
        # NB: deleting the field would set it to 1 until the autoscaler looks again.
        return with_value(sent, REPLICAS, value_at(live.body, REPLICAS)), True
    return sent, False
