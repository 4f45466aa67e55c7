"""What is live of a rollout, for ``rollwright status``.

Before: the state was loaded and its objects were read and judged.
After: faces print it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rollwright.rollouts.approving import ApprovalRequest, Question
from rollwright.rollouts.state import RolloutState
from rollwright.rollouts.status import ObjectStatus, Status, worst


@dataclass(frozen=True, kw_only=True)
class Overview:
    """What is live of one rollout.

    Attributes:
        rollout, cluster: Which rollout, where.
        state: What is remembered: revisions, inventory, an interrupted run, a hold.
        statuses: The verdict on each object of the inventory, worst first.
        read_at: When.
        is_running: Whether the run that began last still holds the lock.
        waiting: The plan that waits for an approval; ``None`` if none does.
        questions: Steps of the run at work that wait for a person.
        handled_trigger: Token of the firing that was answered last; empty if none was (TR-06).
    """

    rollout: str
    cluster: str
    state: RolloutState
    statuses: tuple[ObjectStatus, ...]
    read_at: datetime
    is_running: bool = False
    waiting: ApprovalRequest | None = None
    questions: tuple[Question, ...] = ()
    handled_trigger: str = ""

    @property
    def is_new(self) -> bool:
        """Whether no run of it was ever begun: it waits for an approval, or is only held."""
        has_objects = bool(self.statuses or self.state.inventory)
        return self.state.last is None and self.state.journal is None and not has_objects

    @property
    def health(self) -> Status:
        """The worst verdict (HL-06); of what was never rolled out nothing is known."""
        return Status.UNKNOWN if self.is_new else worst(self.statuses)

    @property
    def is_interrupted(self) -> bool:
        """Whether a run began, did not end, and is no longer at work."""
        return self.state.journal is not None and not self.is_running
