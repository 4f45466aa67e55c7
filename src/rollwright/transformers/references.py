"""Where objects name others: who follows when a name or a namespace changes.

The table is that of kustomize's name references, by what is named; what it says of pods holds
for everything that has a pod. A document may add rows for kinds of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from pydantic import BaseModel

from rollwright.plugins.options import OPTIONS
from rollwright.rollouts.body import POD_SPECS
from rollwright.rollouts.manifest import ObjectRef, canonical_group_kind
from rollwright.transformers.extra import Extra
from rollwright.transformers.places import Step, parse

GroupKind = tuple[str, str]

_RBAC = "rbac.authorization.k8s.io"
_ADMISSION = "admissionregistration.k8s.io"
_ANNOTATIONS = "metadata.annotations"
_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
_HOOKS = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A field that holds the name of another object.

    Attributes:
        kind: Group and kind of what is named.
        steps: Where the name stands; for ``is_pair`` the mapping that has name and namespace.
        is_pair: Whether a namespace stands beside the name.
    """

    kind: GroupKind
    steps: tuple[Step, ...]
    is_pair: bool = False


_IN_PODS: Mapping[GroupKind, tuple[str, ...]] = {
    ("", "ConfigMap"): (
        "volumes[*].configMap.name",
        "volumes[*].projected.sources[*].configMap.name",
        *(f"{one}[*].env[*].valueFrom.configMapKeyRef.name" for one in _CONTAINERS),
        *(f"{one}[*].envFrom[*].configMapRef.name" for one in _CONTAINERS),
    ),
    ("", "Secret"): (
        "volumes[*].secret.secretName",
        "volumes[*].projected.sources[*].secret.name",
        "volumes[*].csi.nodePublishSecretRef.name",
        "imagePullSecrets[*].name",
        *(f"{one}[*].env[*].valueFrom.secretKeyRef.name" for one in _CONTAINERS),
        *(f"{one}[*].envFrom[*].secretRef.name" for one in _CONTAINERS),
    ),
    ("", "PersistentVolumeClaim"): ("volumes[*].persistentVolumeClaim.claimName",),
    ("", "ServiceAccount"): ("serviceAccountName",),
    ("node.k8s.io", "RuntimeClass"): ("runtimeClassName",),
    ("resource.k8s.io", "ResourceClaim"): ("resourceClaims[*].resourceClaimName",),
    ("resource.k8s.io", "ResourceClaimTemplate"): ("resourceClaims[*].resourceClaimTemplateName",),
    ("scheduling.k8s.io", "PriorityClass"): ("priorityClassName",),
}

_SCALED = {
    ("", "ReplicationController"),
    ("apps", "Deployment"),
    ("apps", "ReplicaSet"),
    ("apps", "StatefulSet"),
}

_ELSEWHERE: Mapping[GroupKind, tuple[tuple[GroupKind, str], ...]] = {
    ("networking.k8s.io", "Ingress"): (
        (("", "Service"), "spec.rules[*].http.paths[*].backend.service.name"),
        (("", "Service"), "spec.rules[*].http.paths[*].backend.serviceName"),
        (("", "Service"), "spec.defaultBackend.service.name"),
        (("", "Service"), "spec.backend.serviceName"),
        (("", "Secret"), "spec.tls[*].secretName"),
        (("", "Secret"), f"{_ANNOTATIONS}['ingress.kubernetes.io/auth-secret']"),
        (("", "Secret"), f"{_ANNOTATIONS}['nginx.ingress.kubernetes.io/auth-secret']"),
        (("", "Secret"), f"{_ANNOTATIONS}['nginx.ingress.kubernetes.io/auth-tls-secret']"),
        (("", "ConfigMap"), f"{_ANNOTATIONS}['nginx.ingress.kubernetes.io/fastcgi-params-configmap']"),
        (("networking.k8s.io", "IngressClass"), "spec.ingressClassName"),
    ),
    ("apps", "StatefulSet"): (
        (("", "Service"), "spec.serviceName"),
        (("storage.k8s.io", "StorageClass"), "spec.volumeClaimTemplates[*].spec.storageClassName"),
        (("storage.k8s.io", "VolumeAttributesClass"),
         "spec.volumeClaimTemplates[*].spec.volumeAttributesClassName"),
    ),
    ("", "ServiceAccount"): (
        (("", "Secret"), "imagePullSecrets[*].name"),
        (("", "Secret"), "secrets[*].name"),
    ),
    ("", "PersistentVolumeClaim"): (
        (("storage.k8s.io", "StorageClass"), "spec.storageClassName"),
        (("storage.k8s.io", "VolumeAttributesClass"), "spec.volumeAttributesClassName"),
        (("", "PersistentVolume"), "spec.volumeName"),
    ),
    ("", "PersistentVolume"): (
        (("storage.k8s.io", "StorageClass"), "spec.storageClassName"),
        (("", "Secret"), "spec.azureFile.secretName"),
    ),
    ("", "Node"): ((("", "ConfigMap"), "spec.configSource.configMap.name"),),
    ("storage.k8s.io", "StorageClass"): (
        (("", "Secret"), "parameters.secretName"),
        (("", "Secret"), "parameters.adminSecretName"),
        (("", "Secret"), "parameters.userSecretName"),
        (("", "Secret"), "parameters.secretRef"),
    ),
    (_ADMISSION, "ValidatingAdmissionPolicyBinding"): (
        ((_ADMISSION, "ValidatingAdmissionPolicy"), "spec.policyName"),
    ),
    (_ADMISSION, "MutatingAdmissionPolicyBinding"): (
        ((_ADMISSION, "MutatingAdmissionPolicy"), "spec.policyName"),
    ),
}  # fmt: skip

