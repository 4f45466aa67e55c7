"""``Pause``: wait for a while, or until a person says go.

Before: what the steps before it did is there to be looked at.
After: the next step starts. A resumed run waits for the rest only: it began when it began first.

A person answers on the terminal of the run, or from elsewhere; whoever is first decides. Nothing
is held meanwhile but the task that waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field, model_validator

from rollwright.errors import LockLost, RolloutError, StateConflict
from rollwright.plugins.contracts import ActionRequest, Answer, Ask
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

    duration: Duration | None = Field(
        default=None, description="How long to wait; 0s for not at all."
    )
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
        if request.ask is None and request.answers is None:
            words = "waits until a person says go, and nobody can be asked here"
            return Outcome.FAILED, words, "run the rollout on a terminal, where it can ask"
        question = self.message or f"{request.rollout}: go on after {request.step.name}?"
        if request.answers is not None:
            told = f"{self.message}: " if self.message else ""
            request.tell(
                f"{told}waits for an answer: `rollwright approve {request.rollout}`, or reject"
            )
        try:
            answer = await _answer(request, question)
            if answer is not None and request.answers is not None:
                await request.answers.keep(answer)
        except (LockLost, StateConflict):
            raise
        except RolloutError as error:
            return Outcome.FAILED, error.message, error.hint or ""
        return _said(answer)


def _said(answer: Answer | None) -> tuple[Outcome, str, str]:
    if answer is None:
        return Outcome.CANCELLED, "the run was cancelled", ""
    who = answer.actor or "a person"
    why = f": {answer.reason}" if answer.reason else ""
    if answer.may_go_on:
        return Outcome.SUCCEEDED, f"{who} said go{why}", ""
    return Outcome.FAILED, f"{who} said no{why}", "run the rollout again when it may go on"


async def _answer(request: ActionRequest, question: str) -> Answer | None:
    """Return what the first person says; ``None`` if the run is to stop before they do."""
    asked: list[Coroutine[Any, Any, Answer]] = []
    if request.answers is not None:
        asked.append(request.answers.wait(question))
    if request.ask is not None:
        asked.append(_on_terminal(request.ask, question))
    tasks = [asyncio.create_task(one) for one in asked]
    try:
        while not any(task.done() for task in tasks):
            if request.must_stop():
                return None
            await asyncio.wait(tasks, timeout=_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        return next(task for task in tasks if task.done()).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _on_terminal(ask: Ask, question: str) -> Answer:
    return Answer(may_go_on=await ask(question), at=datetime.now(UTC))


async def _waited(request: ActionRequest, duration: timedelta) -> tuple[Outcome, str, str]:
    ends_at = (request.begun_at or datetime.now(UTC)) + duration
    request.tell(f"waits until {ends_at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}")
    while (left := (ends_at - datetime.now(UTC)).total_seconds()) > 0:
        if request.must_stop():
            return Outcome.CANCELLED, "the run was cancelled", ""
        await asyncio.sleep(min(left, _LOOK_SECONDS))
    return Outcome.SUCCEEDED, f"waited {format_duration(duration)}", ""
