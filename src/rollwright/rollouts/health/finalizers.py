"""Who takes a finalizer off: the controllers behind the finalizers that people meet.

Before: an object cannot go yet. After: ``deletion`` and the blast radius name who has to act.

Most of the table is what the controllers' own documentation says; a finalizer that is not in it
is at least known by its domain.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """Who takes a finalizer off.

    Attributes:
        name: For people.
        words: Words of which one stands in the name of its Deployment; empty for a part of the
            control plane, which always runs.
        is_known: Whether it stands in the table; else only the domain tells.
    """

    name: str
    words: tuple[str, ...] = ()
    is_known: bool = True


_CONTROL_PLANE = {
    "foregroundDeletion": "the garbage collector, once the children are gone",
    "orphan": "the garbage collector, once the children have no owner any more",
    "kubernetes": "the namespace controller, once the namespace is empty",
    "kubernetes.io/pvc-protection": "the control plane, once no pod uses the claim",
    "kubernetes.io/pv-protection": "the control plane, once no claim is bound to the volume",
    "customresourcecleanup.apiextensions.k8s.io": "the API server, once no object is left",
    "batch.kubernetes.io/job-tracking": "the job controller, once the pod is counted",
    "resource.kubernetes.io/delete-protection": "the control plane, once no pod uses the claim",
}
# What a finalizer starts or ends with, or holds → who, and words of the name of its Deployment.
_CONTROLLERS: tuple[tuple[str, Keeper], ...] = (
    ("service.kubernetes.io/load-balancer-cleanup", Keeper(
        name="the cloud controller that made the load balancer",
        words=("cloud-controller", "load-balancer", "loadbalancer", "metallb"))),
    ("elbv2.k8s.aws/", Keeper(name="the AWS load balancer controller", words=("load-balancer",))),
    ("ingress.k8s.aws/", Keeper(name="the AWS load balancer controller", words=("load-balancer",))),
    ("networking.gke.io/", Keeper(name="the GKE ingress controller", words=("glbc", "gke"))),
    ("argocd.argoproj.io", Keeper(name="the application controller of Argo CD", words=("argocd",))),
    ("rollouts.argoproj.io", Keeper(name="Argo Rollouts", words=("argo-rollouts",))),
    ("fluxcd.io", Keeper(
        name="the controllers of Flux",
        words=("kustomize-controller", "helm-controller", "source-controller"))),
    ("acme.cert-manager.io", Keeper(name="cert-manager", words=("cert-manager",))),
    ("cert-manager.io", Keeper(name="cert-manager", words=("cert-manager",))),
    ("crossplane.io", Keeper(name="Crossplane and its providers", words=("crossplane", "provider"))),
    ("cluster.x-k8s.io", Keeper(name="Cluster API", words=("capi", "cluster-api"))),
    ("snapshot.storage.kubernetes.io", Keeper(
        name="the snapshot controller", words=("snapshot",))),
    ("external-provisioner.volume.kubernetes.io", Keeper(
        name="the CSI provisioner of the storage class", words=("csi", "provisioner"))),
    ("external-attacher/", Keeper(name="the CSI attacher", words=("csi", "attacher"))),
    ("external-secrets.io", Keeper(name="External Secrets", words=("external-secrets",))),
    ("keda.sh", Keeper(name="KEDA", words=("keda",))),
    ("velero.io", Keeper(name="Velero", words=("velero",))),
    ("longhorn.io", Keeper(name="Longhorn", words=("longhorn",))),
    ("rook.io", Keeper(name="Rook", words=("rook",))),
    ("istio", Keeper(name="the operator of Istio", words=("istio",))),
    ("karpenter.sh", Keeper(name="Karpenter", words=("karpenter",))),
    ("tekton.dev", Keeper(name="Tekton", words=("tekton",))),
    ("operator.victoriametrics.com", Keeper(
        name="the operator of VictoriaMetrics", words=("vm-operator", "victoria"))),
    ("strimzi.io", Keeper(name="Strimzi", words=("strimzi",))),
    ("cnrm.cloud.google.com", Keeper(name="Config Connector", words=("cnrm",))),
)  # fmt: skip
_IDLE_WORDS = frozenset({"com", "org", "net", "io", "dev", "k8s", "sh", "finalizer", "finalizers"})


def keeper_of(finalizer: str) -> Keeper | None:
    """Return who takes a finalizer off; ``None`` if not even its domain tells."""
    if name := _CONTROL_PLANE.get(finalizer):
        return Keeper(name=name)
    found = next((keeper for text, keeper in _CONTROLLERS if text in finalizer), None)
    if found is not None:
        return found
    domain = finalizer.partition("/")[0]
    words = tuple(
        word for word in domain.split(".") if len(word) > 2 and word.lower() not in _IDLE_WORDS
    )
    name = f"a controller of {domain}"
    return Keeper(name=name, words=words, is_known=False) if "." in domain else None


def is_running(keeper: Keeper, names: Iterable[str]) -> bool:
    """Whether one of the Deployments that are ready looks like the keeper's."""
    if not keeper.words:
        return True
    return any(word in name for name in names for word in keeper.words)
