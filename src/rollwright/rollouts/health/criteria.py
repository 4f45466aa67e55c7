"""Reading values of a rule file: each getter reports what is wrong and returns something usable.

The form ``tests`` is read here:

    tests:
    - when: {condition: Ready, status: "False", reason: [Expired], checkObservedGeneration: true}
      result: failed
    - when: {field: .status.phase, in: [Pending, Running]}
      result: inProgress
      message: .status.message
    - when: {field: .spec.size, default: 1, moreThan: {field: .status.size, default: 0}}
      result: inProgress
    - when: {some: .status.listeners, where: {condition: Programmed, status: [False, Unknown]}}
      result: inProgress
    - when: {all: [{condition: Ready}, {any: [{field: .spec.paused}, {condition: Paused}]}]}
      result: suspended
    otherwise: inProgress
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollwright.errors import Problem
from rollwright.rollouts.health.custom import Criterion, Result
from rollwright.rollouts.health.jsonpath import Path, parse_path
from rollwright.rollouts.health.predicates import (
    AllOf,
    AnyOf,
    ConditionIs,
    FieldIs,
    Op,
    Predicate,
    SomeItem,
)

_TEST = frozenset({"when", "result", "message", "text", "unblockChanges"})
_FIELD = frozenset({"field", "default", "in", "notIn", "moreThan", "differs"})
_CONDITION = frozenset({"condition", "status", "reason", "checkObservedGeneration"})
_NEVER = AnyOf(())


class Reader:
    """Collects the problems of one rule while it is read."""

    def __init__(self, *, where: str, path: str) -> None:
        self._where, self._path = where, path
        self.problems: list[Problem] = []

    def report(self, path: str, message: str) -> None:
        """Note a problem at a place inside the rule."""
        full = ".".join(part for part in (self._path, path) if part)
        self.problems.append(Problem(where=self._where, path=full, message=message))

    def mapping(self, value: Any, path: str, known: frozenset[str] | None) -> Mapping[str, Any]:
        """Return a mapping with known keys only; empty when it is none."""
        if not isinstance(value, Mapping):
            self.report(path, f"got {_named(value)}, expected a mapping")
            return {}
        for name in () if known is None else sorted(set(map(str, value)) - known):
            words = ", ".join(sorted(known or ()))
            self.report(f"{path}.{name}".lstrip("."), f"is unknown; known: {words}")
        return value

    def items(self, value: Any, path: str) -> list[Any]:
        """Return a list; empty when it is none."""
        if isinstance(value, list):
            return value
        self.report(path, f"got {_named(value)}, expected a list")
        return []

    def text(self, value: Any, path: str) -> str:
        """Return a text; empty when it is absent."""
        if value is None or isinstance(value, str):
            return value or ""
        self.report(path, f"got {_named(value)}, expected a text")
        return ""

    def texts(self, value: Any, path: str) -> frozenset[str]:
        """Return one text or a list of them as a set."""
        if value is None or isinstance(value, str):
            return frozenset({value} if value else ())
        return frozenset(self.text(one, path) for one in self.items(value, path))

    def flag(self, value: Any, path: str) -> bool:
        """Return a boolean; false when it is absent."""
        if value is None or isinstance(value, bool):
            return bool(value)
        self.report(path, f"got {_named(value)}, expected true or false")
        return False

    def statuses(self, value: Any, path: str) -> frozenset[str]:
        """Return statuses of a condition; YAML's booleans mean the texts."""
        found = value if isinstance(value, list) else [value]
        words = frozenset(str(one) for one in found)
        for word in sorted(words - {"True", "False", "Unknown"}):
            self.report(path, f"got {word!r}, expected True, False or Unknown")
        return words

    def result(self, value: Any, path: str) -> Result | None:
        """Return the verdict that a word means."""
        try:
            return Result(value)
        except ValueError:
            words = ", ".join(Result)
            self.report(path, f"got {value!r}, expected one of {words}")
            return None

    def path_of(self, value: Any, path: str) -> Path | None:
        """Return a JSONPath."""
        if not isinstance(value, str) or not value:
            self.report(path, f"got {_named(value)}, expected a JSONPath such as .status.phase")
            return None
        try:
            return parse_path(value)
        except ValueError as error:
            self.report(path, str(error))
            return None

    def criteria(self, value: Any, path: str) -> tuple[Criterion, ...]:
        """Return the tests of a rule, in their order."""
        entries = self.items(value, path)
        return tuple(self._criterion(one, f"{path}[{n}]") for n, one in enumerate(entries))

    def _criterion(self, value: Any, path: str) -> Criterion:
        fields = self.mapping(value, path, _TEST)
        message = fields.get("message")
        return Criterion(
            when=self._predicate(fields.get("when"), f"{path}.when"),
            result=self.result(fields.get("result"), f"{path}.result") or Result.IN_PROGRESS,
            message=None if message is None else self.path_of(message, f"{path}.message"),
            text=self.text(fields.get("text"), f"{path}.text"),
            unblocks=self.flag(fields.get("unblockChanges"), f"{path}.unblockChanges"),
        )

    def _predicate(self, value: Any, path: str) -> Predicate:
        fields = self.mapping(value, path, None)
        if "condition" in fields:
            return self._condition(fields, path)
        if "field" in fields:
            return self._field(fields, path)
        if "some" in fields:
            self.mapping(fields, path, frozenset({"some", "where"}))
            place = self.path_of(fields["some"], f"{path}.some")
            when = self._predicate(fields.get("where"), f"{path}.where")
            return SomeItem(path=place, when=when) if place else _NEVER
        for word, kind in (("all", AllOf), ("any", AnyOf)):
            if word in fields:
                self.mapping(fields, path, frozenset({word}))
                parts = self.items(fields[word], f"{path}.{word}")
                found = (self._predicate(one, f"{path}.{word}[{n}]") for n, one in enumerate(parts))
                return kind(tuple(found))
        self.report(path, "needs one of condition, field, some, all, any")
        return _NEVER

    def _condition(self, fields: Mapping[str, Any], path: str) -> Predicate:
        self.mapping(fields, path, _CONDITION)
        flag = fields.get("checkObservedGeneration")
        return ConditionIs(
            type=self.text(fields["condition"], f"{path}.condition"),
            status=self.statuses(fields.get("status", "True"), f"{path}.status"),
            reasons=self.texts(fields.get("reason"), f"{path}.reason"),
            checks_generation=self.flag(flag, f"{path}.checkObservedGeneration"),
        )

    def _field(self, fields: Mapping[str, Any], path: str) -> Predicate:
        self.mapping(fields, path, _FIELD)
        place = self.path_of(fields["field"], f"{path}.field")
        ops = [op for op in Op if op.value in fields]
        if len(ops) > 1:
            self.report(path, f"compares twice: {', '.join(ops)}")
        if place is None:
            return _NEVER
        op = ops[0] if ops else Op.IS_SET
        wanted = fields.get(op.value)
        if isinstance(wanted, Mapping):
            return self._two_fields(place, op, fields, path)
        values = (
            tuple(self.items(wanted, f"{path}.{op}")) if op in {Op.IN, Op.NOT_IN} else (wanted,)
        )
        if op is Op.DIFFERS:
            return FieldIs(path=place, op=Op.NOT_IN, values=values, default=fields.get("default"))
        return FieldIs(path=place, op=op, values=values, default=fields.get("default"))

    def _two_fields(self, place: Path, op: Op, fields: Mapping[str, Any], path: str) -> Predicate:
        inner = f"{path}.{op}"
        wanted = self.mapping(fields[op.value], inner, frozenset({"field", "default"}))
        other = self.path_of(wanted.get("field"), f"{inner}.field")
        if op not in {Op.MORE_THAN, Op.DIFFERS}:
            self.report(inner, "got a mapping, expected a list")
        if other is None:
            return _NEVER
        return FieldIs(
            path=place,
            op=op,
            default=fields.get("default"),
            other=other,
            other_default=wanted.get("default"),
        )


def _named(value: Any) -> str:
    names = {dict: "a mapping", list: "a list", str: "a text", bool: "a boolean", int: "a number"}
    return "nothing" if value is None else names.get(type(value), type(value).__name__)
