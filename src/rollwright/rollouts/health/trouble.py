"""What events tell a person: volumes, probes, scheduling, load balancers, nodes (HL-147)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rollwright.rollouts.health.events import Occurrence
from rollwright.rollouts.health.pods import fit_text
from rollwright.rollouts.health.subject import by_type, plural
from rollwright.rollouts.manifest import Body
from rollwright.rollouts.status import Evidence

_VOLUME = frozenset({"FailedMount", "FailedAttachVolume", "ProvisioningFailed"})
_MOUNT = re.compile(r'^\S+ failed for volume "(?P<name>[^"]+)" : (?P<why>.+)$')
_CLASS = re.compile(r'storageclass(?:\.storage\.k8s\.io)? "(?P<name>[^"]+)" not found')
_PROBE = re.compile(r"^(?P<probe>\w+) probe (?P<how>failed|errored)[^:]*: ?(?P<why>.*)$")
_HTTP = re.compile(r"HTTP probe failed with statuscode: (?P<code>\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A cause that only an event shows; it never ends a wait."""

    code: str
    text: str
    evidence: Evidence


def troubles(seen: Iterable[Occurrence], pods: Sequence[Body]) -> Iterator[Trouble]:
    """Yield what the events tell, without what the pods have since got over."""
    by_uid = {str((pod.get("metadata") or {}).get("uid")): pod for pod in pods}
    for one in seen:
        code, text = _reading(one)
        if code and not _is_over(code, by_uid.get(one.uid)):
            yield Trouble(code=code, text=text, evidence=one.evidence)


def _reading(one: Occurrence) -> tuple[str, str]:
    message = " ".join(one.message.split())
    if one.reason in _VOLUME:
        return "VolumeProblem", _volume_text(one, message)
    if one.reason == "Unhealthy":
        return "NotReady", _probe_text(message, one.count)
    if one.reason == "FailedScheduling":
        return "Unschedulable", fit_text(message)
    if one.reason == "SyncLoadBalancerFailed":
        return "NoAddress", f"no address: {message}"
    if one.reason == "NodeNotReady":
        return "NodeLost", message or "its node is not ready"
    return "", ""


def _volume_text(one: Occurrence, message: str) -> str:
    mount = _MOUNT.match(message)
    name, why = (mount["name"], mount["why"]) if mount else ("", message)
    if not name and one.kind == "PersistentVolumeClaim":
        name = one.name
    missing = _CLASS.search(why)
    why = f"storage class '{missing['name']}' not found" if missing else why.replace('"', "'")
    return f"volume {name}: {why}" if name else f"volume: {why}"


def _probe_text(message: str, count: int) -> str:
    match = _PROBE.match(message)
    if match is None:
        return f"{message} ({plural(count, 'time')})"
    status = _HTTP.search(match["why"])
    why = f"HTTP {status['code']}" if status else match["why"]
    return f"{match['probe'].lower()} probe fails: {why} ({plural(count, 'time')})"


def _is_over(code: str, pod: Body | None) -> bool:
    """Whether a pod has got over what the event told."""
    if pod is None:
        return False
    status, spec = pod.get("status") or {}, pod.get("spec") or {}
    if code == "Unschedulable":
        return bool(spec.get("nodeName"))
    if code == "VolumeProblem":
        return status.get("phase") not in {None, "Pending"}
    ready = by_type(status.get("conditions") or ()).get("Ready") or {}
    return ready.get("status") == "True"
