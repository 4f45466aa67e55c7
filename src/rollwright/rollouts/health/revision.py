"""Which pods are of the new revision of a workload.

Only they can fail a wait; pods of older revisions are on their way out and give warnings
(HL-129). Nothing is guessed: when the new revision is not known, there are no such pods.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rollwright.rollouts.health.ownership import is_owned_by
from rollwright.rollouts.manifest import Body

REVISION = "deployment.kubernetes.io/revision"
POD_HASH = "pod-template-hash"
REVISION_HASH = "controller-revision-hash"
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


def new_replica_set(deployment: Body, replica_sets: Iterable[Body]) -> Body | None:
    """Return the ReplicaSet whose revision equals the Deployment's."""
    revision = _annotation(deployment, REVISION)
    if revision is None:
        return None
    owned = (one for one in replica_sets if is_owned_by(one, deployment))
    return next((one for one in owned if _annotation(one, REVISION) == revision), None)


def new_revision_pods(
    workload: Body,
    replica_sets: Iterable[Body],
    pods: Iterable[Body],
    controller_revisions: Iterable[Body] = (),
) -> tuple[Body, ...]:
    """Return the pods that a workload's present template made."""
    return split_pods(workload, tuple(replica_sets), tuple(pods), tuple(controller_revisions))[0]


def split_pods(
    workload: Body,
    replica_sets: Sequence[Body],
    pods: Sequence[Body],
    controller_revisions: Sequence[Body] = (),
) -> tuple[tuple[Body, ...], tuple[Body, ...]]:
    """Return the pods of the new revision, and those of older ones."""
    kind = workload.get("kind")
    if kind == "Deployment":
        return _deployment_pods(workload, replica_sets, pods)
    owned = tuple(pod for pod in pods if is_owned_by(pod, workload))
    if kind == "StatefulSet":
        revision = (workload.get("status") or {}).get("updateRevision")
        return _by_label(owned, REVISION_HASH, revision)
    if kind == "DaemonSet":
        return _daemon_pods(workload, controller_revisions, owned)
    return owned, ()


def _deployment_pods(
    workload: Body, replica_sets: Sequence[Body], pods: Sequence[Body]
) -> tuple[tuple[Body, ...], tuple[Body, ...]]:
    owned_sets = [one for one in replica_sets if is_owned_by(one, workload)]
    newest = new_replica_set(workload, owned_sets)
    owned = tuple(pod for pod in pods if any(is_owned_by(pod, one) for one in owned_sets))
    if newest is None:
        return (), ()
    wanted = _label(newest, POD_HASH)
    if wanted is not None:
        return _by_label(owned, POD_HASH, wanted)
    new = tuple(pod for pod in owned if is_owned_by(pod, newest))
    return new, tuple(pod for pod in owned if pod not in new)


def _daemon_pods(
    workload: Body, controller_revisions: Sequence[Body], owned: tuple[Body, ...]
) -> tuple[tuple[Body, ...], tuple[Body, ...]]:
    revisions = [one for one in controller_revisions if is_owned_by(one, workload)]
    if revisions:
        newest = max(revisions, key=lambda one: int(one.get("revision") or 0))
        return _by_label(owned, REVISION_HASH, _label(newest, REVISION_HASH))
    generation = _annotation(workload, TEMPLATE_GENERATION)
    return _by_label(owned, "pod-template-generation", generation)


def _by_label(
    owned: tuple[Body, ...], label: str, value: str | None
) -> tuple[tuple[Body, ...], tuple[Body, ...]]:
    if value is None:
        return (), ()
    new = tuple(pod for pod in owned if _label(pod, label) == value)
    return new, tuple(pod for pod in owned if _label(pod, label) != value)


def _label(body: Body, name: str) -> str | None:
    return ((body.get("metadata") or {}).get("labels") or {}).get(name)


def _annotation(body: Body, name: str) -> str | None:
    return ((body.get("metadata") or {}).get("annotations") or {}).get(name)
