"""Where labels and annotations stand beside an object's own metadata, by kind.

The places are those that kustomize changes for ``includeSelectors`` and ``includeTemplates``; a
place marked as made exists afterwards, of the others only those that are there are changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rollwright.rollouts.body import POD_SPECS
from rollwright.rollouts.manifest import Manifest
from rollwright.transformers.places import Step, parse

Places = Iterator[tuple[tuple[Step, ...], bool]]

_TEMPLATED = {
    ("", "ReplicationController"),
    ("apps", "DaemonSet"),
    ("apps", "Deployment"),
    ("apps", "ReplicaSet"),
    ("apps", "StatefulSet"),
    ("batch", "CronJob"),
    ("batch", "Job"),
}
_SELECTORS: Mapping[tuple[str, str], tuple[tuple[str, bool], ...]] = {
    ("", "Service"): (("spec.selector", True),),
    ("", "ReplicationController"): (("spec.selector", True),),
    **{
        ("apps", kind): (("spec.selector.matchLabels", True),)
        for kind in ("DaemonSet", "Deployment", "ReplicaSet", "StatefulSet")
    },
    ("batch", "Job"): (("spec.selector.matchLabels", False),),
    ("batch", "CronJob"): (("spec.jobTemplate.spec.selector.matchLabels", False),),
    ("policy", "PodDisruptionBudget"): (("spec.selector.matchLabels", False),),
    ("networking.k8s.io", "NetworkPolicy"): (
        ("spec.podSelector.matchLabels", False),
        ("spec.ingress[*].from[*].podSelector.matchLabels", False),
        ("spec.egress[*].to[*].podSelector.matchLabels", False),
    ),
}
_SPREAD = (
    (
        "affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution[*]"
        ".podAffinityTerm.labelSelector.matchLabels"
    ),
    (
        "affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[*]"
        ".labelSelector.matchLabels"
    ),
    (
        "affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[*]"
        ".podAffinityTerm.labelSelector.matchLabels"
    ),
    (
        "affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[*]"
        ".labelSelector.matchLabels"
    ),
    "topologySpreadConstraints[*].labelSelector.matchLabels",
)
_SPREADING = {("apps", "Deployment"), ("apps", "StatefulSet")}


def template_places(manifest: Manifest, field: str) -> Places:
    """Yield where the templates of an object have labels or annotations."""
    kind = manifest.ref.group_kind
    if kind not in _TEMPLATED:
        return
    pod = POD_SPECS[kind]
    yield (*pod[:-1], "metadata", field), True
    if kind == ("batch", "CronJob"):
        yield ("spec", "jobTemplate", "metadata", field), True
    if kind == ("apps", "StatefulSet") and field == "labels":
        yield parse("spec.volumeClaimTemplates[*].metadata.labels"), True


def selector_places(manifest: Manifest) -> Places:
    """Yield where an object selects pods by their labels."""
    kind = manifest.ref.group_kind
    for path, is_made in _SELECTORS.get(kind, ()):
        yield parse(path), is_made
    for path in _SPREAD if kind in _SPREADING else ():
        yield (*POD_SPECS[kind], *parse(path)), False
