"""How a step ends of which nothing was carried out."""

from __future__ import annotations

from rollwright.errors import RolloutError
from rollwright.rollouts.plan import Step
from rollwright.rollouts.report import Outcome, StepResult


def broken(step: Step, error: RolloutError) -> StepResult:
    """Return the result of a step that could not be carried out at all."""
    return idle(step, Outcome.FAILED, error.message, error.hint or "")


def idle(step: Step, outcome: Outcome, message: str, hint: str = "") -> StepResult:
    """Return the result of a step that did nothing."""
    return StepResult(step=step.name, outcome=outcome, message=message, hint=hint)
