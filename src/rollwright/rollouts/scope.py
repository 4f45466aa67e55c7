"""Which kinds live in a namespace, and putting every object where it belongs.

Before: ``renderers`` made objects, many of which name no namespace.
After: ``order`` and ``plan`` work with identities that are complete.

The table is the same for every Kubernetes version from 1.25 to 1.37: no kind ever changed sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from rollwright.errors import InvalidManifests, Problem
from rollwright.rollouts.manifest import (
    Body,
    Manifest,
    ManifestSet,
    canonical_group_kind,
    refuse_twins,
)

Scopes: TypeAlias = Callable[[str, str], "bool | None"]
"""Group and kind to whether it is namespaced; ``None`` when nobody knows."""

_NAMESPACED: Mapping[str, str] = {
    "": (
        "Binding ConfigMap Endpoints Event LimitRange PersistentVolumeClaim Pod PodTemplate"
        " ReplicationController ResourceQuota Secret Service ServiceAccount"
    ),
    "apps": "ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet",
    "authentication.k8s.io": "TokenRequest",
    "authorization.k8s.io": "LocalSubjectAccessReview",
    "autoscaling": "HorizontalPodAutoscaler Scale",
    "batch": "CronJob Job",
    "certificates.k8s.io": "PodCertificateRequest",
    "coordination.k8s.io": "Lease LeaseCandidate",
    "discovery.k8s.io": "EndpointSlice",
    "events.k8s.io": "Event",
    "lifecycle.k8s.io": "Eviction EvictionRequest",
    "networking.k8s.io": "Ingress NetworkPolicy",
    "policy": "Eviction PodDisruptionBudget",
    "rbac.authorization.k8s.io": "Role RoleBinding",
    "resource.k8s.io": (
        "PodScheduling PodSchedulingContext ResourceClaim ResourceClaimParameters"
        " ResourceClaimTemplate ResourceClassParameters"
    ),
    "scheduling.k8s.io": "CompositePodGroup PodGroup Workload",
    "storage.k8s.io": "CSIStorageCapacity",
}

_CLUSTER_WIDE: Mapping[str, str] = {
    "": "ComponentStatus Namespace Node PersistentVolume",
    "admissionregistration.k8s.io": (
        "MutatingAdmissionPolicy MutatingAdmissionPolicyBinding MutatingWebhookConfiguration"
        " ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding"
        " ValidatingWebhookConfiguration"
    ),
    "apiextensions.k8s.io": "CustomResourceDefinition",
    "apiregistration.k8s.io": "APIService",
    "authentication.k8s.io": "SelfSubjectReview TokenReview",
    "authorization.k8s.io": "SelfSubjectAccessReview SelfSubjectRulesReview SubjectAccessReview",
    "certificates.k8s.io": "CertificateSigningRequest ClusterTrustBundle",
    "flowcontrol.apiserver.k8s.io": "FlowSchema PriorityLevelConfiguration",
    "internal.apiserver.k8s.io": "StorageVersion",
    "networking.k8s.io": "ClusterCIDR IPAddress IngressClass ServiceCIDR",
    "node.k8s.io": "RuntimeClass",
    "policy": "PodSecurityPolicy",
    "rbac.authorization.k8s.io": "ClusterRole ClusterRoleBinding",
    "resource.k8s.io": (
        "DeviceClass DeviceTaintRule ResourceClass ResourcePoolStatusRequest ResourceSlice"
    ),
    "scheduling.k8s.io": "PriorityClass",
    "storage.k8s.io": "CSIDriver CSINode StorageClass VolumeAttachment VolumeAttributesClass",
    "storagemigration.k8s.io": "StorageVersionMigration",
}

_SCOPES: Mapping[tuple[str, str], bool] = {
    (group, kind): is_inside
    for table, is_inside in ((_NAMESPACED, True), (_CLUSTER_WIDE, False))
    for group, kinds in table.items()
    for kind in kinds.split()
}


def is_namespaced(group: str, kind: str) -> bool | None:
    """Return whether a built-in kind lives in a namespace; ``None`` when it is not built in."""
    return _SCOPES.get(canonical_group_kind(group, kind))


def scopes_of_crds(manifests: Iterable[Manifest]) -> Mapping[tuple[str, str], bool]:
    """Return the scope of every kind that a CustomResourceDefinition among the objects defines."""
    found = {}
    for manifest in manifests:
        if manifest.ref.group_kind == ("apiextensions.k8s.io", "CustomResourceDefinition"):
            spec = manifest.body.get("spec")
            names = spec.get("names") if isinstance(spec, Mapping) else None
            if isinstance(spec, Mapping) and isinstance(names, Mapping):
                kind = str(spec.get("group") or ""), str(names.get("kind") or "")
                # NB: v1beta1 let the scope out and meant Namespaced.
                found[kind] = spec.get("scope") != "Cluster"
    return found


def place(
    manifests: ManifestSet, *, namespace: str, pin: bool = False, scopes: Scopes
) -> ManifestSet:
    """Give every object its final namespace; objects that are right stay the very same.

    Args:
        manifests: In the order of their source, which is kept.
        namespace: For namespaced objects that name none; empty when the rollout has none.
        pin: Whether an object of any other namespace is a problem.
        scopes: Which kinds are namespaced. An unknown kind that names a namespace keeps it; one
            that names none gets ``namespace``, if there is one.

    Raises:
        InvalidManifests: Objects without a namespace, of a foreign one, or with one identity.
    """
    problems: list[Problem] = []
    placed = []
    for manifest in manifests:
        final = _namespace_of(manifest, namespace, is_inside=scopes(*manifest.ref.group_kind))
        placed.append(_moved(manifest, final or ""))
        if complaint := _complaint(final, namespace, pin=pin):
            message = f"{manifest.ref} {complaint}"
            problems.append(
                Problem(where=str(manifest.origin), path="metadata.namespace", message=message)
            )
    if problems:
        raise InvalidManifests(problems, hint=_hint(namespace))
    refuse_twins(placed)
    return ManifestSet(tuple(placed))


def _namespace_of(manifest: Manifest, default: str, *, is_inside: bool | None) -> str | None:
    """Return the final namespace; empty for cluster-wide, ``None`` when one is missing."""
    if is_inside is False:
        # As kubectl and the API server do: a cluster-wide object has no place for it.
        return ""
    if is_inside:
        return manifest.ref.namespace or default or None
    return manifest.ref.namespace or default


def _complaint(final: str | None, namespace: str, *, pin: bool) -> str:
    if final is None:
        return "is namespaced and names no namespace"
    if pin and namespace and final not in {"", namespace}:
        return f"is in namespace {final!r}; this rollout is pinned to {namespace!r}"
    return ""


def _hint(namespace: str) -> str:
    if namespace:
        return "move the objects, or set pinNamespace: false"
    return "set metadata.namespace in the objects, or target.namespace in the rollout"


def _moved(manifest: Manifest, namespace: str) -> Manifest:
    metadata = manifest.body.get("metadata") or {}
    if (metadata.get("namespace") or "") == namespace and not _has_empty_namespace(metadata):
        return manifest
    kept = {key: value for key, value in metadata.items() if key != "namespace"}
    body: Body = {
        **manifest.body,
        "metadata": {**kept, "namespace": namespace} if namespace else kept,
    }
    return manifest.with_body(body)


def _has_empty_namespace(metadata: Body) -> bool:
    return "namespace" in metadata and not metadata["namespace"]
