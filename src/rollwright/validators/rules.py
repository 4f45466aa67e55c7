"""CEL rules of custom kinds (``x-kubernetes-validations``), evaluated as the server does.

Before: an object fits its structural schema, and its defaults are filled in. After: a rule that
is false is a finding; one that has no value here (a function that the library lacks, a look at
the former object, a time or a duration) is left to the server.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rollwright.errors import excerpt
from rollwright.plugins.cel.worker import WORKER, Answer, Batch

Path = tuple[str | int, ...]
Schema = Mapping[str, Any]

_UNLIKE = frozenset({"byte", "date", "date-time", "duration"})
"""Formats whose values are more than text for the server's rules."""

_ESCAPES = (("__", "__underscores__"), (".", "__dot__"), ("-", "__dash__"), ("/", "__slash__"))
_NAME = re.compile(r"[A-Za-z_.\-/][A-Za-z0-9_.\-/]*")
_RESERVED = frozenset(
    {
        *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for"),
        *("function", "if", "import", "let", "loop", "package", "namespace", "return", "var"),
        *("void", "while"),
    }
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a schema."""

    text: str
    message: str = ""
    expression: str = ""
    path: str = ""

    def sentence(self, told: str) -> str:
        """Return what is wrong; ``told`` is what the rule's own expression came to."""
        return excerpt(told or self.message or f"breaks the rule {self.text}")


@dataclass(frozen=True, slots=True)
class Spot:
    """A value that rules look at.

    Attributes:
        owner: Whose it is, in whatever numbering the caller has.
        path: Where it stands in its object.
        value: As the rules see it.
    """

    owner: int
    path: Path
    value: Any


class Rules:
    """The rules of one kind, and the values they are to look at."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._found: dict[int, tuple[tuple[Rule, ...], list[Spot]]] = {}
        self.has_any = _has_rules(schema)

    def look(self, owner: int, body: Any) -> None:
        """Note everything in an object that a rule is about."""
        if self.has_any:
            self._collect(owner, body, self._schema, ())

    def broken(self) -> Iterator[tuple[int, Path, str]]:
        """Evaluate; yield whose value breaks a rule, where, and what to say."""
        for rules, spots in (one for one in self._found.values() if one[0]):
            texts = tuple(text for one in rules for text in (one.text, one.expression) if text)
            batch = Batch(
                scope="rule",
                expressions=tuple(dict.fromkeys(texts)),
                item="self",
                items=tuple(one.value for one in spots),
            )
            for spot, answers in zip(spots, WORKER.ask_each(batch), strict=True):
                known = dict(zip(batch.expressions, answers, strict=True))
                yield from _broken_at(spot, rules, known)

    def _collect(self, owner: int, value: Any, schema: Schema, path: Path) -> None:
        if value is None:
            return
        if "x-kubernetes-validations" in schema:
            key = id(schema)  # it lives as long as this
            if key not in self._found:
                self._found[key] = tuple(_rules_of(schema)), []
            self._found[key][1].append(Spot(owner, path, as_seen(value, schema)))
        if isinstance(value, Mapping):
            properties = _mapping(schema.get("properties"))
            others = _mapping(schema.get("additionalProperties"))
            for key, inner in value.items():
                self._collect(owner, inner, _mapping(properties.get(key, others)), (*path, key))
        elif isinstance(value, list):
            items = _mapping(schema.get("items"))
            for index, inner in enumerate(value if items else ()):
                self._collect(owner, inner, items, (*path, index))


def _broken_at(
    spot: Spot, rules: Iterable[Rule], known: Mapping[str, Answer]
) -> Iterator[tuple[int, Path, str]]:
    for rule in rules:
        if known[rule.text].value is False:
            told = known[rule.expression].text if rule.expression else ""
            where = tuple(part for part in rule.path.removeprefix(".").split(".") if part)
            yield spot.owner, (*spot.path, *where), rule.sentence(told)


def _rules_of(schema: Schema) -> Iterator[Rule]:
    declared = schema.get("x-kubernetes-validations")
    for one in declared if isinstance(declared, list) else ():
        text = str(_mapping(one).get("rule") or "")
        if text and not re.search(r"\boldSelf\b", text) and not _looks_at_unlike(text, schema):
            field = str(one.get("fieldPath") or "")
            yield Rule(
                text=text,
                message=str(one.get("message") or ""),
                expression=str(one.get("messageExpression") or ""),
                # NB: a path with brackets is told as it is written only in the cluster.
                path=field if re.fullmatch(r"(\.[A-Za-z0-9_-]+)*", field) else "",
            )


def _looks_at_unlike(text: str, schema: Schema) -> bool:
    if schema.get("format") in _UNLIKE:
        return True
    return any(re.search(rf"\b{re.escape(_escaped(name))}\b", text) for name in _unlike(schema))


def _unlike(schema: Schema, name: str = "") -> Iterator[str]:
    """Yield the names of fields whose values a rule sees otherwise than they are written."""
    if name and schema.get("format") in _UNLIKE:
        yield name
    for field, below in _mapping(schema.get("properties")).items():
        yield from _unlike(_mapping(below), field)
    for key in ("items", "additionalProperties"):
        if below := _mapping(schema.get(key)):
            yield from _unlike(below, name)


def _has_rules(schema: Any) -> bool:
    if not isinstance(schema, Mapping):
        return False
    if "x-kubernetes-validations" in schema:
        return True
    below = [schema.get("items"), schema.get("additionalProperties")]
    return any(map(_has_rules, [*below, *_mapping(schema.get("properties")).values()]))


def as_seen(value: Any, schema: Schema) -> Any:
    """Return a value as rules see it: names of fields escaped, numbers as their types say."""
    if isinstance(value, list):
        items = _mapping(schema.get("items"))
        return [as_seen(one, items) for one in value]
    if isinstance(value, Mapping):
        properties = _mapping(schema.get("properties"))
        others = _mapping(schema.get("additionalProperties"))
        return {
            _escaped(key) if key in properties else key: as_seen(
                one, _mapping(properties.get(key, others))
            )
            for key, one in value.items()
        }
    is_number = schema.get("type") == "number" and isinstance(value, int)
    return float(value) if is_number and not isinstance(value, bool) else value


def _escaped(name: str) -> str:
    if name in _RESERVED:
        return f"__{name}__"
    if not _NAME.fullmatch(name):
        return name
    for written, instead in _ESCAPES:
        name = name.replace(written, instead)
    return name


def _mapping(value: Any) -> Schema:
    return value if isinstance(value, Mapping) else {}
