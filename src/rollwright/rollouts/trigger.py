"""What set a run off."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """What set a run off.

    Attributes:
        id: Idempotency key: two triggers of one id are one trigger.
        kind: ``manual``, ``schedule``, ``webhook``, ``rollback``, …
        rollout: Name of the rollout.
        actor: Who asked, as far as it is known.
        received_at: Aware, UTC.
        revision: The source revision that is asked for; empty means what the source has now.
        payload_digest: Digest of the delivery, if there was one.
    """

    id: str
    kind: str
    rollout: str
    actor: str
    received_at: datetime
    revision: str = ""
    payload_digest: str = ""
