"""Kubernetes' own merge patch: lists of mappings are merged by a key that the schema names.

Before: a schema of the object's kind, as the API server publishes it or as a definition declares
it. After: the patched body. Maps merge, null removes; what a list does is in its schema
(``x-kubernetes-patch-strategy``, ``x-kubernetes-patch-merge-key``). The directives ``$patch``,
``$retainKeys``, ``$setElementOrder/…`` and ``$deleteFromPrimitiveList/…`` are those of the API
server; the order of a merged list is that of its algorithm.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

_PATCH, _RETAIN = "$patch", "$retainKeys"
_ORDER, _DELETE = "$setElementOrder/", "$deleteFromPrimitiveList/"
_DIRECTIVES = (_PATCH, _RETAIN)
_PREFIXES = (_ORDER, _DELETE)


@dataclass(frozen=True, slots=True)
class Shape:
    """A schema and the document that its references lead into.

    Attributes:
        schema: Of one value; empty where nobody knows.
        definitions: By the last part of a reference.
    """

    schema: Mapping[str, Any]
    definitions: Mapping[str, Any]

    def field(self, name: str) -> Shape:
        """Return the shape of a field of a mapping."""
        found = (self._whole.get("properties") or {}).get(name)
        others = self._whole.get("additionalProperties")
        return self._inner(found if found is not None else others)

    def item(self) -> Shape:
        """Return the shape of the items of a list."""
        return self._inner(self._whole.get("items"))

    @property
    def strategies(self) -> frozenset[str]:
        """What a patch does here: merge, replace, retainKeys."""
        declared = self.schema.get("x-kubernetes-patch-strategy")
        if declared is None and self._list_keys:
            return frozenset({"merge"})
        return frozenset(str(declared or "").split(",")) - {""}

    @property
    def keys(self) -> tuple[str, ...]:
        """The fields that tell the items of a list apart; empty for a list of words."""
        declared = self.schema.get("x-kubernetes-patch-merge-key")
        return (str(declared),) if declared else self._list_keys

    @property
    def list_type(self) -> str:
        """What a list is: atomic, set or map; empty where its schema does not say."""
        return str(self.schema.get("x-kubernetes-list-type") or "")

    @property
    def _list_keys(self) -> tuple[str, ...]:
        is_map = self.schema.get("x-kubernetes-list-type") == "map"
        return tuple(self.schema.get("x-kubernetes-list-map-keys") or ()) if is_map else ()

    @property
    def _whole(self) -> Mapping[str, Any]:
        reference = self.schema.get("$ref")
        found = self.definitions.get(str(reference).rpartition("/")[2]) if reference else None
        return found if isinstance(found, Mapping) else self.schema

    def _inner(self, schema: Any) -> Shape:
        return Shape(schema if isinstance(schema, Mapping) else {}, self.definitions)


NO_SHAPE = Shape({}, {})
"""Of a kind that nobody knows: maps merge, lists are replaced."""


def strategic_merge(value: Mapping[str, Any], patch: Mapping[str, Any], shape: Shape) -> Any:
    """Return a mapping with a strategic merge patch applied.

    Raises:
        ValueError: A directive is none, or an item lacks the field that tells it apart.
    """
    return _merged_map(value, patch, shape)


def _merged_map(
    value: Mapping[str, Any], patch: Mapping[str, Any], shape: Shape
) -> Mapping[str, Any]:
    directive = patch.get(_PATCH)
    if directive == "replace":
        return {key: deepcopy(one) for key, one in patch.items() if key != _PATCH}
    if directive == "delete":
        return {}
    if directive not in {None, "merge"}:
        raise ValueError(f"{_PATCH} is none of replace, merge and delete")
    result = _retained(dict(value), patch)
    ordered = {key.removeprefix(_ORDER) for key in patch if key.startswith(_ORDER)}
    for field in ordered:
        _put_ordered(result, field, patch, shape.field(field))
    for key, wanted in patch.items():
        if key not in ordered and not key.startswith(_ORDER) and key not in _DIRECTIVES:
            _put(result, key, wanted, shape)
    return result


def _retained(result: dict[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    if _RETAIN not in patch:
        return result
    kept = _listed(patch, _RETAIN)
    if any(key not in kept for key in patch if key != _RETAIN and not _is_directive(key)):
        raise ValueError(f"{_RETAIN} lacks a field that the patch sets")
    return {key: one for key, one in result.items() if key in kept}


def _listed(patch: Mapping[str, Any], directive: str) -> list[Any]:
    found = patch[directive]
    if isinstance(found, list):
        return found
    raise ValueError(f"{directive} is no list")


def _put(result: dict[str, Any], key: str, wanted: Any, shape: Shape) -> None:
    field = key.removeprefix(_DELETE)
    if key.startswith(_DELETE):
        if isinstance(result.get(field), list) and isinstance(wanted, list):
            result[field] = [one for one in result[field] if one not in wanted]
    elif wanted is None:
        result.pop(key, None)
    elif key not in result:
        result[key] = _clean(wanted, nulls=True)
    else:
        result[key] = _merged(result[key], wanted, shape.field(key))


def _merged(value: Any, patch: Any, shape: Shape) -> Any:
    if isinstance(value, Mapping) and isinstance(patch, Mapping):
        is_replaced = "replace" in shape.strategies
        return _clean(patch) if is_replaced else _merged_map(value, patch, shape)
    if isinstance(value, list) and isinstance(patch, list) and "merge" in shape.strategies:
        return _merged_list(value, patch, shape)
    return _clean(patch)


def _clean(value: Any, *, nulls: bool = False) -> Any:
    """Return what a patch says where nothing is to be merged with: no directive stays."""
    if isinstance(value, Mapping):
        return {
            key: _clean(one, nulls=nulls)
            for key, one in value.items()
            if not _is_directive(key) and not (nulls and one is None)
        }
    if isinstance(value, list):
        return [_clean(one, nulls=nulls) for one in value if not _is_only_directive(one)]
    return value


def _is_only_directive(item: Any) -> bool:
    """Whether an item of a list says what to do with others, and is none itself."""
    directive = item.get(_PATCH) if isinstance(item, Mapping) else None
    return directive == "delete" or (directive == "replace" and len(item) == 1)


def _is_directive(key: str) -> bool:
    return key in _DIRECTIVES or key.startswith(_PREFIXES)


# ---------------------------------------------------------------- lists


def _merged_list(value: list[Any], patch: list[Any], shape: Shape) -> list[Any]:
    if not any(isinstance(one, Mapping) for one in (*value, *patch)):
        joined = list(_once([*value, *patch]))
        return _in_order(joined, patch, value, ())
    keys = shape.keys
    if not keys:
        return [_clean(one) for one in patch]
    kept, items, is_replaced = _without_special(value, patch, keys)
    if is_replaced:
        return [_clean(one) for one in items]
    result = list(kept)
    for one in items:
        place = _index(result, one, keys)
        if place < 0:
            result.append(_clean(one, nulls=True))
        else:
            result[place] = _merged_map(result[place], one, shape.item())
    return _in_order(result, patch, value, keys)


def _without_special(
    value: list[Any], patch: list[Any], keys: tuple[str, ...]
) -> tuple[list[Any], list[Any], bool]:
    """Follow the items of a patch that are directives; return what is left of both."""
    kept, items, is_replaced = list(value), [], False
    for one in patch:
        directive = one.get(_PATCH) if isinstance(one, Mapping) else None
        if directive == "replace":
            is_replaced = True
            items += [one] if len(one) > 1 else []
        elif directive == "delete":
            kept = [old for old in kept if not _is_same(old, one, keys)]
        elif directive in {None, "merge"}:
            items.append(one)
        else:
            raise ValueError(f"{_PATCH} is none of replace, merge and delete")
    for one in items if not is_replaced else ():
        if not isinstance(one, Mapping) or all(key not in one for key in keys):
            raise ValueError(f"an item of the patch has no {keys[0]!r}")
    return kept, items, is_replaced


def _put_ordered(
    result: dict[str, Any], field: str, patch: Mapping[str, Any], shape: Shape
) -> None:
    order, before, wanted = _listed(patch, _ORDER + field), result.get(field), patch.get(field)
    if not isinstance(before, list) and not isinstance(wanted, list):
        return
    if isinstance(before, list) and isinstance(wanted, list):
        items = _merged(before, wanted, shape)
    else:
        items = before if isinstance(before, list) else _clean(wanted, nulls=True)
    result[field] = _in_order(items, order, before if isinstance(before, list) else [], shape.keys)


def _in_order(
    items: list[Any], patch: list[Any], former: list[Any], keys: tuple[str, ...]
) -> list[Any]:
    """Order items as the API server does: those of the patch in its order, the rest around them."""
    ours = sorted(
        (one for one in items if _index(patch, one, keys) >= 0),
        key=lambda one: _index(patch, one, keys),
    )
    theirs = [one for one in items if _index(patch, one, keys) < 0]
    result: list[Any] = []
    while ours and theirs:
        left, right = _index(former, theirs[0], keys), _index(former, ours[0], keys)
        is_first = left >= 0 and right >= 0 and left < right
        result.append((theirs if is_first else ours).pop(0))
    return [*result, *ours, *theirs]


def _index(items: list[Any], item: Any, keys: tuple[str, ...]) -> int:
    return next((place for place, one in enumerate(items) if _is_same(one, item, keys)), -1)


def _is_same(one: Any, other: Any, keys: tuple[str, ...]) -> bool:
    if isinstance(one, Mapping) and isinstance(other, Mapping) and keys:
        return all(one.get(key) == other.get(key) for key in keys)
    return bool(one == other)


def _once(items: list[Any]) -> list[Any]:
    found: list[Any] = []
    for one in items:
        if one not in found:
            found.append(one)
    return found
