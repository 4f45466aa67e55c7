"""The check ``PodsRestarting``: a pod restarts again and again since the step began."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, Field

from rollwright.checks.durations import GoDuration
from rollwright.checks.pods import key_of, name_of, restarts_of
from rollwright.checks.reporting import Report, databases_of
from rollwright.checks.waiting import (
    absence,
    began_at,
    failed,
    in_words,
    succeeded,
    undecided,
)
from rollwright.plugins.contracts import CheckRequest, CheckResult
from rollwright.plugins.options import OPTIONS
from rollwright.rollouts.health.subject import moment, plural
from rollwright.rollouts.manifest import Body

_COUNTS = "restarts"


class PodsRestarting(BaseModel):
    """Fail when containers of one pod were restarted too often since the step began.

    Restarts from before the step do not count. An object that is Current passes; until then
    nothing is decided.

    Attributes:
        threshold: So many restarts of one pod are a failure.
        window: Only restarts of this last stretch of time count; by default, or with 0, all since
            the step began.
        report: An SQL statement instead of the failure; the step counts as done then.
    """

    model_config = OPTIONS

    threshold: int = Field(default=3, ge=1, strict=True)
    window: GoDuration | None = None
    report: Report | None = None

    @property
    def databases(self) -> tuple[str, ...]:
        """The databases of the site that it may write to."""
        return databases_of(self.report)

    def __str__(self) -> str:
        within = f" in {in_words(self.window)}" if self.window else ""
        return f"no pod restarts {self.threshold} times{within}"

    async def evaluate(self, request: CheckRequest) -> CheckResult:
        """Count what was added since the last look."""
        if gone := absence(request):
            return undecided(request, gone)
        most, pod = self._worst(request)
        if most >= self.threshold:
            within = in_words(self.window) if self.window else "the step"
            words = f"pod {pod} was restarted {most} times within {within}"
            return failed(words, report=self.report.sql if self.report else None)
        words = f"{plural(most, 'restart')} of one pod at most since the step began"
        if request.status.is_current:
            return succeeded(words)
        return undecided(request, words)

    def _worst(self, request: CheckRequest) -> tuple[int, str]:
        """Return the most restarts of one pod, and its name."""
        known: Mapping[str, Any] = request.memory.get(_COUNTS) or {}
        seen = {key_of(pod): self._history(request, pod, known) for pod in request.pods}
        request.memory[_COUNTS] = seen
        counts = [
            (sum(count for _, count in seen[key_of(pod)]["added"]), name_of(pod))
            for pod in request.pods
        ]
        return max(counts, default=(0, ""))

    def _history(
        self, request: CheckRequest, pod: Body, known: Mapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """Return how many restarts were seen, and when how many were added."""
        now_count = restarts_of(pod)
        before = known.get(key_of(pod)) or {"count": _baseline(request, pod), "added": []}
        added = [entry for entry in before["added"] if self._counts(entry, request.now)]
        if now_count > before["count"]:
            added.append([request.now.isoformat(), now_count - before["count"]])
        return {"count": max(now_count, before["count"]), "added": added}

    def _counts(self, entry: list[Any], now: datetime) -> bool:
        return not self.window or now - datetime.fromisoformat(entry[0]) <= self.window


def _baseline(request: CheckRequest, pod: Body) -> int:
    """Return the restarts from before the step: none, if the pod is younger.

    A creation time has whole seconds, so a pod of the step's first second may look older.
    """
    created_at = moment((pod.get("metadata") or {}).get("creationTimestamp"))
    if created_at is not None and created_at + timedelta(seconds=1) > began_at(request):
        return 0
    return restarts_of(pod)
