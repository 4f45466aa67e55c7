"""Whether a changed CustomResourceDefinition still fits the objects that are stored (AP-70).

Before: the live definition was read, the new one predicted.
After: a guard names every problem; ``planning`` shows it, an approval may let the softer ones pass.

A version that is stored, the scope and the names can never be taken back: the objects could not
be read any more. Everything that makes a schema stricter may refuse, or silently cut, objects
that were good until now.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rollwright.rollouts.change import Change, Forecast
from rollwright.rollouts.live import LiveSet
from rollwright.rollouts.manifest import Body, ObjectRef
from rollwright.rollouts.order.bodies import mapping, sequence, spec_of
from rollwright.rollouts.plan import Guard
from rollwright.rollouts.premises import is_crd

PROBLEMS_SHOWN = 12

_UPPER = ("maximum", "maxLength", "maxItems", "maxProperties")
_LOWER = ("minimum", "minLength", "minItems", "minProperties")
_EXACT = ("pattern", "format", "multipleOf", "allOf", "anyOf", "oneOf", "not")
_FLAGS = ("uniqueItems", "exclusiveMaximum", "exclusiveMinimum")
_WIDER = {("integer", "number")}
"""Changes of a type that leave every old value good."""

_RULES = "x-kubernetes-validations"
_PRESERVES = "x-kubernetes-preserve-unknown-fields"
_MIXED = "x-kubernetes-int-or-string"


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """One problem of a change; ``is_final`` when no approval can let it pass."""

    problem: str
    is_final: bool = False


def guard_definitions(
    changes: Iterable[Change], live: LiveSet, forecast: Mapping[ObjectRef, Forecast]
) -> Iterator[Guard]:
    """Yield a guard for each changed definition that does not fit what is stored.

    Args:
        changes: The changes of wanted objects.
        live: What is in the cluster, and which versions of custom kinds are in use.
        forecast: The server's answers: an apply leaves versions of other managers alone.
    """
    upgrades = (one for one in changes if one.writes and one.wanted and is_crd(one.wanted.body))
    for change in sorted(upgrades, key=lambda one: one.ref):
        found = live.get(change.ref)
        if change.wanted is None or found is None:
            continue
        answer = forecast.get(change.ref)
        new = answer.body if answer and answer.body else change.wanted.body
        used = live.used_versions.get(change.ref.name, frozenset())
        yield from _guards(str(change.ref), tuple(find_breaches(found.body, new, used)))


def _guards(name: str, breaches: tuple[Breach, ...]) -> Iterator[Guard]:
    for is_final in (True, False):
        problems = [one.problem for one in breaches if one.is_final is is_final]
        if not problems:
            continue
        shown = problems[:PROBLEMS_SHOWN]
        if rest := len(problems) - len(shown):
            shown.append(f"and {rest} more")
        yield Guard(
            id="AP-70",
            limit="what is stored stays readable" if is_final else "no schema gets stricter",
            value=name,
            is_breached=True,
            message=f"{name}: {'; '.join(shown)}",
            is_waivable=not is_final,
        )


def find_breaches(old: Body, new: Body, used: Collection[str] = ()) -> Iterator[Breach]:
    """Yield what an upgrade of a definition breaks.

    Args:
        old: The live definition.
        new: The definition after the upgrade.
        used: Its versions that objects or their writers use, as far as anybody knows.
    """
    yield from _identity(spec_of(old), spec_of(new))
    before, after = _versions(old), _versions(new)
    stored = {str(one) for one in sequence(mapping(old.get("status")).get("storedVersions"))}
    stored |= {name for name, one in before.items() if one.get("storage")}
    for name, version in before.items():
        if name not in after and name in stored:
            problem = f"version {name} is removed, and objects are stored in it; keep it unserved"
            yield Breach(problem=f"{problem} until they are migrated", is_final=True)
        elif name in used and _is_served(version) and not _is_served(after.get(name)):
            yield Breach(problem=f"version {name} is not served any more, and is in use")
    for name, version in before.items():
        if name in after:
            place = _Place(name, "")
            yield from _stricter(place, _schema(version), _schema(after[name]))


def _identity(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Breach]:
    for key, was, becomes in [
        ("scope", old.get("scope"), new.get("scope")),
        ("group", old.get("group"), new.get("group")),
        *((f"names.{key}", *_names(key, old, new)) for key in _NAMES),
    ]:
        if was != becomes:
            yield Breach(problem=f"{key} changes from {was!r} to {becomes!r}", is_final=True)


_NAMES = ("kind", "plural", "singular", "listKind")


def _names(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Any, Any]:
    return _name(key, mapping(old.get("names"))), _name(key, mapping(new.get("names")))


def _name(key: str, names: Mapping[str, Any]) -> Any:
    """Return a name, or what the server makes of the kind when it is left out."""
    kind = str(names.get("kind", ""))
    default = {"singular": kind.lower(), "listKind": f"{kind}List"}
    return names.get(key) or default.get(key)


def _versions(crd: Body) -> dict[str, Mapping[str, Any]]:
    versions = map(mapping, sequence(spec_of(crd).get("versions")))
    return {str(version.get("name")): version for version in versions}


def _is_served(version: Mapping[str, Any] | None) -> bool:
    return version is not None and version.get("served") is not False


def _schema(version: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping(mapping(version.get("schema")).get("openAPIV3Schema"))


# ---------------------------------------------------------------- schemas


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in a definition a schema stands."""

    version: str
    path: str

    def below(self, step: str) -> _Place:
        dot = "." if self.path and not step.startswith("[") else ""
        return _Place(self.version, f"{self.path}{dot}{step}")

    def breach(self, problem: str) -> Breach:
        return Breach(problem=f"{self.version} {self.path or 'schema'}: {problem}")


