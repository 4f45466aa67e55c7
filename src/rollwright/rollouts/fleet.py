"""One rollout in many clusters: who goes with whom, who may start now, when to stop (FL-…).

Before: somebody named clusters, or their labels.
After: ``engine.fan_out`` starts what may start, and asks again whenever one has ended.

Nothing here waits, reads a clock or a cluster. The same statuses give the same decision, in
whatever order they came about (FL-48).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TypeAlias

_PERCENT = re.compile(r"(\d{1,3})%")
_WHOLE = 100


class TargetStatus(StrEnum):
    """Where a cluster is in a fan-out (FL-05)."""

    TO_APPLY = "ToApply"
    PROGRESSING = "Progressing"
    SOAKING = "Soaking"
    """It succeeded, and has to stay good for a while: it counts as in work (FL-53)."""
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    SKIP = "Skip"
    """Left out by a rule: something newer is desired there. It is neither good nor bad."""


class FleetOutcome(StrEnum):
    """How a fan-out ended (FL-43)."""

    SUCCEEDED = "succeeded"
    SUCCEEDED_WITH_FAILURES = "succeeded-with-failures"
    """Some failed, no more than were tolerated."""
    STOPPED = "stopped"
    """Too many failed; who had not begun was left alone."""
    CANCELLED = "cancelled"


Share: TypeAlias = int | str
"""A number of clusters, or per cent of them, such as ``"10%"``."""

_ENDED = frozenset({TargetStatus.SUCCEEDED, TargetStatus.FAILED, TargetStatus.SKIP})
_IN_WORK = frozenset({TargetStatus.PROGRESSING, TargetStatus.SOAKING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How a fan-out goes through its clusters.

    Attributes:
        serial: Sizes of the batches; the last one repeats. Per cent round down, to at least 1
            (FL-16). Empty for all at once.
        max_failures: Failures that are tolerated. Per cent round up; never more than there are
            clusters (FL-12).
        min_success: How many of each batch must succeed before the next one starts. Per cent
            round up; zero asks for nothing beyond ``max_failures``.
        soak: How long a cluster must stay good before it counts as succeeded (FL-13).
        max_concurrency: Clusters in work at the same time inside a batch. Per cent round up, to
            at least 1 (FL-11).
    """

    serial: tuple[Share, ...] = ()
    max_failures: Share = 0
    min_success: Share = 0
    soak: timedelta = timedelta()
    max_concurrency: Share = "100%"

    def __post_init__(self) -> None:
        for one in self.serial:
            if _read(one) == (0, False):
                raise ValueError("serial: a batch of 0 clusters never ends; expected at least 1")
        for one in (self.max_failures, self.min_success, self.max_concurrency):
            _read(one)
        if self.soak < timedelta():
            raise ValueError("soak: a time cannot be negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The clusters of a fan-out, fixed when it was planned (FL-03), in their order."""

    batches: tuple[tuple[str, ...], ...]
    pace: Pace

    @property
    def targets(self) -> tuple[str, ...]:
        """Every cluster, in order."""
        return tuple(one for batch in self.batches for one in batch)


Statuses: TypeAlias = Mapping[str, TargetStatus]
"""Where each cluster is; one that is not named has not begun."""


def read_share(text: str) -> Share:
    """Return a number or per cent as somebody typed it.

    Raises:
        ValueError: It is neither.
    """
    share: Share = int(text) if text.isdecimal() else text
    _read(share)
    return share


def _read(share: Share) -> tuple[int, bool]:
    """Return the number, and whether it is per cent."""
    if isinstance(share, int) and not isinstance(share, bool) and share >= 0:
        return share, False
    found = _PERCENT.fullmatch(share) if isinstance(share, str) else None
    if found is None or int(found[1]) > _WHOLE:
        raise ValueError(f"{share!r} is neither a number of clusters nor per cent, such as '10%'")
    return int(found[1]), True


def rounded_up(share: Share, count: int) -> int:
    """Return how many of ``count`` clusters a share is, at most all of them."""
    number, is_percent = _read(share)
    return min(-(-number * count // _WHOLE) if is_percent else number, count)


def rounded_down(share: Share, count: int) -> int:
    """Return how many of ``count`` clusters a share is; at least 1."""
    number, is_percent = _read(share)
    return max(number * count // _WHOLE if is_percent else number, 1)


def select_targets(
    clusters: Mapping[str, Mapping[str, str]], names: Iterable[str], labels: Mapping[str, str]
) -> tuple[str, ...]:
    """Return the clusters that are meant: those named, as they are named, then those selected.

    Args:
        clusters: Every cluster and its labels.
        names: Clusters that are named; each must be there.
        labels: Labels that all the others that are meant have; empty selects none.

    Raises:
        LookupError: A cluster is not there.
    """
    named = tuple(dict.fromkeys(names))
    if unknown := [one for one in named if one not in clusters]:
        raise LookupError(unknown[0])
    selected = (
        sorted(name for name, has in clusters.items() if labels.items() <= has.items())
        if labels
        else ()
    )
    return tuple(dict.fromkeys((*named, *selected)))


def make_fleet(targets: Sequence[str], pace: Pace) -> Fleet:
    """Return the clusters in their batches."""
    left = list(targets)
    batches: list[tuple[str, ...]] = []
    sizes = [rounded_down(one, len(targets)) for one in pace.serial] or [len(targets)]
    while left:
        size = sizes[min(len(batches), len(sizes) - 1)]
        batches.append(tuple(left[:size]))
        left = left[size:]
    return Fleet(batches=tuple(batches), pace=pace)


def status_of(statuses: Statuses, target: str) -> TargetStatus:
    """Return where a cluster is."""
    return statuses.get(target, TargetStatus.TO_APPLY)


def breach(fleet: Fleet, statuses: Statuses) -> str:
    """Return why nothing more may start; empty if more may (FL-37, FL-40)."""
    failed = [one for one in fleet.targets if status_of(statuses, one) is TargetStatus.FAILED]
    tolerated = rounded_up(fleet.pace.max_failures, len(fleet.targets))
    if len(failed) > tolerated:
        noun = "failure" if len(failed) == 1 else "failures"
        return f"{len(failed)} {noun} of {tolerated} tolerated: {', '.join(failed)}"
    for number, batch in enumerate(fleet.batches, 1):
        if why := _too_few(number, batch, fleet.pace, statuses):
            return why
    return ""


def _too_few(number: int, batch: Sequence[str], pace: Pace, statuses: Statuses) -> str:
    """Return why a batch that is over has not succeeded enough."""
    found = [status_of(statuses, one) for one in batch]
    if not all(one in _ENDED for one in found):
        return ""
    good = sum(1 for one in found if one is TargetStatus.SUCCEEDED)
    counted = sum(1 for one in found if one is not TargetStatus.SKIP)
    wanted = rounded_up(pace.min_success, counted)
    if good >= wanted:
        return ""
    return f"only {good} of batch {number} succeeded; at least {wanted} had to"


def may_start(fleet: Fleet, statuses: Statuses) -> tuple[str, ...]:
    """Return the clusters that may start now, in order (FL-39); none after a breach.

    The next batch starts when everything of the one before has ended, its soak included.
    """
    if breach(fleet, statuses):
        return ()
    for batch in fleet.batches:
        found = {one: status_of(statuses, one) for one in batch}
        if all(one in _ENDED for one in found.values()):
            continue
        room = max(rounded_up(fleet.pace.max_concurrency, len(fleet.targets)), 1)
        room -= sum(1 for one in found.values() if one in _IN_WORK)
        waiting = [name for name, one in found.items() if one is TargetStatus.TO_APPLY]
        return tuple(waiting[: max(room, 0)])
    return ()


def is_over(fleet: Fleet, statuses: Statuses) -> bool:
    """Whether nothing is in work and nothing may start."""
    is_busy = any(status_of(statuses, one) in _IN_WORK for one in fleet.targets)
    return not is_busy and not may_start(fleet, statuses)


def conclude_fleet(
    fleet: Fleet, statuses: Statuses, *, is_cancelled: bool = False, why: str = ""
) -> FleetOutcome:
    """Return how a fan-out ended.

    Args:
        fleet: Its clusters.
        statuses: Where each ended.
        is_cancelled: Whether somebody stopped it.
        why: What stopped it beside the budgets.
    """
    found = [status_of(statuses, one) for one in fleet.targets]
    if is_cancelled and TargetStatus.TO_APPLY in found:
        return FleetOutcome.CANCELLED
    if why or breach(fleet, statuses):
        return FleetOutcome.STOPPED
    if is_cancelled and any(one not in _ENDED for one in found):
        return FleetOutcome.CANCELLED
    is_whole = TargetStatus.FAILED not in found
    return FleetOutcome.SUCCEEDED if is_whole else FleetOutcome.SUCCEEDED_WITH_FAILURES
