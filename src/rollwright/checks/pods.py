"""Pods as checks see them: whose they are, how often they restarted, how containers ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rollwright.rollouts.health.ownership import controller_of
from rollwright.rollouts.manifest import Body

_STATUSES = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
_JOB_LABELS = ("batch.kubernetes.io/job-name", "job-name")


def pods_of_job(job: Body, pods: Iterable[Body]) -> tuple[Body, ...]:
    """Return the pods that carry the name of a Job, without those of a former one."""
    return tuple(pod for pod in pods if _is_of_job(pod, job))


def _is_of_job(pod: Body, job: Body) -> bool:
    ours, theirs = job.get("metadata") or {}, pod.get("metadata") or {}
    if theirs.get("namespace") != ours.get("namespace"):
        return False
    owner = controller_of(pod)
    if owner is not None and owner.get("uid") and ours.get("uid"):
        return bool(owner["uid"] == ours["uid"])
    labels = theirs.get("labels") or {}
    by_label = any(labels.get(key) == ours.get("name") for key in _JOB_LABELS)
    by_owner = owner is not None and owner.get("kind") == "Job"
    return by_label or (by_owner and (owner or {}).get("name") == ours.get("name"))


def container_statuses(pod: Body) -> Iterator[Mapping[str, Any]]:
    """Yield the status of every container of a pod, whatever its kind."""
    status = pod.get("status") or {}
    for key in _STATUSES:
        yield from status.get(key) or ()


def ends_of(container: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the ends of a container's present and last life."""
    for key in ("state", "lastState"):
        end = (container.get(key) or {}).get("terminated")
        if end:
            yield end


def restarts_of(pod: Body) -> int:
    """Return how often containers of a pod were started again."""
    return sum(int(one.get("restartCount") or 0) for one in container_statuses(pod))


def name_of(pod: Body) -> str:
    """Return the pod's name."""
    return str((pod.get("metadata") or {}).get("name") or "")


def key_of(pod: Body) -> str:
    """Return what tells a pod from a later one of the same name."""
    return str((pod.get("metadata") or {}).get("uid") or name_of(pod))
