"""Which revision of a rollout is desired, and whose trigger has been overtaken.

Before: triggers arrive, faster than runs can end.
After: a run whose trigger is older than the pointer makes way: it ends as superseded.

The order is that of the moves, not that of clocks: deliveries are received on several machines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rollwright.rollouts.trigger import Trigger

BY_HAND = frozenset({"manual", "rollback", "delete"})
"""Kinds of triggers behind which a person stands."""

PASSED_KEPT = 200
"""How many former triggers are remembered, to know them again when they come without a place."""


@dataclass(frozen=True, kw_only=True)
class Desired:
    """The desired revision of a rollout.

    Attributes:
        sequence: Counts the moves from 1.
        revision: The source revision that is asked for; empty for what the source has.
        trigger: Id of the trigger that asked for it.
        at: When that was received.
        actor: Who asked.
        passed: Ids of triggers that had the pointer before, the latest last.
    """

    sequence: int
    revision: str
    trigger: str
    at: datetime
    actor: str
    passed: tuple[str, ...] = ()

    def __str__(self) -> str:
        what = self.revision or "a newer run"
        return f"{what} (asked for by {self.actor} at {self.at:%Y-%m-%d %H:%M:%SZ})"


def moved(desired: Desired | None, trigger: Trigger) -> Desired:
    """Return the pointer moved to a trigger; one that had it before does not get it back."""
    if desired is not None and trigger.id in {desired.trigger, *desired.passed}:
        return desired
    passed = (*desired.passed, desired.trigger) if desired else ()
    return Desired(
        sequence=desired.sequence + 1 if desired else 1,
        revision=trigger.revision,
        trigger=trigger.id,
        at=trigger.received_at,
        actor=trigger.actor,
        passed=passed[-PASSED_KEPT:],
    )


def is_known(desired: Desired | None, trigger: Trigger) -> bool:
    """Whether a trigger has, or had, the pointer."""
    return desired is not None and trigger.id in {desired.trigger, *desired.passed}


def is_overtaken(trigger: Trigger, desired: Desired) -> bool:
    """Whether something newer than what a trigger asked for is desired.

    The same revision once more overtakes nobody. An empty revision is what the source had when
    the trigger came, so two of them are not the same.
    """
    if trigger.id == desired.trigger:
        return False
    if trigger.revision and trigger.revision == desired.revision:
        return False
    if trigger.sequence:
        return trigger.sequence < desired.sequence
    if trigger.id in desired.passed:
        return True
    return trigger.kind not in BY_HAND and trigger.received_at < desired.at


def desired_form(desired: Desired) -> dict[str, Any]:
    """Return the pointer as JSON."""
    return {
        "sequence": desired.sequence,
        "revision": desired.revision,
        "trigger": desired.trigger,
        "at": desired.at.isoformat(),
        "actor": desired.actor,
        "passed": list(desired.passed),
    }


def read_desired_form(form: Mapping[str, Any]) -> Desired:
    """Return the pointer that JSON holds.

    Raises:
        KeyError, TypeError, ValueError: It holds none.
    """
    return Desired(
        sequence=int(form["sequence"]),
        revision=str(form["revision"]),
        trigger=str(form["trigger"]),
        at=datetime.fromisoformat(form["at"]),
        actor=str(form["actor"]),
        passed=tuple(map(str, form.get("passed", ()))),
    )
