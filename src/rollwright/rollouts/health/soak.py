"""Staying Current for a while before a wait passes, and being watched after it (HL-135..139).

A ``Soak`` is a value that each observation folds into the next one; the restart counts of the
pods are compared with a baseline taken when the clock started, never with what came before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from rollwright.rollouts.health.subject import by_type, plural
from rollwright.rollouts.health.wait import WaitOutcome, WaitVerdict
from rollwright.rollouts.manifest import Body
from rollwright.rollouts.status import HealthWarning, ObjectStatus

POST_WATCH = timedelta(minutes=10)
"""How long a rollout is watched after it has succeeded (HL-138)."""

MAX_BREAKS = 2
"""The second break fails; the first one only restarts the clock (HL-137)."""


class Break(StrEnum):
    """How the soak was broken."""

    LEFT = "left"
    """The status left Current."""
    RESTARTED = "restarted"
    """Containers restarted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Soak:
    """How long an object has been Current without trouble.

    One crash shows twice: the pod's restarts grow and the object leaves Current, in any order.
    Until everything is well again both are one ``trouble`` and one break; a container that
    restarts again meanwhile is the next one.

    Attributes:
        length: How long it must be.
        started_at: When the clock last started; ``None`` while the object is not Current.
        baseline: Restarts of each pod of the current revision when the clock started.
        excused: Pods that were evicted or drained; another may take their place.
        break_count: Times that the status left Current or restarts grew.
        broken_at: When it last happened.
        last_break: What the last break was, for a person.
        trouble: How the trouble that goes on has shown; empty when there is none.
    """

    length: timedelta
    started_at: datetime | None = None
    baseline: Mapping[str, int] = field(default_factory=dict)
    excused: frozenset[str] = frozenset()
    break_count: int = 0
    broken_at: datetime | None = None
    last_break: str = ""
    trouble: frozenset[Break] = frozenset()

    @property
    def has_begun(self) -> bool:
        """Whether the object has been Current at least once."""
        return self.started_at is not None or self.break_count > 0

    def observe(self, status: ObjectStatus, pods: Iterable[Body], now: datetime) -> Soak:
        """Fold one observation; ``pods`` are those of the current revision."""
        everybody = tuple(pods)
        seen = tuple(pod for pod in everybody if not _is_leaving(pod))
        if not self.has_begun:
            return _restarted(self, seen, now) if status.is_current else self
        soak = _counted(self, seen, now)
        if not status.is_current:
            words = f"it became {status.status}: {status.message}"
            return replace(_broken(soak, Break.LEFT, words, now), started_at=None)
        soak = _quieted(soak, seen)
        if soak.started_at is None:
            return _restarted(soak, seen, now)
        excused = soak.excused | {uid_of(pod) for pod in everybody if is_disrupted(pod)}
        kept = replace(soak, excused=excused)
        if _is_replaced(soak.baseline, excused, seen):
            return _restarted(replace(kept, last_break="a pod was replaced"), seen, now)
        return replace(kept, baseline=_followed(soak.baseline, seen))

    def verdict(self, now: datetime) -> WaitVerdict:
        """Return whether the soak has passed, goes on, or has failed."""
        if self.break_count >= MAX_BREAKS:
            words = f"broken twice within {self.length.total_seconds():g} s: {self.last_break}"
            return WaitVerdict(
                outcome=WaitOutcome.FAILED, reason="RestartsDuringSoak", message=words
            )
        if self.started_at is None:
            words = self.last_break or "not Current yet"
            return WaitVerdict(outcome=WaitOutcome.WAITING, reason="Soaking", message=words)
        ends_at = self.started_at + self.length
        if now >= ends_at:
            words = f"Current for {self.length.total_seconds():g} s"
            return WaitVerdict(outcome=WaitOutcome.PASSED, message=words, unblocks=True)
        words = f"Current since {self.started_at:%H:%M:%S}Z, until {ends_at:%H:%M:%S}Z"
        return WaitVerdict(
            outcome=WaitOutcome.WAITING, reason="Soaking", message=words, recheck_at=ends_at
        )


