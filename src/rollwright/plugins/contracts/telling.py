"""What tells others about a run."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from rollwright.rollouts.feedback import Feedback


@runtime_checkable
class FeedbackSink(Protocol):
    """Tells others about a run; its failure never fails the run."""

    async def tell(self, feedback: Feedback) -> None:
        """Tell."""
        ...