_PAIRS: Mapping[GroupKind, tuple[tuple[GroupKind, str], ...]] = {
    **{
        (_RBAC, kind): ((("", "ServiceAccount"), "subjects[kind=ServiceAccount]"),)
        for kind in ("RoleBinding", "ClusterRoleBinding")
    },
    **{
        (_ADMISSION, kind): ((("", "Service"), "webhooks[*].clientConfig.service"),)
        for kind in _HOOKS
    },
    ("apiextensions.k8s.io", "CustomResourceDefinition"): (
        (("", "Service"), "spec.conversion.webhook.clientConfig.service"),
    ),
    ("apiregistration.k8s.io", "APIService"): ((("", "Service"), "spec.service"),),
}

_NAMED_IN_RULES: Mapping[str, tuple[GroupKind, ...]] = {
    "configmaps": (("", "ConfigMap"),),
    "secrets": (("", "Secret"),),
    "services": (("", "Service"),),
    "serviceaccounts": (("", "ServiceAccount"),),
    "persistentvolumes": (("", "PersistentVolume"),),
    "persistentvolumeclaims": (("", "PersistentVolumeClaim"),),
}
"""What ``resourceNames`` of a role name, by the resource of the same rule."""


@lru_cache(maxsize=512)
def references_of(group: str, kind: str) -> tuple[Reference, ...]:
    """Return the fields of a kind that name other objects."""
    own = canonical_group_kind(group, kind)
    return (
        *_of_pods(POD_SPECS.get(own)),
        *(Reference(kind=one, steps=parse(path)) for one, path in _ELSEWHERE.get(own, ())),
        *(
            Reference(kind=one, steps=parse(path), is_pair=True)
            for one, path in _PAIRS.get(own, ())
        ),
        *_typed(own),
    )


def _of_pods(pod: tuple[str, ...] | None) -> Iterator[Reference]:
    for kind, paths in _IN_PODS.items() if pod is not None else ():
        yield from (Reference(kind=kind, steps=(*(pod or ()), *parse(path))) for path in paths)


def _typed(own: GroupKind) -> Iterator[Reference]:
    """Yield the fields that name a kind beside the name."""
    if own == ("autoscaling", "HorizontalPodAutoscaler"):
        for kind in _SCALED:
            steps = parse(f"spec.scaleTargetRef[kind={kind[1]}].name")
            yield Reference(kind=kind, steps=steps)
    if own in {(_RBAC, "RoleBinding"), (_RBAC, "ClusterRoleBinding")}:
        for name in ("Role", "ClusterRole"):
            yield Reference(kind=(_RBAC, name), steps=parse(f"roleRef[kind={name}].name"))
    if own in {(_RBAC, "Role"), (_RBAC, "ClusterRole")}:
        for resource, kinds in _NAMED_IN_RULES.items():
            steps = parse(f"rules[resources={resource}].resourceNames[*]")
            yield from (Reference(kind=kind, steps=steps) for kind in kinds)


class Named(BaseModel):
    """A kind whose objects are named.

    Attributes:
        group: API group; empty is the core group.
        kind: Kind.
    """

    model_config = OPTIONS

    group: str = ""
    kind: str


class Link(Extra):
    """A field of a kind of one's own that holds the name of another object.

    Attributes:
        to: Whose name it is.
    """

    to: Named

    def reference(self) -> Reference:
        """Return it as a row of the table."""
        return Reference(kind=(self.to.group, self.to.kind), steps=parse(self.path))


class Renamed:
    """Objects that have another name or namespace than before.

    Args:
        moves: Former and new identity of each; namespaces are those that are meant, not only
            those that are written.
    """

    def __init__(self, moves: Iterable[tuple[ObjectRef, ObjectRef]]) -> None:
        self._moves: dict[ObjectRef, ObjectRef] = {}
        self._anywhere: dict[tuple[GroupKind, str], list[ObjectRef]] = {}
        for old, new in moves:
            kind = old.group_kind
            self._moves[ObjectRef(*kind, old.namespace, old.name)] = new
            self._anywhere.setdefault((kind, old.name), []).append(new)

    def __bool__(self) -> bool:
        return bool(self._moves)

    def find(self, kind: GroupKind, namespace: str | None, name: str) -> ObjectRef | None:
        """Return the new identity of what was called so; ``None`` if it kept its own.

        Args:
            kind: Group and kind.
            namespace: Where it was; ``None`` if only its name is known, which must be the only
                one then.
            name: Its former name.
        """
        if namespace is None:
            found = self._anywhere.get((kind, name), [])
            return found[0] if len(found) == 1 else None
        here = self._moves.get(ObjectRef(*kind, namespace, name))
        return here or self._moves.get(ObjectRef(*kind, "", name))
