"""A Pod that is asked for by itself (HL-60..72).

A Pod with a controller gives reasons for its owner's verdict (``causes``); asked for by itself,
it has Failed only while nobody is there to replace it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rollwright.rollouts.health.containers import Container, containers_of
from rollwright.rollouts.health.ownership import controller_of
from rollwright.rollouts.health.subject import (
    Finding,
    Rule,
    Subject,
    after_window,
    changed_at,
    current,
    failed,
    in_progress,
)
from rollwright.rollouts.status import Status

IGNORE_RESTART_POLICY = "argocd.argoproj.io/ignore-restart-policy"


def pod(s: Subject) -> Finding:
    """Judge a Pod."""
    policy = s.spec.get("restartPolicy") or "Always"
    restarts = policy == "Always" or IGNORE_RESTART_POLICY in s.annotations
    broken = _broken_container(s) if restarts else None
    if broken is not None:
        return broken
    phase = s.status.get("phase")
    if phase == "Running":
        return _running(s, policy, restarts=restarts)
    rule = _PHASES.get(phase)
    if rule is None:
        return Finding(Status.UNKNOWN, "phase", "UnknownPhase", f"phase {phase!r} says nothing")
    return rule(s)


def is_error(waiting_reason: str) -> bool:
    """Whether a container waits because something went wrong."""
    return waiting_reason.startswith("Err") or waiting_reason.endswith(("Error", "BackOff"))


def _broken_container(s: Subject) -> Finding | None:
    """HL-60: sidecars first, then init containers, then the others."""
    for container in containers_of(s.body):
        if is_error(container.waiting_reason):
            symptom = container.symptom()
            words = symptom.text if symptom else container.waiting_message
            code = symptom.code if symptom else container.waiting_reason
            return failed("container", code, words or container.waiting_reason)
    return None


def _running(s: Subject, policy: str, *, restarts: bool) -> Finding:
    if not restarts:
        words = f"the pod runs; with restartPolicy {policy} it is done when it has ended"
        return in_progress("running", "Running", words)
    if (s.conditions.get("Ready") or {}).get("status") == "True":
        return current("ready", "the pod is ready")
    for container in containers_of(s.body):
        if container.kind == "container" and container.has_died:
            symptom = container.symptom()
            words = f"container {container.name} was restarted and is not ready"
            if symptom is None:
                return failed("restarted", "CrashLoop", words)
            return failed("restarted", symptom.code, symptom.text)
    return in_progress("not-ready", "NotReady", _not_ready(s))


def _not_ready(s: Subject) -> str:
    containers = [one for one in containers_of(s.body) if one.kind == "container"]
    waiting = ", ".join(one.name for one in containers if not one.is_ready)
    return f"not ready yet: {waiting}" if waiting else "the pod is not ready yet"


def _pending(s: Subject) -> Finding:
    scheduled = s.conditions.get("PodScheduled") or {}
    if scheduled.get("status") != "False" or scheduled.get("reason") != "Unschedulable":
        return _starting(s)
    since = changed_at(scheduled) or s.created_at
    words = fit_text(str(scheduled.get("message") or "no node fits"))
    if controller_of(s.body) is not None:
        return in_progress("unschedulable", "Unschedulable", words)
    finding = Finding(Status.FAILED, "unschedulable", "Unschedulable", words, since)
    return after_window(finding, since, s.options.windows.unschedulable, s)


def _starting(s: Subject) -> Finding:
    for container in containers_of(s.body):
        symptom = container.symptom()
        if symptom is not None:
            return in_progress("pending", symptom.code, symptom.text)
    return in_progress("pending", "Pending", str(s.status.get("message") or "the pod is starting"))


def _succeeded(_: Subject) -> Finding:
    return current("succeeded", "the pod has ended well")


def _failed(s: Subject) -> Finding:
    code, words = failure_of(s.body)
    code = "OutOfMemory" if words == "OOMKilled" else code
    owner = controller_of(s.body)
    if owner is not None:
        words = f"{words}; {owner.get('kind')} {owner.get('name')} decides what comes next"
        return in_progress("failed-owned", code, words)
    return failed("failed", code, words)


_PHASES: Mapping[Any, Rule] = {
    "Succeeded": _succeeded,
    "Failed": _failed,
    "Pending": _pending,
    None: _pending,
    "": _pending,
}


def failure_of(body: Mapping[str, Any]) -> tuple[str, str]:
    """Return code and text for a pod whose phase is Failed (HL-71)."""
    status = body.get("status") or {}
    reason = str(status.get("reason") or "")
    code = "Evicted" if reason in {"Evicted", "Preempting"} else "PodFailed"
    message = str(status.get("message") or "")
    if code == "Evicted":
        return code, f"pod evicted: {_first_sentence(message) or reason}"
    if message:
        return code, message
    for container in _init_first(body):
        words = _last_words(container)
        if words:
            return code, words
    return code, reason or "the pod has failed"


def _init_first(body: Mapping[str, Any]) -> Iterator[Container]:
    containers = containers_of(body)
    yield from (one for one in containers if one.kind != "container")
    yield from (one for one in containers if one.kind == "container")


def _last_words(container: Container) -> str:
    end = container.terminated
    if end.get("message"):
        return str(end["message"]).strip()
    if end.get("reason") == "OOMKilled":
        return "OOMKilled"
    code = end.get("exitCode")
    return f"container {container.name} failed with exit code {code}" if code else ""


def _first_sentence(message: str) -> str:
    sentence = message.strip().partition(". ")[0].rstrip(".")
    return sentence.removeprefix("Pod ").replace("The node was ", "node was ", 1)


def fit_text(message: str) -> str:
    """Say in few words why no node fits."""
    line = " ".join(message.split()).partition(" preemption:")[0].rstrip(".")
    head, found, causes = line.partition(" nodes are available: ")
    if not found:
        return line
    parts = [_short_cause(part) for part in causes.split(", ")]
    return f"{head} nodes fit: {', '.join(parts)}"


def _short_cause(part: str) -> str:
    for long, short in _CAUSES:
        part = part.replace(long, short)
    return part


_CAUSES = (
    ("node(s) had ", ""),
    ("node(s) ", ""),
    ("Insufficient ", "insufficient "),
)
