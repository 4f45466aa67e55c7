"""Deployment, ReplicaSet, ReplicationController, StatefulSet, DaemonSet.

In each rule the first test that hits decides; ``wanted`` is ``spec.replicas``, 1 when absent.
"""

from __future__ import annotations

from math import ceil

from rollwright.rollouts.health.creation import refusal_in, refused_creation
from rollwright.rollouts.health.revision import new_replica_set
from rollwright.rollouts.health.subject import (
    Finding,
    Subject,
    after_window,
    changed_at,
    current,
    from_condition,
    in_progress,
    plural,
    text_of,
)
from rollwright.rollouts.status import HealthWarning, Status

NO_DEADLINE = 2147483647
"""``progressDeadlineSeconds`` of a Deployment that asks for none."""


def replicas_of(s: Subject) -> int:
    """Return how many replicas the spec asks for."""
    replicas = s.spec.get("replicas")
    return 1 if replicas is None else int(replicas)


def deployment(s: Subject) -> Finding:
    """Judge an apps/Deployment (HL-30..39)."""
    return (
        _past_deadline(s)
        or _replica_failure(s)
        or _no_progress(s)
        or _enough_available(s)
        or _deployment_counters(s)
        or _deployment_conditions(s)
        or current("ready", f"Ready: {s.count('readyReplicas')}/{replicas_of(s)}")
    )


def _ready(s: Subject) -> str:
    return f"Ready: {s.count('readyReplicas')}/{replicas_of(s)}"


def _past_deadline(s: Subject) -> Finding | None:
    progressing = s.conditions.get("Progressing")
    if progressing is None or progressing.get("reason") != "ProgressDeadlineExceeded":
        return None
    deadline = s.spec.get("progressDeadlineSeconds") or 600
    found = from_condition(Status.FAILED, "deadline", progressing)
    words = f"not done within {deadline} s; {_ready(s)}"
    return Finding(found.status, found.test, found.reason, words, found.since)


def _replica_failure(s: Subject) -> Finding | None:
    condition = s.conditions.get("ReplicaFailure")
    if condition is None or condition.get("status") != "True":
        return None
    refusal = refusal_in(text_of(condition))
    since = changed_at(condition)
    if refusal is None:
        reason = str(condition.get("reason") or "ReplicaFailure")
        return Finding(Status.IN_PROGRESS, "replica-failure", reason, text_of(condition), since)
    finding = Finding(Status.FAILED, "refused", refusal.code, refusal.text, since)
    return after_window(finding, since, refusal.window(s.options.windows), s)


def _no_progress(s: Subject) -> Finding | None:
    condition = s.conditions.get("Progressing")
    if condition is None or condition.get("status") != "False":
        return None
    finding = from_condition(Status.FAILED, "no-progress", condition)
    return after_window(finding, finding.since, s.options.windows.condition_flap, s)


def _enough_available(s: Subject) -> Finding | None:
    """HL-39: that many updated pods are available, and nothing else of the counters matters."""
    enough = s.options.min_available
    if enough is None:
        return None
    wanted = replicas_of(s)
    needed = ceil(wanted * int(enough[:-1]) / 100) if enough.endswith("%") else int(enough)
    needed = min(needed, wanted)
    available = _updated_available(s)
    if available >= needed:
        return current("min-available", f"Available: {available}/{wanted}, {needed} are enough")
    words = f"Available: {available}/{wanted}, {needed} needed"
    return in_progress("min-available", "LessAvailable", words)


def _updated_available(s: Subject) -> int:
    """Count available pods of the new revision; without its ReplicaSet, the fewest there can be."""
    newest = new_replica_set(s.body, s.context.replica_sets)
    if newest is not None:
        return int((newest.get("status") or {}).get("availableReplicas") or 0)
    old = s.count("replicas") - s.count("updatedReplicas")
    return max(0, min(s.count("updatedReplicas"), s.count("availableReplicas") - old))


def _deployment_counters(s: Subject) -> Finding | None:
    wanted, replicas, updated = replicas_of(s), s.count("replicas"), s.count("updatedReplicas")
    available, ready = s.count("availableReplicas"), s.count("readyReplicas")
    if wanted > replicas:
        return in_progress("replicas", "LessReplicas", f"Replicas: {replicas}/{wanted}")
    if wanted > updated:
        return in_progress("updated", "LessUpdated", f"Updated: {updated}/{wanted}")
    if replicas > wanted or replicas > updated:
        old = plural(replicas - updated, "old pod")
        words = f"{old} still there" if replicas > updated else "more pods than wanted"
        return in_progress("extra", "ExtraPods", f"{words}: {replicas}/{wanted}")
    if updated > available:
        words = f"Available: {available}/{updated}"
        words = f"Ready: {ready}/{wanted}, {words.lower()}" if wanted > ready else words
        return in_progress("available", "LessAvailable", words)
    if wanted > ready:
        return in_progress("ready", "LessReady", _ready(s))
    return None


def _deployment_conditions(s: Subject) -> Finding | None:
    progressing = s.conditions.get("Progressing") or {}
    is_complete = (
        progressing.get("status") == "True"
        and progressing.get("reason") == "NewReplicaSetAvailable"
    )
    if not is_complete and s.spec.get("progressDeadlineSeconds") not in {None, NO_DEADLINE}:
        words = str(progressing.get("message") or "the new ReplicaSet is not complete yet")
        return in_progress("progressing", "ReplicaSetNotAvailable", words)
    if (s.conditions.get("Available") or {}).get("status") != "True":
        words = f"the Deployment does not report itself available; {_ready(s)}"
        return in_progress("condition", "NotAvailable", words)
    return None


