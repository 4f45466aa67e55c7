"""What set a run off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """What set a run off.

    Attributes:
        id: Idempotency key: two triggers of one id are one trigger.
        kind: ``manual``, ``schedule``, ``webhook``, ``rollback``, …
        rollout: Name of the rollout.
        actor: Who asked, as far as it is known.
        received_at: Aware, UTC.
        begun_at: When its run began, after it waited for its turn; ``None`` if it did not wait.
        revision: The source revision that is asked for; empty means what the source has now.
        payload_digest: Digest of the delivery, if there was one.
        config: Values that it brings, for the entry ``trigger`` of the rollout's ``config``.
        data: JSON values by name, such as ``deployments/list``, for renderers that import them.
        url: Of a page about the run, if it is tracked anywhere.
        subject: The object in a cluster that it is about, as Kubernetes refers to objects.
        sequence: Its place in the order of what was desired (``engine.custody.desired``); zero if it has
            none yet.
    """

    id: str
    kind: str
    rollout: str
    actor: str
    received_at: datetime
    revision: str = ""
    payload_digest: str = ""
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    url: str = ""
    sequence: int = 0
    subject: Mapping[str, str] = field(default_factory=dict)
    begun_at: datetime | None = field(default=None, compare=False)
