"""Lists that are sets or maps (``x-kubernetes-list-type``): what stands in them twice, or nameless.

Before: ``schema`` found the kind of an object. After: what a server-side apply would refuse is a
finding. Only the few places of a schema that hold such lists are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

Path = tuple[str | int, ...]
Finding = tuple[Path, str]

_MARKED = frozenset({"set", "map"})
_DEFAULTS: Mapping[str, str] = {"protocol": "TCP"}
"""What the server fills in for keys of built-in lists before it compares them."""


@dataclass(slots=True)
class Place:
    """One place of a schema: a list with a type of its own, or the way to some."""

    fields: dict[str, Place] = field(default_factory=dict)
    others: Place | None = None
    items: Place | None = None
    list_type: str = ""
    keys: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be looked at here or below."""
        return not (self.fields or self.others or self.items or self.list_type)


class Places:
    """The places of the schemas of one document; each definition is looked through once."""

    def __init__(self, definitions: Mapping[str, Any] | None = None) -> None:
        self._definitions = definitions or {}
        self._known: dict[str, Place] = {}
        self._has_lists: dict[str, bool] = {}

    def of(self, schema: Mapping[str, Any]) -> Place | None:
        """Return where a schema has such lists; ``None`` if it has none."""
        place = Place()
        self._mark(schema, place)
        name = _name_in(schema)
        whole = _mapping(self._definitions.get(name)) if name else schema
        for name, one in _mapping(whole.get("properties")).items():
            if (below := self._below(one)) is not None:
                place.fields[name] = below
        place.others = self._below(whole.get("additionalProperties"))
        place.items = self._below(whole.get("items"))
        return None if place.is_empty else place

    def _mark(self, schema: Mapping[str, Any], place: Place) -> None:
        list_type = schema.get("x-kubernetes-list-type")
        if list_type in _MARKED:
            place.list_type = str(list_type)
            place.keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())

    def _below(self, schema: Any) -> Place | None:
        if not isinstance(schema, Mapping):
            return None
        name = _name_in(schema)
        if not name:
            return self.of(schema)
        if not self._leads_to_lists(name):
            return None
        if name not in self._known:
            self._known[name] = Place()  # a definition may hold itself
            found = self.of(_mapping(self._definitions.get(name)))
            if found is not None:
                self._known[name].fields = found.fields
                self._known[name].others = found.others
                self._known[name].items = found.items
        return self._known[name]

    def _leads_to_lists(self, name: str) -> bool:
        if name not in self._has_lists:
            seen, waiting = set[str](), [name]
            while waiting:
                one = waiting.pop()
                if one not in seen:
                    seen.add(one)
                    waiting += _names_in(self._definitions.get(one))
            self._has_lists[name] = any(_is_marked(self._definitions.get(one)) for one in seen)
        return self._has_lists[name]


def find(value: Any, place: Place | None, path: Path = ()) -> Iterator[Finding]:
    """Yield what stands twice in a list that has each item once, or lacks what tells it apart."""
    if place is None:
        return
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from find(inner, place.fields.get(key, place.others), (*path, key))
    elif isinstance(value, list):
        yield from _twice(value, place, path)
        for index, inner in enumerate(value if place.items else ()):
            yield from find(inner, place.items, (*path, index))


def _twice(items: list[Any], place: Place, path: Path) -> Iterator[Finding]:
    seen: dict[bytes, int] = {}
    for index, item in enumerate(items if place.list_type else ()):
        if place.list_type == "map":
            if not isinstance(item, Mapping):
                continue
            missing = [key for key in place.keys if key not in item and key not in _DEFAULTS]
            if missing:
                yield (*path, index, missing[0]), f"missing field {missing[0]!r}, a key of the list"
                continue
            identity: Any = [item.get(key, _DEFAULTS.get(key)) for key in place.keys]
        else:
            identity = item
        first = seen.setdefault(orjson.dumps(identity, option=orjson.OPT_SORT_KEYS), index)
        if first != index:
            keys = f" with the same {' and '.join(place.keys)}" if place.keys else ""
            yield (*path, index), f"the list has this item{keys} already, at [{first}]"


def _names_in(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        if name := _name_in(schema):
            yield name
        for one in schema.values():
            yield from _names_in(one)
    elif isinstance(schema, list):
        for one in schema:
            yield from _names_in(one)


def _is_marked(schema: Any) -> bool:
    if isinstance(schema, Mapping):
        is_here = schema.get("x-kubernetes-list-type") in ("set", "map")
        return is_here or any(map(_is_marked, schema.values()))
    return isinstance(schema, list) and any(map(_is_marked, schema))


def _name_in(schema: Mapping[str, Any]) -> str:
    reference = schema.get("$ref")
    return reference.rpartition("/")[2] if isinstance(reference, str) else ""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
