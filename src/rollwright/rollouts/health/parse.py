"""Reading a rule file's entry into a ``CustomRule``; all its problems at once (HL-141).

``match`` says for which objects; then one of four forms says how: ``conditions``, ``tests``,
``expressions`` or ``plugin``. The last two need somebody who can compile them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from rollwright.errors import InvalidSpec
from rollwright.rollouts.health.criteria import Reader
from rollwright.rollouts.health.custom import (
    Criterion,
    CustomRule,
    Feedback,
    Judge,
    Match,
    Result,
)
from rollwright.rollouts.health.predicates import ConditionIs

Compile: TypeAlias = Callable[[Mapping[str, str]], Judge]
Load: TypeAlias = Callable[[str], Judge]

_FORMS = ("conditions", "tests", "expressions", "plugin")
_EXPRESSIONS = frozenset({"inProgress", "failed", "suspended", "current"})
_RULE = frozenset({"name", "match", *_FORMS, "otherwise", "feedback"})
_MATCH = frozenset({"group", "kind", "kinds", "namespaces", "names", "labels"})
_MATCHER = frozenset(
    {"type", "status", "reason", "result", "unblockChanges", "checkObservedGeneration"}
)


def parse_rule(
    entry: Any,
    *,
    where: str = "",
    path: str = "",
    compile_expressions: Compile | None = None,
    load_plugin: Load | None = None,
) -> CustomRule:
    """Read one rule.

    Args:
        entry: The rule as a mapping.
        where: File and line, for the problems.
        path: Place of the rule inside the file.
        compile_expressions: Makes a judge of the four expressions; raises ``ValueError`` when
            one cannot be read.
        load_plugin: Finds the function ``module:function``; only for a site's own rules.

    Raises:
        InvalidSpec: With every problem of the rule.
    """
    reader = Reader(where=where, path=path)
    fields = reader.mapping(entry, "", _RULE)
    if not isinstance(entry, Mapping):
        raise InvalidSpec(reader.problems)
    rule = _rule(reader, fields, compile_expressions, load_plugin)
    if reader.problems:
        raise InvalidSpec(reader.problems)
    return rule


def _rule(
    reader: Reader,
    fields: Mapping[str, Any],
    compile_expressions: Compile | None,
    load_plugin: Load | None,
) -> CustomRule:
    match = _match(reader, fields.get("match"))
    form = _form(reader, fields)
    criteria: tuple[Criterion, ...] = ()
    judge: Judge | None = None
    if form == "conditions":
        criteria = _matchers(reader, fields[form])
    elif form == "tests":
        criteria = reader.criteria(fields[form], form)
    elif form is not None:
        maker = compile_expressions if form == "expressions" else load_plugin
        judge = _judge(reader, form, fields[form], maker)
    return CustomRule(
        name=reader.text(fields.get("name"), "name") or f"{match.group}/{_kind_words(match)}",
        match=match,
        tests=criteria,
        otherwise=reader.result(fields.get("otherwise", "inProgress"), "otherwise"),
        judge=judge,
        feedback=_feedback(reader, fields.get("feedback")),
    )


def _kind_words(match: Match) -> str:
    return ",".join(sorted(match.kinds)) or "*"


def _match(reader: Reader, value: Any) -> Match:
    fields = reader.mapping(value, "match", _MATCH)
    if "group" not in fields:
        reader.report("match.group", "is missing; the core group is ''")
    kinds = reader.texts(fields.get("kinds"), "match.kinds")
    kind = reader.text(fields.get("kind"), "match.kind")
    kinds = kinds | {kind} if kind else kinds
    if not kinds and value is not None:
        reader.report("match.kind", "is missing; '*' means every kind of the group")
    labels = reader.mapping(fields.get("labels") or {}, "match.labels", None)
    return Match(
        group=reader.text(fields.get("group"), "match.group"),
        kinds=frozenset() if "*" in kinds else kinds,
        namespaces=reader.texts(fields.get("namespaces"), "match.namespaces"),
        names=reader.texts(fields.get("names"), "match.names"),
        labels={name: str(label) for name, label in labels.items()} or None,
    )


def _form(reader: Reader, fields: Mapping[str, Any]) -> str | None:
    named = [form for form in _FORMS if form in fields]
    if len(named) != 1:
        got = ", ".join(named) or "none"
        reader.report("", f"needs exactly one of {', '.join(_FORMS)}; got {got}")
        return None
    return named[0]


def _matchers(reader: Reader, value: Any) -> tuple[Criterion, ...]:
    entries = reader.items(value, "conditions")
    return tuple(_matcher(reader, one, f"conditions[{n}]") for n, one in enumerate(entries))


def _matcher(reader: Reader, value: Any, path: str) -> Criterion:
    fields = reader.mapping(value, path, _MATCHER)
    for name in ("type", "result"):
        if name not in fields:
            reader.report(f"{path}.{name}", "is missing")
    checks = reader.flag(fields.get("checkObservedGeneration"), f"{path}.checkObservedGeneration")
    when = ConditionIs(
        type=reader.text(fields.get("type"), f"{path}.type"),
        status=reader.statuses(fields.get("status", "True"), f"{path}.status"),
        reasons=reader.texts(fields.get("reason"), f"{path}.reason"),
        checks_generation=checks,
    )
    result = reader.result(fields.get("result", "current"), f"{path}.result")
    unblocks = reader.flag(fields.get("unblockChanges"), f"{path}.unblockChanges")
    return Criterion(when=when, result=result or Result.IN_PROGRESS, unblocks=unblocks)


def _judge(
    reader: Reader, form: str, value: Any, make: Callable[[Any], Judge] | None
) -> Judge | None:
    if form == "expressions":
        fields = reader.mapping(value, form, _EXPRESSIONS)
        value = {name: reader.text(text, f"{form}.{name}") for name, text in fields.items()}
    if make is None:
        reader.report(form, "cannot be used here")
        return None
    try:
        return make(value)
    except ValueError as error:
        reader.report(form, str(error))
        return None


def _feedback(reader: Reader, value: Any) -> tuple[Feedback, ...]:
    found = []
    for place, entry in enumerate(reader.items(value or [], "feedback")):
        path = f"feedback[{place}]"
        fields = reader.mapping(entry, path, frozenset({"name", "jsonpath"}))
        name = reader.text(fields.get("name"), f"{path}.name")
        where = reader.path_of(fields.get("jsonpath"), f"{path}.jsonpath")
        if not name:
            reader.report(f"{path}.name", "is missing")
        if where is not None:
            found.append(Feedback(name=name, path=where))
    return tuple(found)
