"""Sets of fields as the API server writes them down, and the places in an object they mean.

Before: ``ownership`` reads managedFields, trees of ``f:<field>``, ``k:<keys of an item>``,
``v:<set member>``, ``i:<index>`` and ``.`` (FieldsV1).
After: ``migration``, ``conflicts`` and ``ignore`` join and split them, and change bodies there.

A ``Path`` is the way down such a tree; a set of paths is what one manager owns. Bodies are never
changed in place: what is on the way is copied.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

import orjson

from rollwright.rollouts.diff import ABSENT
from rollwright.rollouts.manifest import Body

Path: TypeAlias = tuple[str, ...]
Fields: TypeAlias = Mapping[str, Any]
"""FieldsV1."""

_BRACKET = re.compile(r'\[((?:"(?:[^"\\]|\\.)*"|[^\]"])*)\]')
_PAIR = re.compile(r'([^=,"\s]+)=("(?:[^"\\]|\\.)*"|[^,]+)')


def members(fields: Fields) -> frozenset[Path]:
    """Return everything that FieldsV1 names."""
    return frozenset(_members(fields, ()))


def _members(fields: Fields, path: Path) -> Iterator[Path]:
    for step, below in fields.items():
        if step == ".":
            yield path
        elif below:
            yield from _members(below, (*path, step))
        else:
            yield (*path, step)


def leaves(fields: Fields) -> frozenset[Path]:
    """Return the ends of all ways: who holds one holds all that stands there.

    An item or a map that is only named (``.``) is no end: what stands in it may be of others.
    """
    return frozenset(_leaves(fields, ()))


def _leaves(fields: Fields, path: Path) -> Iterator[Path]:
    for step, below in fields.items():
        if below:
            yield from _leaves(below, (*path, step))
        elif step != ".":
            yield (*path, step)


def tree(paths: Iterable[Path]) -> dict[str, Any]:
    """Return FieldsV1 of a set; the opposite of ``members``."""
    root: dict[str, Any] = {}
    for path in sorted(paths, key=len, reverse=True):
        node = root
        for step in path:
            node = node.setdefault(step, {})
        if node:
            node["."] = {}
    return root


@lru_cache(maxsize=4096)
def step_of(step: str) -> tuple[str, Any]:
    """Return the marker of a step, and the field, keys, member or index it names."""
    marker, _, rest = step.partition(":")
    return marker, rest if marker == "f" else orjson.loads(rest)


def value_at(body: Any, path: Path) -> Any:
    """Return the value at a place; ``ABSENT`` if there is none."""
    value = body
    for step in path:
        key = _key(value, step)
        if key is None:
            return ABSENT
        value = value[key]
    return value


def without(body: Body, path: Path) -> Body:
    """Return the body without what stands at a place; what is empty by that stays."""
    if value_at(body, path) is ABSENT:
        return body
    changed: Body = _changed(body, path, ABSENT)
    return changed


def stripped(body: Body, path: Path) -> Body:
    """Return the body that says nothing of a place: maps that are empty by that go too.

    To send an empty map would claim the map.
    """
    if value_at(body, path) is ABSENT:
        return body
    body, way = without(body, path), path[:-1]
    while way and way[-1].startswith("f:") and value_at(body, way) == {}:
        body, way = without(body, way), way[:-1]
    return body


def with_value(body: Body, path: Path, value: Any) -> Body:
    """Return the body with a value at a place; ways and items that are missing are made."""
    changed: Body = _changed(body, path, value)
    return changed


def _changed(value: Any, path: Path, new: Any) -> Any:
    step, rest = path[0], path[1:]
    marker, what = step_of(step)
    key = _key(value, step)
    if marker == "f":
        copy = dict(value) if isinstance(value, Mapping) else {}
        inner = _changed(copy.get(what), rest, new) if rest else new
        return _put(copy, what, inner)
    items = list(value) if isinstance(value, list) else []
    before = items[key] if key is not None else (dict(what) if marker == "k" else what)
    inner = _changed(before, rest, new) if rest else new
    if key is None:
        return items if inner is ABSENT else [*items, inner]
    return _put(items, key, inner)


def _put(copy: Any, key: Any, inner: Any) -> Any:
    if inner is not ABSENT:
        copy[key] = inner
    elif isinstance(copy, list):
        del copy[key]
    else:
        copy.pop(key, None)
    return copy


def _key(value: Any, step: str) -> Any:
    """Return the key or index under which a step leads on; ``None`` if it leads nowhere."""
    marker, what = step_of(step)
    if marker == "f":
        return what if isinstance(value, Mapping) and what in value else None
    if not isinstance(value, list):
        return None
    if marker == "i":
        return what if 0 <= what < len(value) else None
    if marker == "v":
        return value.index(what) if what in value else None
    return next((n for n, item in enumerate(value) if _has_keys(item, what)), None)


def _has_keys(item: Any, keys: Mapping[str, Any]) -> bool:
    return isinstance(item, Mapping) and all(item.get(key) == value for key, value in keys.items())


def removed(body: Body, gone: frozenset[Path], kept: frozenset[Path]) -> Body:
    """Return the body as a server leaves it when nobody owns some fields any more.

    Args:
        body: The object.
        gone: What loses its last owner.
        kept: What somebody still owns; with it everything that leads there.
    """
    ways = _ways(kept)
    named = {way for way in _ways(gone) if way[-1].startswith("f:")}
    # NB: a field that has lost its last owner goes with all that stands in it, owned or not, and
    # with whatever led to nothing but it; so does structured-merge-diff, which the server uses.
    for path in sorted((gone | named) - ways, key=len):
        if not _is_key(path):
            body = without(body, path)
    return body


def _ways(paths: Iterable[Path]) -> set[Path]:
    return {path[:length] for path in paths for length in range(1, len(path) + 1)}


def _is_key(path: Path) -> bool:
    """Whether the place is what tells an item of a list apart; it goes with the item only."""
    if len(path) < 2 or not path[-2].startswith("k:"):
        return False
    return step_of(path[-1])[1] in step_of(path[-2])[1]


def overlapping(path: Path, owned: frozenset[Path]) -> bool:
    """Whether ends of ways hold the place, something below it, or all of what it is part of."""
    return any(one == path[: len(one)] or path == one[: len(path)] for one in owned if one)


def shown(path: Path) -> str:
    """Return a place as people read it: ``spec.template.spec.containers[web].image``."""
    text = ""
    for step in path:
        marker, what = step_of(step)
        if marker == "f":
            is_plain = what.replace("-", "").replace("_", "").isalnum()
            dot = "." if text and is_plain else ""
            text += f"{dot}{what}" if is_plain else f"[{what!r}]"
        elif marker == "k":
            text += f"[{'/'.join(str(one) for one in what.values())}]"
        else:
            text += f"[{what}]"
    return text


def find_path(text: str, *bodies: Body) -> Path | None:
    """Read a path as the server writes it in a conflict; names with dots are found in a body.

    Args:
        text: Such as ``.spec.template.spec.containers[name="web"].image``.
        bodies: Objects that have such a field; the first in which the path leads somewhere counts.
    """
    for body in bodies:
        if (found := _found(text if text[:1] in ".[" else f".{text}", body)) is not None:
            return found
    return None


def _found(text: str, value: Any) -> Path | None:
    if not text:
        return ()
    if text[0] == "[":
        return _found_item(text, value)
    if not isinstance(value, Mapping):
        return None
    names = [key for key in value if text.startswith(f".{key}") and _ends(text[len(key) + 1 :])]
    for name in sorted(names, key=len, reverse=True):
        rest = _found(text[len(name) + 1 :], value[name])
        if rest is not None:
            return (f"f:{name}", *rest)
    return None


def _ends(rest: str) -> bool:
    return not rest or rest[0] in ".["


def _found_item(text: str, value: Any) -> Path | None:
    bracket = _BRACKET.match(text)
    if bracket is None:
        return None
    step = _step_in(bracket[1])
    key = _key(value, step) if step else None
    if key is None:
        return None
    rest = _found(text[bracket.end() :], value[key])
    return None if rest is None else (str(step), *rest)


def _step_in(inside: str) -> str:
    """Return the step that stands in brackets: keys, a member of a set, or an index."""
    try:
        if inside.startswith("="):
            return f"v:{orjson.dumps(orjson.loads(inside[1:])).decode()}"
        if inside.isdigit():
            return f"i:{inside}"
        keys = {name: orjson.loads(value) for name, value in _PAIR.findall(inside)}
    except orjson.JSONDecodeError:
        return ""
    return f"k:{orjson.dumps(keys).decode()}" if keys else ""
