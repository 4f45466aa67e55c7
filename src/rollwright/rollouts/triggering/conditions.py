"""The status of the object that set a run off, as a value (FB-01, FB-02, DOC-61 to DOC-64).

Before: ``groups`` says how far each group is, the end of a run how it went.
After: whoever reads the object sees it; by the rules of kstatus alone, if they like.

Two kinds of conditions stand in one list: one per group, ``{name, currentStatus}``, and the
standard ones, ``{type, status, reason}``. The schema of a kind may allow only one of them.
Conditions of others are left as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rollwright.rollouts.feedback import Reason
from rollwright.rollouts.triggering.groups import GroupProgress, Groups, GroupState

LONGEST_MESSAGE = 1024
"""Characters of a message: a status is read by people, and every write sends all of it."""


class Truth(StrEnum):
    """The values of ``status`` of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How it is with the rollout of an object.

    Attributes:
        ready: Whether the newest of what is declared is rolled out.
        healthy: Whether what was rolled out is Current.
        is_reconciling: Whether a run is at work, or will be by itself.
        is_stalled: Whether nothing will happen until somebody changes something.
        reason: Why, as a code (FB-04).
        message: The worst object and its cause (FB-05).
    """

    ready: Truth
    healthy: Truth
    is_reconciling: bool
    is_stalled: bool
    reason: Reason
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectStatus:
    """What is written into the status of an object.

    Attributes:
        generation: Of the object, as the run saw it; zero for kinds without one.
        groups: How far each group is; ``None`` where the run did not come to know them.
        standing: How it is as a whole.
        is_broken: Whether something broke the run off, and no group is known to have failed.
        attempted, applied: Revisions of the source; empty where they are not known.
        handled_trigger: What somebody waits for whose run has ended; empty if nobody does.
    """

    generation: int
    groups: tuple[GroupProgress, ...] | None
    standing: Standing
    is_broken: bool = False
    attempted: str = ""
    applied: str = ""
    handled_trigger: str = ""


@dataclass(frozen=True, slots=True)
class Forms:
    """Which kinds of conditions the schema of a kind allows."""

    has_standard: bool = True
    has_groups: bool = True


def status_after(
    before: Mapping[str, Any], wanted: SubjectStatus, forms: Forms, now: str
) -> dict[str, Any]:
    """Return the fields of a status that we write, with their values.

    Args:
        before: The status as it is.
        wanted: What is to be told.
        forms: Which conditions the kind takes.
        now: The instant, as conditions name it.
    """
    old = before.get("conditions")
    listed = [one for one in old if isinstance(one, Mapping)] if isinstance(old, list) else []
    ours = [
        *(_groups(_known(wanted, listed), listed, now) if forms.has_groups else ()),
        *(_standard(wanted, listed, now) if forms.has_standard else ()),
    ]
    fields = {
        "lastAttemptedRevision": wanted.attempted,
        "lastAppliedRevision": wanted.applied,
        "lastHandledTrigger": wanted.handled_trigger,
        "observedGeneration": wanted.generation,
    }
    conditions = [*(dict(one) for one in listed if not is_ours(one)), *ours]
    return {"conditions": conditions, **{key: value for key, value in fields.items() if value}}


def is_ours(condition: Mapping[str, Any]) -> bool:
    """Whether a condition is one that we write; what a schema left of one is, too."""
    if "type" in condition:
        return condition["type"] in STANDARD
    return "currentStatus" in condition or not condition.get("name")


_STATES = {one.value: one for one in GroupState}

STANDARD = ("Ready", "Reconciling", "Stalled", "Healthy")
"""The types of the standard conditions (FB-01)."""


def _known(wanted: SubjectStatus, old: Sequence[Mapping[str, Any]]) -> tuple[GroupProgress, ...]:
    """Return the groups; those of the run before where this one knows none.

    What broke it off is told of the first of them: a schema may allow nothing else (DOC-N4).
    """
    if wanted.groups is not None:
        return wanted.groups
    found = [one for one in old if "currentStatus" in one and one.get("name")]
    if wanted.is_broken:
        groups = Groups()
        groups.named(str(one["name"]) for one in found)
        groups.broken(wanted.standing.message)
        return groups.progress
    return tuple(
        GroupProgress(
            name=str(one["name"]),
            state=_STATES[one["currentStatus"]],
            message=str(one.get("message", "")),
        )
        for one in found
        if one["currentStatus"] in _STATES
    )


def _groups(
    groups: Iterable[GroupProgress], old: Sequence[Mapping[str, Any]], now: str
) -> Iterator[dict[str, Any]]:
    former = {one.get("name"): one for one in old if "currentStatus" in one}
    for group in groups:
        before = former.get(group.name, {})
        is_same = before.get("currentStatus") == group.state.value
        yield {
            "lastTransitionTime": _time(before, now, is_same=is_same),
            "name": group.name,
            "currentStatus": group.state.value,
            **({"message": group.message[:LONGEST_MESSAGE]} if group.message else {}),
        }


def _standard(
    wanted: SubjectStatus, old: Sequence[Mapping[str, Any]], now: str
) -> Iterator[dict[str, Any]]:
    standing = wanted.standing
    truths = {
        "Ready": standing.ready,
        "Reconciling": Truth.TRUE if standing.is_reconciling else Truth.FALSE,
        "Stalled": Truth.TRUE if standing.is_stalled else Truth.FALSE,
        "Healthy": standing.healthy,
    }
    former = {one.get("type"): one for one in old}
    for name, truth in truths.items():
        before = former.get(name, {})
        is_same = before.get("status") == truth.value
        yield {
            "lastTransitionTime": _time(before, now, is_same=is_same),
            "type": name,
            "status": truth.value,
            "reason": _reason(name, standing),
            "message": standing.message[:LONGEST_MESSAGE],
            **({"observedGeneration": wanted.generation} if wanted.generation else {}),
        }


def _reason(name: str, standing: Standing) -> str:
    is_retry = standing.is_reconciling and standing.ready is Truth.FALSE
    retry = name == "Reconciling" and is_retry
    return (Reason.PROGRESSING_WITH_RETRY if retry else standing.reason).value


def _time(before: Mapping[str, Any], now: str, *, is_same: bool) -> str:
    return str(before.get("lastTransitionTime") or now) if is_same else now


def kept_forms(sent: Mapping[str, Any], kept: Mapping[str, Any], forms: Forms) -> Forms:
    """Return which conditions a server kept of those that were sent to it."""
    listed = kept.get("conditions")
    found = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    had = [one for one in sent.get("conditions") or () if is_ours(one)]
    wants_groups = any("currentStatus" in one for one in had)
    wants_standard = any("type" in one for one in had)
    return Forms(
        has_standard=forms.has_standard
        and (not wants_standard or any(one.get("type") in STANDARD for one in found)),
        has_groups=forms.has_groups
        and (not wants_groups or any("currentStatus" in one and "name" in one for one in found)),
    )


def lost_fields(sent: Mapping[str, Any], kept: Mapping[str, Any]) -> frozenset[str]:
    """Return the fields of a status that a server did not keep at all."""
    return frozenset(key for key, value in sent.items() if value and key not in kept)


def is_written(status: Mapping[str, Any], live: Mapping[str, Any], lost: frozenset[str]) -> bool:
    """Whether a status is there already, as far as the server keeps it (DOC-64)."""
    return all(live.get(key) == value for key, value in status.items() if key not in lost)