def _stricter(place: _Place, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Breach]:
    """Yield what of a schema got stricter than it was."""
    yield from _types(place, old, new)
    yield from _limits(place, old, new)
    yield from _fields(place, old, new)
    if "items" in old and "items" in new:
        yield from _stricter(place.below("[]"), mapping(old["items"]), mapping(new["items"]))
    elif "items" in new and old:
        yield place.breach("its items get a schema")


def _types(place: _Place, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Breach]:
    was, becomes = old.get("type"), new.get("type")
    if old.get(_MIXED):
        if becomes and not new.get(_MIXED):
            yield place.breach("is not a number or text alike any more")
    elif place.path and becomes and not _is_as_wide(was, becomes, new):
        yield place.breach(f"type changes from {was or 'any'} to {becomes}")
    if old.get("nullable") and not new.get("nullable"):
        yield place.breach("must not be null any more")


def _is_as_wide(was: Any, becomes: Any, new: Mapping[str, Any]) -> bool:
    return was == becomes or (was, becomes) in _WIDER or bool(new.get(_MIXED))


def _limits(place: _Place, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Breach]:
    for key in (*_UPPER, *_LOWER, *_EXACT):
        if key in new and (key not in old or _is_tighter(key, old[key], new[key])):
            yield place.breach(_told(key, old, new))
    for key in _FLAGS:
        if new.get(key) and not old.get(key):
            yield place.breach(f"{key} is added")
    if "enum" in new:
        yield from _enum(place, old, list(new["enum"]))
    yield from _rules(place, old, new)


def _is_tighter(key: str, was: Any, becomes: Any) -> bool:
    if key in _UPPER:
        return bool(becomes < was)
    return bool(becomes > was) if key in _LOWER else bool(becomes != was)


def _rules(place: _Place, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Breach]:
    before = [mapping(one).get("rule") for one in sequence(old.get(_RULES))]
    for rule in (mapping(one).get("rule") for one in sequence(new.get(_RULES))):
        if rule not in before:
            yield place.breach(f"a CEL rule is added: {rule}")


def _told(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    is_nested = isinstance(new[key], (Mapping, list))
    if key not in old:
        return f"{key} is added" if is_nested else f"{key} {new[key]!r} is added"
    return f"{key} changes" if is_nested else f"{key} changes from {old[key]!r} to {new[key]!r}"


def _enum(place: _Place, old: Mapping[str, Any], values: list[Any]) -> Iterator[Breach]:
    if "enum" not in old:
        yield place.breach(f"only {', '.join(map(str, values))} are allowed now")
        return
    gone = [str(one) for one in old["enum"] if one not in values]
    if gone:
        yield place.breach(f"{', '.join(gone)} is not allowed any more")


def _fields(place: _Place, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Breach]:
    before, after = mapping(old.get("properties")), mapping(new.get("properties"))
    for name in sequence(new.get("required")):
        has_default = mapping(after.get(name)).get("default") is not None
        if name not in sequence(old.get("required")) and not has_default:
            yield place.below(str(name)).breach("is required now, and has no default")
    for name, schema in before.items():
        if name in after:
            yield from _stricter(place.below(name), mapping(schema), mapping(after[name]))
        elif not _takes_any(new):
            yield place.below(name).breach("is removed; its values would be cut off")
    if _takes_any(old) and not _takes_any(new):
        yield place.breach("unknown fields are cut off now")
    others = old.get("additionalProperties"), new.get("additionalProperties")
    if isinstance(others[1], Mapping) and others[0] is not None:
        yield from _stricter(place.below("[*]"), mapping(others[0]), others[1])


def _takes_any(schema: Mapping[str, Any]) -> bool:
    others = schema.get("additionalProperties")
    return bool(schema.get(_PRESERVES)) or (others is not None and others is not False)