def replica_set(s: Subject) -> Finding:
    """Judge a ReplicaSet or a ReplicationController (HL-40..43)."""
    if not s.status:
        return in_progress("status", "NotObserved", "its controller has not looked at it yet")
    condition = s.conditions.get("ReplicaFailure") or {}
    if condition.get("status") == "True":
        refusal = refusal_in(text_of(condition))
        if refusal is None:
            return from_condition(Status.FAILED, "replica-failure", condition)
        since = changed_at(condition)
        return Finding(Status.FAILED, "refused", refusal.code, refusal.text, since)
    return _replica_set_counters(s) or current("ready", _ready(s))


def _replica_set_counters(s: Subject) -> Finding | None:
    wanted, replicas = replicas_of(s), s.count("replicas")
    labeled, available = s.count("fullyLabeledReplicas"), s.count("availableReplicas")
    if s.ref.kind == "ReplicaSet" and wanted > labeled:
        return in_progress("labeled", "LessLabeled", f"Labeled: {labeled}/{wanted}")
    if wanted > available:
        return in_progress("available", "LessAvailable", f"Available: {available}/{wanted}")
    if wanted > s.count("readyReplicas"):
        return in_progress("ready", "LessReady", _ready(s))
    if replicas > wanted:
        extra = plural(replicas - wanted, "pod")
        return in_progress("extra", "ExtraPods", f"{extra} too many: {replicas}/{wanted}")
    return None


def stateful_set(s: Subject) -> Finding:
    """Judge an apps/StatefulSet (HL-45..53)."""
    if not s.count("observedGeneration"):
        return in_progress("observed", "NotObserved", "its controller has not looked at it yet")
    found = _stateful_counters(s)
    if found is not None:
        return refused_creation(s) or found
    strategy = s.spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return _on_delete(s.count("replicas") - s.count("updatedReplicas"))
    partition = (strategy.get("rollingUpdate") or {}).get("partition")
    return _stateful_revision(s) if partition is None else _partitioned(s, int(partition))


def _stateful_counters(s: Subject) -> Finding | None:
    wanted, replicas, available = (
        replicas_of(s),
        s.count("replicas"),
        s.count("availableReplicas"),
    )
    if wanted > replicas:
        return in_progress("replicas", "LessReplicas", f"Replicas: {replicas}/{wanted}")
    if wanted > s.count("readyReplicas"):
        return in_progress("ready", "LessReady", _ready(s))
    if replicas > wanted:
        extra = plural(replicas - wanted, "pod")
        return in_progress("extra", "ExtraPods", f"{extra} too many: {replicas}/{wanted}")
    if s.spec.get("minReadySeconds") and wanted > available:
        return in_progress("available", "LessAvailable", f"Available: {available}/{wanted}")
    return None


def _on_delete(pending: int, *further: HealthWarning) -> Finding:
    words = f"pods pending manual delete: {max(0, pending)}"
    warnings = (HealthWarning(code="PodsPendingManualDelete", text=words), *further)
    kept = warnings if pending > 0 else further
    return Finding(Status.CURRENT, "on-delete", message=words, warnings=kept)


def _partitioned(s: Subject, partition: int) -> Finding:
    wanted, updated = replicas_of(s), s.count("updatedReplicas")
    if updated < wanted - partition:
        words = f"Updated: {updated}/{wanted - partition}"
        return in_progress("partition", "LessUpdated", words)
    kept = min(partition, wanted)
    note = f"; {plural(kept, 'old pod')} kept by the partition" if kept else ""
    return current("partition", _ready(s) + note)


def _stateful_revision(s: Subject) -> Finding:
    wanted, settled = replicas_of(s), s.count("currentReplicas")
    if wanted > settled:
        return in_progress("current", "LessUpdated", f"Of the current revision: {settled}/{wanted}")
    if s.status.get("currentRevision") != s.status.get("updateRevision"):
        revision = s.status.get("updateRevision")
        words = f"revision {revision} is not the current one yet"
        return in_progress("revision", "RevisionPending", words)
    return current("ready", _ready(s))


def daemon_set(s: Subject) -> Finding:
    """Judge an apps/DaemonSet (HL-55..58)."""
    if s.metadata.get("generation") is None or s.status.get("observedGeneration") is None:
        return in_progress("observed", "NotObserved", "its controller has not looked at it yet")
    desired = s.count("desiredNumberScheduled")
    if (s.spec.get("updateStrategy") or {}).get("type") == "OnDelete":
        missing = desired - s.count("numberAvailable")
        words = f"pods unavailable: {missing}"
        away = (HealthWarning(code="PodsUnavailable", text=words),) if missing > 0 else ()
        return _on_delete(desired - s.count("updatedNumberScheduled"), *away)
    if s.status.get("desiredNumberScheduled") is None:
        return in_progress("desired", "NotObserved", "the number of nodes is not known yet")
    return _daemon_counters(s, desired) or current("ready", f"Ready: {desired}/{desired}")


_DAEMON_COUNTERS = (
    ("currentNumberScheduled", "LessReplicas", "Scheduled"),
    ("updatedNumberScheduled", "LessUpdated", "Updated"),
    ("numberAvailable", "LessAvailable", "Available"),
    ("numberReady", "LessReady", "Ready"),
)


def _daemon_counters(s: Subject, desired: int) -> Finding | None:
    for field, reason, word in _DAEMON_COUNTERS:
        if desired > s.count(field):
            return in_progress(word.lower(), reason, f"{word}: {s.count(field)}/{desired}")
    return None
