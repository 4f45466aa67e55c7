"""The kinds that ``FakeCluster`` serves: the usual ones of a cluster, without a cluster."""

from __future__ import annotations

from rollwright.plugins.contracts import ServedKind
from rollwright.rollouts.manifest import group_of

KINDS = """
v1 Namespace namespaces -
v1 ConfigMap configmaps
v1 Secret secrets
v1 Service services
v1 ServiceAccount serviceaccounts
v1 Pod pods
v1 Event events
events.k8s.io/v1 Event events
v1 Node nodes -
v1 PersistentVolume persistentvolumes -
v1 PersistentVolumeClaim persistentvolumeclaims
apps/v1 Deployment deployments
apps/v1 ReplicaSet replicasets
apps/v1 StatefulSet statefulsets
apps/v1 DaemonSet daemonsets
batch/v1 Job jobs
batch/v1 CronJob cronjobs
autoscaling/v2 HorizontalPodAutoscaler horizontalpodautoscalers
policy/v1 PodDisruptionBudget poddisruptionbudgets
networking.k8s.io/v1 Ingress ingresses
networking.k8s.io/v1 NetworkPolicy networkpolicies
rbac.authorization.k8s.io/v1 Role roles
rbac.authorization.k8s.io/v1 RoleBinding rolebindings
rbac.authorization.k8s.io/v1 ClusterRole clusterroles -
rbac.authorization.k8s.io/v1 ClusterRoleBinding clusterrolebindings -
coordination.k8s.io/v1 Lease leases
storage.k8s.io/v1 StorageClass storageclasses -
scheduling.k8s.io/v1 PriorityClass priorityclasses -
admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration validatingwebhookconfigurations -
admissionregistration.k8s.io/v1 MutatingWebhookConfiguration mutatingwebhookconfigurations -
apiextensions.k8s.io/v1 CustomResourceDefinition customresourcedefinitions -
apiregistration.k8s.io/v1 APIService apiservices -
"""
"""``apiVersion``, kind, plural; a dash for what has no namespace."""


def builtin_kinds() -> tuple[ServedKind, ...]:
    """Return the kinds that a fake cluster serves unless told otherwise."""
    rows = [line.split() for line in KINDS.strip().splitlines()]
    return tuple(served_kind(row[0], row[1], row[2], is_namespaced=len(row) == 3) for row in rows)


def served_kind(
    api_version: str, kind: str, plural: str, *, is_namespaced: bool = True
) -> ServedKind:
    """Return a kind as discovery tells it."""
    return ServedKind(
        group=group_of(api_version),
        version=api_version.rpartition("/")[2],
        kind=kind,
        plural=plural,
        is_namespaced=is_namespaced,
        verbs=frozenset(["create", "delete", "get", "list", "patch", "update", "watch"]),
        is_preferred=True,
    )
