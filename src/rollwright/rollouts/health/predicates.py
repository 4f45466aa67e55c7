"""What a test of a custom rule may ask: a condition, a field, an item of a list, and or, or and.

A predicate is data and answers with a ``Hit``, which says why, or with nothing. A field that is
missing makes it miss; it never raises (HL-143).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from rollwright.rollouts.health.generic import is_stale
from rollwright.rollouts.health.jsonpath import Path, printed
from rollwright.rollouts.health.subject import changed_at, text_of, well_formed
from rollwright.rollouts.status import Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """Why a predicate holds."""

    reason: str = ""
    text: str = ""
    since: datetime | None = None
    evidence: tuple[Evidence, ...] = ()


class Predicate(Protocol):
    """A question about an object, or about an item of one of its lists."""

    def hit(self, item: Any, generation: object) -> Hit | None:
        """Return why it holds, or nothing.

        Args:
            item: The object or list item; its conditions are at ``status.conditions`` or
                ``conditions``.
            generation: ``metadata.generation`` of the object.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionIs:
    """A condition has one of these statuses, and one of these reasons if any are named.

    Attributes:
        type: Empty means any condition.
        checks_generation: Whether a condition of an older generation does not count (HL-26).
    """

    type: str = ""
    status: frozenset[str] = frozenset({"True"})
    reasons: frozenset[str] = frozenset()
    checks_generation: bool = False

    def hit(self, item: Any, generation: object) -> Hit | None:
        """Return what the first such condition says."""
        for condition in _conditions(item):
            if self._holds(condition, generation):
                words = text_of(condition)
                kind, reason = str(condition["type"]), condition.get("reason")
                return Hit(
                    reason=str(reason or kind),
                    text=words,
                    since=changed_at(condition),
                    evidence=(Evidence(kind="Condition", name=kind, text=words),),
                )
        return None

    def _holds(self, condition: Mapping[str, Any], generation: object) -> bool:
        return (
            self.type in {"", condition.get("type")}
            and (not self.status or condition.get("status") in self.status)
            and (not self.reasons or condition.get("reason") in self.reasons)
            and not (self.checks_generation and is_stale(condition, generation))
        )


def _conditions(item: Any) -> Any:
    status = item.get("status")
    found = status.get("conditions") if isinstance(status, Mapping) else item.get("conditions")
    return well_formed(found)


class Op(StrEnum):
    """How a field is compared."""

    IS_SET = "isSet"
    IN = "in"
    NOT_IN = "notIn"
    MORE_THAN = "moreThan"
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldIs:
    """A field compares with values, or with another field.

    Attributes:
        default: What an absent field counts as; ``None`` makes the predicate miss, except for
            ``in`` and ``notIn``, where ``None`` may be one of the values.
        other: The field to compare with, for ``moreThan`` and ``differs``.
    """

    path: Path
    op: Op = Op.IS_SET
    values: tuple[Any, ...] = ()
    default: Any = None
    other: Path | None = None
    other_default: Any = None

    def hit(self, item: Any, generation: object) -> Hit | None:  # noqa: ARG002  (one shape for all)
        """Return the field and its value."""
        value = self.path.first(item, self.default)
        value = self.default if value is None else value
        wanted = self._wanted(item)
        if not self._holds(value, wanted):
            return None
        text = f"{self.path.text.lstrip('.')} is {printed(value)}"
        return Hit(text=text if not wanted else f"{text}, the other is {printed(wanted[0])}")

    def _wanted(self, item: Any) -> tuple[Any, ...]:
        if self.other is None:
            return self.values if self.op is Op.MORE_THAN else ()
        value = self.other.first(item, self.other_default)
        return (self.other_default if value is None else value,)

    def _holds(self, value: Any, wanted: tuple[Any, ...]) -> bool:
        if self.op is Op.IN:
            return value in self.values
        if self.op is Op.NOT_IN:
            return value not in self.values
        if self.op is Op.DIFFERS:
            return (value,) != wanted
        if self.op is Op.MORE_THAN:
            return _is_more(value, wanted[0] if wanted else None)
        return bool(value)


def _is_more(left: Any, right: Any) -> bool:
    try:
        return float(left) > float(right)
    except (TypeError, ValueError):
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class SomeItem:
    """Some item of a list answers yes."""

    path: Path
    when: Predicate

    def hit(self, item: Any, generation: object) -> Hit | None:
        """Return the first item's answer, with its name."""
        for one in (part for found in self.path.find(item) for part in _items(found)):
            hit = self.when.hit(one, generation)
            if hit is not None:
                name = one.get("name")
                words = f"{name}: {hit.text}" if name else hit.text
                return Hit(reason=hit.reason, text=words, since=hit.since, evidence=hit.evidence)
        return None


def _items(found: Any) -> list[Any]:
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One of them answers yes."""

    parts: tuple[Predicate, ...]

    def hit(self, item: Any, generation: object) -> Hit | None:
        """Return the first answer."""
        for part in self.parts:
            hit = part.hit(item, generation)
            if hit is not None:
                return hit
        return None


@dataclass(frozen=True, slots=True)
class AllOf:
    """All of them answer yes."""

    parts: tuple[Predicate, ...]

    def hit(self, item: Any, generation: object) -> Hit | None:
        """Return the last answer, which is the most particular one."""
        last: Hit | None = Hit()
        for part in self.parts:
            last = part.hit(item, generation)
            if last is None:
                return None
        return last
