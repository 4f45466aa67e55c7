"""Pods that nobody may create: quotas and admission.

The words come from ``ReplicaFailure`` conditions (Deployment, ReplicaSet) and from
``FailedCreate`` events (StatefulSet, DaemonSet, Job), which the API server wrote.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from rollwright.rollouts.health.context import Windows
from rollwright.rollouts.health.events import Occurrence, occurrences
from rollwright.rollouts.health.subject import Finding, Subject, after_window
from rollwright.rollouts.status import Status

_QUOTA = re.compile(
    r"exceeded quota: (?P<name>[^,]+), requested: (?P<asked>.+?), used: (?P<used>.+?), "
    r"limited: (?P<limit>.+?)$"
)
_WEBHOOK = re.compile(r'admission webhook "(?P<name>[^"]+)" denied the request:? ?(?P<text>.*)$')
_POLICY = re.compile(
    r"(?P<kind>ValidatingAdmissionPolicy|MutatingAdmissionPolicy) '(?P<name>[^']+)'.*?"
    r"denied request: (?P<text>.*)$"
)
_POD_SECURITY = re.compile(r'violates PodSecurity "(?P<level>[^"]+)": (?P<text>.*)$')


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why the API server let nobody create a pod."""

    code: str
    text: str

    def window(self, windows: Windows) -> timedelta:
        """Return how long it may last."""
        return windows.quota if self.code == "QuotaExceeded" else windows.admission


def refusal_in(message: str) -> Refusal | None:
    """Find a quota or a refused admission in a message; ``None`` for any other failure."""
    line = " ".join(message.split())
    if "exceeded quota" in line:
        return Refusal(code="QuotaExceeded", text=_quota_text(line))
    for pattern, words in _ADMISSION:
        match = pattern.search(line)
        if match:
            return Refusal(
                code="AdmissionDenied", text=words.format(**match.groupdict()).strip(" :")
            )
    if "is forbidden:" in line or "denied the request" in line:
        return Refusal(code="AdmissionDenied", text=line)
    return None


_ADMISSION = (
    (_WEBHOOK, "admission webhook '{name}' denies the pods: {text}"),
    (_POLICY, "{kind} '{name}' denies the pods: {text}"),
    (_POD_SECURITY, "PodSecurity '{level}' denies the pods: {text}"),
)


def _quota_text(line: str) -> str:
    match = _QUOTA.search(line)
    if match is None:
        return line[line.index("exceeded quota") :]
    asked, used, limit = (_amounts(match[part]) for part in ("asked", "used", "limit"))
    parts = [
        f"{name} {used.get(name, '?')} of {limit.get(name, '?')} used, {amount} more asked"
        for name, amount in asked.items()
    ]
    return f"quota '{match['name']}': {'; '.join(parts)}"


def _amounts(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(","))
    return {name.strip(): amount.strip() for name, _, amount in pairs}


def refusals(seen: tuple[Occurrence, ...]) -> list[tuple[Occurrence, Refusal]]:
    """Return the events of refused creations that no later success has answered."""
    done = {one.uid: one.last_at for one in seen if one.reason == "SuccessfulCreate"}
    found = []
    for one in seen:
        refusal = refusal_in(one.message) if one.reason == "FailedCreate" else None
        if refusal is not None and not _is_answered(one, done):
            found.append((one, refusal))
    return found


def _is_answered(one: Occurrence, done: dict[str, datetime | None]) -> bool:
    success = done.get(one.uid)
    return success is not None and one.last_at is not None and success > one.last_at


def refused_creation(s: Subject) -> Finding | None:
    """HL-53: a kind without conditions shows a refused creation only in its events."""
    found = refusals(occurrences(s)) if s.context.events else []
    if not found:
        return None
    occurrence, refusal = found[0]
    start = occurrence.first_at
    finding = Finding(Status.FAILED, "refused", refusal.code, refusal.text, start)
    return after_window(finding, start, refusal.window(s.options.windows), s)
