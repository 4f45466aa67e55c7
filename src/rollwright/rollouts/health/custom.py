"""Rules that others wrote: of a rollout, of a site, and the bundled ones (HL-140..145).

A rule is data: which objects it is for, and tests in order, of which the first that hits gives
the verdict. The ``conditions`` form of a rule file is a list of tests on conditions; the bundled
rules also test fields and list items. ``parse`` reads rule files. Rules that need more, written
as expressions or in Python, come as a ``judge``: whoever loads them compiles them, so that a
syntax error shows then and not during a rollout.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

from rollwright.rollouts.health.context import HealthContext
from rollwright.rollouts.health.jsonpath import Path, printed
from rollwright.rollouts.health.predicates import Hit, Predicate
from rollwright.rollouts.health.subject import Finding, Subject
from rollwright.rollouts.manifest import Body, ObjectRef
from rollwright.rollouts.status import ObjectStatus, Status

Judge: TypeAlias = "Callable[[Body, HealthContext, datetime | None], ObjectStatus | None]"


class Result(StrEnum):
    """What a rule file calls the verdicts."""

    CURRENT = "current"
    FAILED = "failed"
    IN_PROGRESS = "inProgress"
    SUSPENDED = "suspended"
    UNKNOWN = "unknown"

    @property
    def status(self) -> Status:
        """The status it means."""
        return _STATUS[self]


_STATUS = {
    Result.CURRENT: Status.CURRENT,
    Result.FAILED: Status.FAILED,
    Result.IN_PROGRESS: Status.IN_PROGRESS,
    Result.SUSPENDED: Status.SUSPENDED,
    Result.UNKNOWN: Status.UNKNOWN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which objects a rule is for; group and kind both, never the kind alone (HL-23).

    Attributes:
        group: Exact, or with ``*`` for any part (``*.crossplane.io``).
        kinds: None means every kind of the group.
    """

    group: str
    kinds: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    labels: Mapping[str, str] | None = None

    def holds(self, ref: ObjectRef, labels: Mapping[str, str]) -> bool:
        """Whether the rule is for this object."""
        return (
            self.holds_kind(*ref.group_kind)
            and (not self.namespaces or ref.namespace in self.namespaces)
            and (not self.names or ref.name in self.names)
            and all(labels.get(name) == value for name, value in (self.labels or {}).items())
        )

    def holds_kind(self, group: str, kind: str) -> bool:
        """Whether the rule is for a group and kind."""
        return (not self.kinds or kind in self.kinds) and _fits(self.group, group)


def _fits(pattern: str, group: str) -> bool:
    head, star, tail = pattern.partition("*")
    if not star:
        return pattern == group
    return len(group) >= len(head) + len(tail) and group.startswith(head) and group.endswith(tail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One line of a rule: when something holds, the verdict is this.

    Attributes:
        message: Where the text for a person stands; else the condition that hit says it.
        unblocks: Dependants may start although the object is not yet Current (HL-144).
    """

    when: Predicate
    result: Result
    message: Path | None = None
    text: str = ""
    unblocks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """A value of the status that goes to the run's record (HL-145)."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomRule:
    """A verdict for the objects of a kind, as data.

    Attributes:
        otherwise: The verdict when no test hits; ``None`` leaves it to the general rules.
        judge: Decides instead of the tests; its verdict keeps its words and gets our rule id.
        goes_first: Whether it decides before the conditions Reconciling and Stalled, as the
            rules of rollouts and sites do.
    """

    name: str
    match: Match
    tests: tuple[Criterion, ...] = ()
    otherwise: Result | None = Result.IN_PROGRESS
    judge: Judge | None = None
    feedback: tuple[Feedback, ...] = ()
    goes_first: bool = False


def apply_rule(rule: CustomRule, s: Subject) -> Finding | None:
    """Judge an object by a custom rule; ``None`` leaves the verdict to later rules."""
    if rule.judge is not None:
        return _by_judge(rule.judge, s)
    for test in rule.tests:
        hit = test.when.hit(s.body, s.metadata.get("generation"))
        if hit is not None:
            return _finding(test, hit, s)
    if rule.otherwise is None:
        return None
    words = "" if rule.otherwise is Result.CURRENT else _still_open(s)
    return Finding(rule.otherwise.status, "otherwise", "" if not words else "NoTestMet", words)


def _still_open(s: Subject) -> str:
    said = [f"{name}={one.get('status')}" for name, one in s.conditions.items()]
    return f"not decided yet by {', '.join(said)}" if said else "nothing is reported yet"


def _finding(test: Criterion, hit: Hit, s: Subject) -> Finding:
    value = test.message.first(s.body) if test.message is not None else None
    words = test.text or (printed(value) if value is not None else hit.text)
    return Finding(
        test.result.status,
        test.result.value,
        hit.reason,
        words,
        hit.since,
        unblocks=test.unblocks,
        evidence=hit.evidence,
    )


def _by_judge(judge: Judge, s: Subject) -> Finding | None:
    status = judge(s.body, s.context, s.now)
    if status is None:
        return None
    return Finding(
        status.status,
        "judge",
        status.reason,
        status.message,
        status.since,
        status.recheck_at,
        status.warnings,
        status.evidence,
        status.unblocks,
    )


def read_feedback(rule: CustomRule, body: Body) -> Mapping[str, Any]:
    """Return the values that a rule wants in the run's record; absent ones are left out."""
    found = ((one.name, one.path.find(body)) for one in rule.feedback)
    return {name: values[0] if len(values) == 1 else values for name, values in found if values}
