"""Why an object is not Current, in words: the causes that its pods and events show (HL-146..149).

Before: the rule of a kind counted replicas; ``revision`` says which pods are of the new revision.
After: ``verdict`` adds the causes to the message, ``wait`` ends a wait for those that outlast
their window. A window belongs to a cause: a new cause starts its own (HL-127).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from rollwright.rollouts.health.ailments import Ailment, ailments_of, began_at
from rollwright.rollouts.health.containers import Symptom
from rollwright.rollouts.health.context import Windows
from rollwright.rollouts.health.creation import refusals
from rollwright.rollouts.health.events import occurrences
from rollwright.rollouts.health.ownership import controller_of
from rollwright.rollouts.health.revision import split_pods
from rollwright.rollouts.health.subject import Subject, earliest, is_over, plural
from rollwright.rollouts.health.trouble import troubles
from rollwright.rollouts.manifest import Body
from rollwright.rollouts.status import Evidence, HealthWarning

MAX_GROUPS = 5
"""Causes that one message names at most."""

WINDOW_OF: Mapping[str, str] = {
    "ImagePull": "image_pull",
    "InvalidImage": "invalid_image",
    "CrashLoop": "crash_loop",
    "OutOfMemory": "crash_loop",
    "ConfigMissing": "config_error",
    "StartError": "config_error",
    "QuotaExceeded": "quota",
    "AdmissionDenied": "admission",
}
"""The causes that end a wait early, with the name of their window (HL-147)."""

_NEEDS_RESTARTS = frozenset({"CrashLoop", "OutOfMemory"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One cause, over all pods and events that show it.

    Attributes:
        key: The same for as long as the cause lasts; observers remember it by this.
        is_early: Whether it ends a wait before any deadline once its window is over.
        has_failed: Whether that is so now.
        fails_at: When it will be so; ``None`` when that takes more than time.
    """

    code: str
    text: str
    key: str
    is_early: bool = False
    has_failed: bool = False
    fails_at: datetime | None = None
    evidence: tuple[Evidence, ...] = ()


def causes_of(s: Subject) -> tuple[Cause, ...]:
    """Return every cause, those that end a wait first."""
    pods, _ = pods_of(s)
    grouped = _grouped(s, ailments_of(s, pods), sum(1 for pod in pods if not is_finished(pod)))
    codes = {cause.code for cause in grouped}
    happened = [cause for cause in _from_events(s, pods) if cause.code not in codes]
    found = (*grouped, *happened)
    return tuple(sorted(found, key=lambda one: not one.is_early))


def pods_of(s: Subject) -> tuple[tuple[Body, ...], tuple[Body, ...]]:
    """Return an object's pods of the new revision and of older ones; a Pod is its own."""
    if s.ref.kind == "Pod" and not s.ref.group:
        return (s.body,), ()
    context = s.context
    if not context.pods:
        return (), ()
    body = s.body if "kind" in s.body else {**s.body, "kind": s.ref.kind}
    return split_pods(body, context.replica_sets, context.pods, context.controller_revisions)


def is_finished(pod: Body) -> bool:
    """Whether a pod has ended, well or badly."""
    return (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}


def old_pod_warnings(s: Subject) -> tuple[HealthWarning, ...]:
    """Pods of older revisions never fail a wait, but one should know (HL-129)."""
    _, old = pods_of(s)
    groups: dict[str, list[Ailment]] = {}
    for ailment in ailments_of(s, old):
        groups.setdefault(ailment.symptom.text, []).append(ailment)
    return tuple(
        HealthWarning(
            code="OldPodsFailing",
            text=f"{plural(len(found), 'pod')} of an older revision: {text}",
        )
        for text, found in list(groups.items())[:MAX_GROUPS]
    )


def _grouped(s: Subject, ailments: Iterable[Ailment], total: int) -> list[Cause]:
    groups: dict[str, list[Ailment]] = {}
    for ailment in ailments:
        groups.setdefault(ailment.key, []).append(ailment)
    return [_pod_cause(s, key, found, total) for key, found in groups.items()]


def _pod_cause(s: Subject, key: str, found: list[Ailment], total: int) -> Cause:
    worst = max((one.symptom for one in found), key=lambda one: one.restart_count)
    names = dict.fromkeys(one.pod_name for one in found)
    starts = [began_at(s, one) for one in found]
    window = WINDOW_OF.get(worst.code)
    is_early = window is not None or (worst.code == "Unschedulable" and _is_bare(s))
    may_fail = [
        start
        for one, start in zip(found, starts, strict=True)
        if _has_restarts(one.symptom, s.options.windows)
    ]
    length = getattr(s.options.windows, window or "unschedulable")
    has_failed = is_early and any(is_over(start, length, s.now) for start in may_fail)
    first = earliest(*may_fail)
    return Cause(
        code=worst.code,
        text=_counted(worst, len(names), max(total, len(names))),
        key=key,
        is_early=is_early,
        has_failed=has_failed,
        fails_at=first + length if is_early and first and not has_failed else None,
        evidence=tuple(one.evidence for one in found),
    )


def _is_bare(s: Subject) -> bool:
    return s.ref.kind == "Pod" and controller_of(s.body) is None


def _has_restarts(symptom: Symptom, windows: Windows) -> bool:
    """A crash counts only after some restarts; a zero window counts it at once (HL-130)."""
    if symptom.code not in _NEEDS_RESTARTS or not windows.crash_loop:
        return True
    return symptom.restart_count >= windows.crash_restart_count


def _counted(symptom: Symptom, count: int, total: int) -> str:
    if total <= 1:
        return symptom.text
    if symptom.verb:
        return f"{count} of {total} pods {symptom.verb}"
    return f"{count} of {total} pods: {symptom.text}"


def _from_events(s: Subject, pods: tuple[Body, ...]) -> list[Cause]:
    if not s.context.events:
        return []
    seen = occurrences(s, pods)
    found: dict[str, Cause] = {}
    for occurrence, refusal in refusals(seen):
        window = refusal.window(s.options.windows)
        start, is_past = occurrence.first_at, is_over(occurrence.first_at, window, s.now)
        cause = Cause(
            code=refusal.code,
            text=refusal.text,
            key=f"{refusal.code}:{refusal.text}",
            is_early=True,
            has_failed=is_past,
            fails_at=start + window if start and not is_past else None,
            evidence=(occurrence.evidence,),
        )
        found.setdefault(cause.key, cause)
    for trouble in troubles(seen, pods):
        key = f"{trouble.code}:{trouble.text}"
        cause = Cause(code=trouble.code, text=trouble.text, key=key, evidence=(trouble.evidence,))
        found.setdefault(key, cause)
    return list(found.values())
