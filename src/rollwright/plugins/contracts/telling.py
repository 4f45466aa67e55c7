"""What tells others about a run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from rollwright.plugins.contracts.cluster import Cluster
from rollwright.rollouts.feedback import Feedback


@runtime_checkable
class FeedbackSink(Protocol):
    """Tells others about a run; its failure never fails the run.

    A sink may say what it tells where no rule says it: ``usual_events``, a set of ``Event``;
    without it ``NOTIFIED``.
    """

    async def tell(self, feedback: Feedback) -> None:
        """Tell; what others see once more does no harm, as this may be repeated.

        Raises:
            RolloutError: It could not; ``retryable`` says whether to try again.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackContext:
    """What a sink may use that writes into the target of a rollout.

    Attributes:
        cluster: Connects the target.
        namespace: Where the parents of ApplySets are, and whatever else is kept per rollout.
    """

    cluster: Callable[[], Awaitable[Cluster]]
    namespace: str


@runtime_checkable
class FeedbackBinder(Protocol):
    """Options of a sink that needs more than them."""

    def bind(self, context: FeedbackContext) -> FeedbackSink:
        """Return the sink."""
        ...


@runtime_checkable
class StateSink(Protocol):
    """A sink that shows one state per revision: told only when that changes (FB-21)."""

    def shows(self, feedback: Feedback) -> str:
        """Return what it would show, such as ``pending``; empty if this is nothing for it."""
        ...
