"""What we tell others about a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

from rollwright.rollouts.manifest import ObjectRef


class Event(StrEnum):
    """What happened."""

    PLANNED = "planned"
    """The plan is made, and there is something to do."""
    APPROVAL_NEEDED = "approvalNeeded"
    """Somebody has to agree to the plan."""
    STARTED = "started"
    """Objects are about to be written."""
    STEP_ENDED = "stepEnded"
    GROUP_ENDED = "groupEnded"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ROLLED_BACK = "rolledBack"
    RECOVERED = "recovered"
    """It succeeded after it had failed."""
    SUMMARY = "summary"
    """So much happened at once that it is told together (NO-09)."""
    TEST = "test"
    """Nothing: somebody tries whether telling works."""


LAST_EVENTS = frozenset({Event.SUCCEEDED, Event.FAILED, Event.ROLLED_BACK, Event.RECOVERED})
"""How a run may end."""

NOTIFIED = frozenset({
    Event.APPROVAL_NEEDED, Event.FAILED, Event.ROLLED_BACK, Event.RECOVERED,
})  # fmt: skip
"""What a sink is told that says nothing else: no success after a success (NO-05)."""


class Severity(StrEnum):
    """How much it matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        """Zero for what matters least."""
        return tuple(Severity).index(self)


class Reason(StrEnum):
    """Why, as a fixed code (FB-04); empty where nothing in particular is the reason."""

    SOURCE_FAILED = "SourceFailed"
    BUILD_FAILED = "BuildFailed"
    DECRYPTION_FAILED = "DecryptionFailed"
    VALIDATION_FAILED = "ValidationFailed"
    DEPENDENCY_NOT_READY = "DependencyNotReady"
    OUTSIDE_WINDOW = "OutsideWindow"
    HELD = "Held"
    PLAN_FAILED = "PlanFailed"
    WAITING_FOR_APPROVAL = "WaitingForApproval"
    GUARD_BREACHED = "GuardBreached"
    PLAN_STALE = "PlanStale"
    LOCK_HELD = "LockHeld"
    APPLY_FAILED = "ApplyFailed"
    HEALTH_CHECK_FAILED = "HealthCheckFailed"
    ANALYSIS_FAILED = "AnalysisFailed"
    HOOK_FAILED = "HookFailed"
    PRUNE_FAILED = "PruneFailed"
    ROLLED_BACK = "RolledBack"
    CLUSTER_UNREACHABLE = "ClusterUnreachable"
    PROGRESSING_WITH_RETRY = "ProgressingWithRetry"
    SUCCEEDED = "Succeeded"
    PROGRESSING = "Progressing"
    """It goes on; no verdict yet."""
    CANCELLED = "Cancelled"
    SUPERSEDED = "Superseded"
    TIMED_OUT = "TimedOut"


OBJECTS_TOLD = 50
"""How many changed objects are named at most (NO-02)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchedObject:
    """One object that a run changed, or failed to change."""

    ref: ObjectRef
    operation: str
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """A run in words: a title, lines, Markdown, and the same for machines.

    Attributes:
        title: In a line.
        outcome: In a word, such as ``succeeded``; ``running`` while it goes on.
        lines: The details, for people.
        markdown: Title and details.
        machine: The same as JSON (kind Feedback).
        event: What happened.
        severity: How much it matters.
        reason: Why, as a code.
        message: The worst object and its cause in a sentence, then counts (FB-05).
        rollout, cluster: Which rollout, where.
        revision: Of the source, as it is rendered; empty where it is not known yet.
        repository: Address that the source came from; empty for a folder.
        plan_id, run_id: Of the plan and of the run; empty before there is one.
        number: Of the revision that the run is remembered as; zero if it is not.
        group, step: Which part of the run ended.
        at: When it happened.
        url: Of a page about the run.
        actor, trigger: Who or what set the run off.
        labels: Of the rollout.
        metadata: What the rule adds, such as a channel.
        counts: How many objects per operation, and ``failed``.
        objects: What was changed, at most ``OBJECTS_TOLD``.
        omitted_count: How many more were changed.
        subject: The object in a cluster that the run was about, as the trigger named it.
    """

    title: str
    outcome: str
    lines: tuple[str, ...] = ()
    markdown: str = ""
    machine: Mapping[str, Any] = field(default_factory=dict)
    event: Event = Event.TEST
    severity: Severity = Severity.INFO
    reason: Reason | None = None
    message: str = ""
    rollout: str = ""
    cluster: str = ""
    revision: str = ""
    repository: str = ""
    plan_id: str = ""
    run_id: str = ""
    number: int = 0
    group: str = ""
    step: str = ""
    at: datetime | None = None
    url: str = ""
    actor: str = ""
    trigger: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    objects: tuple[TouchedObject, ...] = ()
    omitted_count: int = 0
    subject: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """What a receiver knows a repetition of the same by."""
        parts = (
            self.rollout, self.cluster, self.event, self.revision, self.plan_id, self.run_id,
            self.group, self.step, self.message, self.at.isoformat() if self.at else "",
        )  # fmt: skip
        return sha256("\0".join(map(str, parts)).encode()).hexdigest()[:32]

    @property
    def changed_count(self) -> int:
        """How many objects were changed."""
        return len(self.objects) + self.omitted_count
