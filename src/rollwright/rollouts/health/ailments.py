"""What each pod suffers from, before equal causes are grouped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from rollwright.rollouts.health.containers import Container, Symptom, containers_of
from rollwright.rollouts.health.pods import failure_of, fit_text
from rollwright.rollouts.health.subject import Subject, by_type, changed_at, earliest, moment
from rollwright.rollouts.manifest import Body
from rollwright.rollouts.status import Evidence

LOG_LINES = 20
"""Lines of a crashed container's log that become evidence (HL-149)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ailment:
    """One symptom of one pod."""

    symptom: Symptom
    key: str
    pod_name: str
    started_at: datetime | None
    evidence: Evidence


def began_at(s: Subject, ailment: Ailment) -> datetime | None:
    """When the cause began: as an observer saw it, else as the pod tells."""
    seen = s.context.first_seen.get(ailment.key)
    return earliest(seen, ailment.symptom.began_at) or ailment.started_at


def ailments_of(s: Subject, pods: Iterable[Body]) -> list[Ailment]:
    """Return what the given pods suffer from."""
    lost = _lost_nodes(s.context.nodes)
    return [
        _ailment(s, pod, symptom, container)
        for pod in pods
        for symptom, container in _symptoms(pod, lost)
    ]


def _lost_nodes(nodes: Iterable[Body]) -> frozenset[str]:
    lost = set()
    for node in nodes:
        conditions = by_type((node.get("status") or {}).get("conditions") or ())
        if (conditions.get("Ready") or {}).get("status") in {"False", "Unknown"}:
            lost.add(str((node.get("metadata") or {}).get("name")))
    return frozenset(lost)


def _symptoms(pod: Body, lost: frozenset[str]) -> Iterator[tuple[Symptom, Container | None]]:
    status = pod.get("status") or {}
    phase = status.get("phase")
    if phase == "Succeeded":
        return
    if phase == "Failed":
        code, text = failure_of(pod)
        yield Symptom(code=code, text=text), None
        return
    node = str((pod.get("spec") or {}).get("nodeName") or "")
    if node in lost or status.get("reason") == "NodeLost":
        yield Symptom(code="NodeLost", text=f"node {node or 'unknown'} is not ready"), None
    unschedulable = _unschedulable(pod)
    if unschedulable is not None:
        yield unschedulable, None
    for container in containers_of(pod):
        symptom = container.symptom()
        if symptom is not None:
            yield symptom, container


def _unschedulable(pod: Body) -> Symptom | None:
    conditions = by_type((pod.get("status") or {}).get("conditions") or ())
    scheduled = conditions.get("PodScheduled") or {}
    if scheduled.get("status") != "False" or scheduled.get("reason") != "Unschedulable":
        return None
    text = fit_text(str(scheduled.get("message") or "no node fits"))
    return Symptom(code="Unschedulable", text=text, began_at=changed_at(scheduled))


def _ailment(s: Subject, pod: Body, symptom: Symptom, container: Container | None) -> Ailment:
    metadata, status = pod.get("metadata") or {}, pod.get("status") or {}
    name = str(metadata.get("name") or "")
    log = s.context.previous_logs.get((name, container.name)) if container else None
    said = container.waiting_message if container else ""
    if log and symptom.code in {"CrashLoop", "OutOfMemory"}:
        said = "\n".join(log.splitlines()[-LOG_LINES:])
    about = container.name if container else symptom.text
    return Ailment(
        symptom=symptom,
        key=f"{symptom.code}:{about}" + (f":{container.image}" if container else ""),
        pod_name=name,
        started_at=moment(status.get("startTime")) or moment(metadata.get("creationTimestamp")),
        evidence=Evidence(
            kind="Pod", name=name, uid=str(metadata.get("uid") or ""), text=said or symptom.text
        ),
    )
