"""What carries out a step, and what says that it succeeded: actions and checks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

from rollwright.plugins.contracts.cluster import Cluster
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.plan import Step
from rollwright.rollouts.report import StepResult
from rollwright.rollouts.status import ObjectStatus


@dataclass(frozen=True, kw_only=True)
class ActionRequest:
    """What an action is asked to carry out.

    ``must_stop`` is true as soon as nothing more may be written; ``tell`` takes one line of
    progress.
    """

    step: Step
    cluster: Cluster
    rollout: str
    must_stop: Callable[[], bool] = lambda: False
    tell: Callable[[str], None] = lambda _line: None


@runtime_checkable
class Action(Protocol):
    """Carries out a step. Expected failures are values, not exceptions."""

    async def run(self, request: ActionRequest) -> StepResult:
        """Carry the step out."""
        ...


class Verdict(StrEnum):
    """What a check says."""

    SUCCESS = "success"
    FAILURE = "failure"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """What a check looks at: one live object and its verdict."""

    object: LiveObject | None
    status: ObjectStatus
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What a check found, and why."""

    verdict: Verdict
    reason: str = ""


@runtime_checkable
class Check(Protocol):
    """Decides from live fields whether a step has succeeded or failed."""

    async def evaluate(self, request: CheckRequest) -> CheckResult:
        """Return success, failure, or undecided."""
        ...
