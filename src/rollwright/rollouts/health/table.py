"""Every built-in rule in plain sight: (group, kind) → function (HL-23).

A new kind is a function in the module of its subject and one row here; the version of the API
never matters, and old group names mean the kinds of today.
"""

from __future__ import annotations

from collections.abc import Mapping

from rollwright.rollouts.health import control, jobs, network, pods, storage, workloads
from rollwright.rollouts.health.control import without_behavior
from rollwright.rollouts.health.subject import Rule

RULES: Mapping[tuple[str, str], Rule] = {
    ("", "Pod"): pods.pod,
    ("", "ReplicationController"): workloads.replica_set,
    ("", "PersistentVolumeClaim"): storage.claim,
    ("", "PersistentVolume"): storage.volume,
    ("", "Service"): network.service,
    ("", "Namespace"): control.namespace,
    ("apps", "Deployment"): workloads.deployment,
    ("apps", "ReplicaSet"): workloads.replica_set,
    ("apps", "StatefulSet"): workloads.stateful_set,
    ("apps", "DaemonSet"): workloads.daemon_set,
    ("batch", "Job"): jobs.job,
    ("batch", "CronJob"): jobs.cron_job,
    ("networking.k8s.io", "Ingress"): network.ingress,
    ("autoscaling", "HorizontalPodAutoscaler"): control.autoscaler,
    ("policy", "PodDisruptionBudget"): control.disruption_budget,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): control.definition,
    ("apiregistration.k8s.io", "APIService"): control.api_service,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): control.admission_policy,
    ("", "ConfigMap"): without_behavior,
    ("", "Secret"): without_behavior,
    ("", "ServiceAccount"): without_behavior,
    ("", "LimitRange"): without_behavior,
    ("", "ResourceQuota"): without_behavior,
    ("", "Endpoints"): without_behavior,
    ("rbac.authorization.k8s.io", "Role"): without_behavior,
    ("rbac.authorization.k8s.io", "RoleBinding"): without_behavior,
    ("rbac.authorization.k8s.io", "ClusterRole"): without_behavior,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): without_behavior,
    ("networking.k8s.io", "NetworkPolicy"): without_behavior,
    ("networking.k8s.io", "IngressClass"): without_behavior,
    ("scheduling.k8s.io", "PriorityClass"): without_behavior,
    ("node.k8s.io", "RuntimeClass"): without_behavior,
    ("storage.k8s.io", "StorageClass"): without_behavior,
    ("discovery.k8s.io", "EndpointSlice"): without_behavior,
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): without_behavior,
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): without_behavior,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"): without_behavior,
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"): without_behavior,
}


def has_behavior(group: str, kind: str) -> bool:
    """Whether a verdict on the kind can depend on more than its metadata."""
    return RULES.get((group, kind)) is not without_behavior