def _counted(soak: Soak, pods: tuple[Body, ...], now: datetime) -> Soak:
    """Count restarts that are new, and start the clock again if it runs."""
    grown = growth(soak.baseline, pods)
    if not grown:
        return soak
    broken = _broken(soak, Break.RESTARTED, grown, now)
    started_at = None if soak.started_at is None else now
    return replace(broken, started_at=started_at, baseline=baseline_of(pods))


def _broken(soak: Soak, how: Break, words: str, now: datetime) -> Soak:
    if how is Break.LEFT and how in soak.trouble:
        return soak  # it has not come back yet
    is_next = how in soak.trouble or not soak.trouble
    return replace(
        soak,
        break_count=soak.break_count + is_next,
        broken_at=now if is_next else soak.broken_at,
        last_break=words,
        trouble=soak.trouble | {how},
    )


def _quieted(soak: Soak, pods: tuple[Body, ...]) -> Soak:
    """End the trouble when no pod is in it: the object's own status may lag behind them."""
    return soak if any(map(_is_down, pods)) else replace(soak, trouble=frozenset())


def _restarted(soak: Soak, pods: tuple[Body, ...], now: datetime) -> Soak:
    return replace(soak, started_at=now, baseline=baseline_of(pods))


def uid_of(pod: Body) -> str:
    """Return a pod's UID; its name where none is known."""
    metadata = pod.get("metadata") or {}
    return str(metadata.get("uid") or metadata.get("name") or "")


def _is_down(pod: Body) -> bool:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return any(one.get("ready") is False for one in statuses)


def _is_leaving(pod: Body) -> bool:
    return "deletionTimestamp" in (pod.get("metadata") or {})


def restarts_of(pod: Body) -> int:
    """Return the sum of restarts over all containers of a pod."""
    status = pod.get("status") or {}
    lists = (status.get("initContainerStatuses"), status.get("containerStatuses"))
    return sum(int(one.get("restartCount") or 0) for found in lists for one in found or ())


def baseline_of(pods: Iterable[Body]) -> Mapping[str, int]:
    """Return the restarts of each pod, to compare later ones with (HL-139)."""
    return {uid_of(pod): restarts_of(pod) for pod in pods}


def growth(baseline: Mapping[str, int], pods: Iterable[Body]) -> str:
    """Say how restarts have grown since the baseline; empty when they have not."""
    grown = {
        str((pod.get("metadata") or {}).get("name")): restarts_of(pod)
        - baseline.get(uid_of(pod), 0)
        for pod in pods
    }
    names = [name for name, more in grown.items() if more > 0]
    total = sum(grown[name] for name in names)
    return f"{plural(total, 'restart')} of {', '.join(names)}" if names else ""


def is_disrupted(pod: Body) -> bool:
    """Whether a pod is evicted or drained from its node, so that another replaces it."""
    status = pod.get("status") or {}
    if status.get("reason") in {"Evicted", "Preempting", "NodeShutdown", "Terminated"}:
        return True
    target = by_type(status.get("conditions") or ()).get("DisruptionTarget") or {}
    return target.get("status") == "True"


def _is_replaced(
    baseline: Mapping[str, int], excused: frozenset[str], pods: tuple[Body, ...]
) -> bool:
    """Whether pods went without an excuse while others came: no scale-down, no eviction."""
    present = {uid_of(pod) for pod in pods}
    gone = [uid for uid in baseline if uid not in present and uid not in excused]
    return bool(gone) and bool(present - set(baseline))


def _followed(baseline: Mapping[str, int], pods: tuple[Body, ...]) -> Mapping[str, int]:
    """Keep the baseline of the pods that are there; a new pod starts with none."""
    return {uid_of(pod): baseline.get(uid_of(pod), 0) for pod in pods}


def restart_warning(baseline: Mapping[str, int], pods: Iterable[Body]) -> HealthWarning | None:
    """Return the warning of an app that restarts after its run has succeeded (HL-138)."""
    grown = growth(baseline, pods)
    return HealthWarning(code="RestartingPods", text=f"{grown} since then") if grown else None
