"""``Pause``: wait for a while, or until a person says go.

Before: what the steps before it did is there to be looked at.
After: the next step starts. A resumed run waits for the rest only: it began when it began first.

Nothing is held meanwhile but the task that waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, Field, model_validator

from rollwright.errors import LockLost, RolloutError
from rollwright.plugins.contracts import ActionRequest
from rollwright.plugins.options import OPTIONS
from rollwright.rollouts.report import Outcome, StepResult
from rollwright.rollouts.spec.durations import Duration, format_duration

_LOOK_SECONDS = 1.0
"""How often a pause asks whether the run is to stop."""

_GRACE = timedelta(minutes=1)
"""What the engine allows beyond the pause itself."""


class Until(StrEnum):
    """What a pause waits for."""

    APPROVAL = "approval"


class Pause(BaseModel):
    """Waits for a while, or until a person says go."""

    model_config = OPTIONS

    duration: Duration | None = Field(default=None, description="How long to wait.")
    until: Until | None = Field(
        default=None, description="approval: until a person says go, instead of a duration."
    )
    message: str = Field(default="", description="What the person is told, such as what to check.")

    @model_validator(mode="after")
    def _one_of_both(self) -> Pause:
        if (self.duration is None) == (self.until is None):
            raise ValueError("expected either a duration, or until: approval")
        return self

    @property
    def timeout(self) -> timedelta:
        """How long it may take: a person may take as long as they like."""
        return timedelta.max if self.duration is None else self.duration + _GRACE

    def __str__(self) -> str:
        told = f": {self.message}" if self.message else ""
        if self.duration is None:
            return f"wait until a person says go{told}"
        return f"wait {format_duration(self.duration)}{told}"

    async def run(self, request: ActionRequest) -> StepResult:
        """Wait."""
        started_at = datetime.now(UTC)
        outcome, message, hint = await (
            self._asked(request) if self.duration is None else _waited(request, self.duration)
        )
        return StepResult(
            step=request.step.name, outcome=outcome, message=message, hint=hint,
            started_at=started_at, ended_at=datetime.now(UTC),
        )  # fmt: skip

    async def _asked(self, request: ActionRequest) -> tuple[Outcome, str, str]:
        if request.ask is None:
            words = "waits until a person says go, and nobody can be asked here"
            return Outcome.FAILED, words, "run the rollout on a terminal, where it can ask"
        question = self.message or f"{request.rollout}: go on after {request.step.name}?"
        try:
            may_go_on = await _answer(request, request.ask(question))
        except LockLost:
            raise
        except RolloutError as error:
            return Outcome.FAILED, error.message, error.hint or ""
        if may_go_on is None:
            return Outcome.CANCELLED, "the run was cancelled", ""
        if may_go_on:
            return Outcome.SUCCEEDED, "a person said go", ""
        return Outcome.FAILED, "a person said no", "run the rollout again when it may go on"


async def _answer(request: ActionRequest, question: Awaitable[bool]) -> bool | None:
    """Return what the person says; ``None`` if the run is to stop before they do."""
    asking = asyncio.ensure_future(question)
    try:
        while not asking.done():
            if request.must_stop():
                return None
            await asyncio.wait([asking], timeout=_LOOK_SECONDS)
        return asking.result()
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


async def _waited(request: ActionRequest, duration: timedelta) -> tuple[Outcome, str, str]:
    ends_at = (request.begun_at or datetime.now(UTC)) + duration
    request.tell(f"waits until {ends_at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}")
    while (left := (ends_at - datetime.now(UTC)).total_seconds()) > 0:
        if request.must_stop():
            return Outcome.CANCELLED, "the run was cancelled", ""
        await asyncio.sleep(min(left, _LOOK_SECONDS))
    return Outcome.SUCCEEDED, f"waited {format_duration(duration)}", ""
