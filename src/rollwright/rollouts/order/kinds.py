"""Which kinds belong together by nature, and which comes first when nothing else decides.

Group **and** kind are compared, never the kind alone: a ``Service`` of Knative is a custom
resource. Old groups count under their name of today, versions do not matter (OR-03, OR-04).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from rollwright.rollouts.manifest import ObjectRef

GroupKind: TypeAlias = tuple[str, str]

_ADMISSION = "admissionregistration.k8s.io"
_RBAC = "rbac.authorization.k8s.io"

NAMESPACE: GroupKind = ("", "Namespace")
SERVICE: GroupKind = ("", "Service")
CRD: GroupKind = ("apiextensions.k8s.io", "CustomResourceDefinition")
API_SERVICE: GroupKind = ("apiregistration.k8s.io", "APIService")
MUTATING_POLICY: GroupKind = (_ADMISSION, "MutatingAdmissionPolicy")
VALIDATING_POLICY: GroupKind = (_ADMISSION, "ValidatingAdmissionPolicy")

POLICY_OF_BINDING: Mapping[GroupKind, GroupKind] = {
    (_ADMISSION, "MutatingAdmissionPolicyBinding"): MUTATING_POLICY,
    (_ADMISSION, "ValidatingAdmissionPolicyBinding"): VALIDATING_POLICY,
}

_POD_RELATED = """
    networking.k8s.io/NetworkPolicy ResourceQuota LimitRange policy/PodSecurityPolicy
    policy/PodDisruptionBudget scheduling.k8s.io/PriorityClass node.k8s.io/RuntimeClass
    ServiceAccount Secret ConfigMap
"""
_CLASSES = """
    storage.k8s.io/StorageClass storage.k8s.io/CSIDriver storage.k8s.io/VolumeAttributesClass
    snapshot.storage.k8s.io/VolumeSnapshotClass networking.k8s.io/IngressClass
    gateway.networking.k8s.io/GatewayClass scheduling.k8s.io/PriorityClass
    node.k8s.io/RuntimeClass
"""
_WORKLOADS = """
    apps/Deployment apps/StatefulSet apps/DaemonSet apps/ReplicaSet ReplicationController Pod
    batch/Job batch/CronJob
"""
_TIE_ORDER_FIRST = """
    Namespace apiextensions.k8s.io/CustomResourceDefinition scheduling.k8s.io/PriorityClass
    node.k8s.io/RuntimeClass storage.k8s.io/StorageClass
    snapshot.storage.k8s.io/VolumeSnapshotClass networking.k8s.io/IngressClass
    gateway.networking.k8s.io/GatewayClass ResourceQuota LimitRange
    networking.k8s.io/NetworkPolicy policy/PodDisruptionBudget ServiceAccount Secret ConfigMap
    PersistentVolume PersistentVolumeClaim rbac.authorization.k8s.io/ClusterRole
    rbac.authorization.k8s.io/ClusterRoleBinding rbac.authorization.k8s.io/Role
    rbac.authorization.k8s.io/RoleBinding Service apps/DaemonSet Pod ReplicationController
    apps/ReplicaSet apps/Deployment autoscaling/HorizontalPodAutoscaler apps/StatefulSet
    batch/Job batch/CronJob networking.k8s.io/Ingress apiregistration.k8s.io/APIService
"""
_TIE_ORDER_LAST = """
    admissionregistration.k8s.io/MutatingAdmissionPolicy
    admissionregistration.k8s.io/ValidatingAdmissionPolicy
    admissionregistration.k8s.io/MutatingAdmissionPolicyBinding
    admissionregistration.k8s.io/ValidatingAdmissionPolicyBinding
    admissionregistration.k8s.io/MutatingWebhookConfiguration
    admissionregistration.k8s.io/ValidatingWebhookConfiguration
"""


def _kinds(text: str) -> Iterator[GroupKind]:
    for word in text.split():
        group, _, kind = word.rpartition("/")
        yield group, kind


_RBAC_ROLES = frozenset({(_RBAC, "ClusterRole"), (_RBAC, "Role")})
_RBAC_BINDINGS = frozenset({(_RBAC, "ClusterRoleBinding"), (_RBAC, "RoleBinding")})

MEMBERS: Mapping[str, frozenset[GroupKind]] = {
    "crds": frozenset({CRD}),
    "namespaces": frozenset({NAMESPACE}),
    "classes": frozenset(_kinds(_CLASSES)),
    "storage-class": frozenset({("storage.k8s.io", "StorageClass")}),
    "storage": frozenset({("", "PersistentVolume"), ("", "PersistentVolumeClaim")}),
    "rbac-roles": _RBAC_ROLES,
    "rbac-role-bindings": _RBAC_BINDINGS,
    "rbac": _RBAC_ROLES | _RBAC_BINDINGS,
    "pod-related": frozenset(_kinds(_POD_RELATED)),
    "serviceaccount": frozenset({("", "ServiceAccount")}),
    "workloads": frozenset(_kinds(_WORKLOADS)),
    "services": frozenset({SERVICE}),
    "apiservices": frozenset({API_SERVICE}),
    "webhooks": frozenset(
        {
            (_ADMISSION, "MutatingWebhookConfiguration"),
            (_ADMISSION, "ValidatingWebhookConfiguration"),
        }
    ),
    "admission-policies": frozenset({*POLICY_OF_BINDING, *POLICY_OF_BINDING.values()}),
    "kapp-controller-app": frozenset({("kappctrl.k14s.io", "App")}),
    "kapp-controller-packageinstall": frozenset({("packaging.carvel.dev", "PackageInstall")}),
}
"""Default groups that follow from the kind alone (OR-10 to OR-26)."""

_FIRST = tuple(_kinds(_TIE_ORDER_FIRST))
_LAST = tuple(_kinds(_TIE_ORDER_LAST))
OTHER_RANK = len(_FIRST)
"""Rank of every kind that ``KIND_RANK`` does not list."""

KIND_RANK: Mapping[GroupKind, int] = {
    **{kind: rank for rank, kind in enumerate(_FIRST)},
    **{kind: rank for rank, kind in enumerate(_LAST, start=OTHER_RANK + 1)},
}
"""First to last among what may start at the same time (OR-40); it never makes anything wait."""

TieKey: TypeAlias = tuple[int, str, str, str, str]


def tie_key(ref: ObjectRef) -> TieKey:
    """Return what decides between objects that are ready at the same time (OR-05, OR-40)."""
    group, kind = ref.group_kind
    rank = KIND_RANK.get((group, kind), OTHER_RANK)
    return rank, group, kind, ref.namespace, ref.name


def default_groups(group_kind: GroupKind) -> tuple[str, ...]:
    """Return the names of the default groups that a kind belongs to."""
    return tuple(name for name, kinds in MEMBERS.items() if group_kind in kinds)
