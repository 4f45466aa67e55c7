"""Fields of a live object that are not what the last rollout left there.

Before: ``drift`` found that an object changed.
After: ``drift`` reports the fields, with who holds them now.

Only what we applied counts (DR-04): labels, items and fields that others added beside ours are
theirs. What differs and is no longer ours, somebody else changed. What differs although we still
hold it is *unclear*: the server may only write it in another form (``0.1`` as ``100m``), so its
dry run decides.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any

from rollwright.rollouts.diff import ABSENT, comparable, mask
from rollwright.rollouts.drift.holders import NOBODY, Holder, Place, root
from rollwright.rollouts.manifest import Body, is_secret
from rollwright.rollouts.ownership.fields import MANAGER, kept_fields

_QUANTITY_MAPS = frozenset({"limits", "requests", "hard", "capacity", "default", "defaultRequest"})
_UNITS = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", 1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", 1)},
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldDrift:
    """One field that differs from what the last rollout left.

    Attributes:
        path: As in kubectl: ``spec.template.spec.containers[web].image``.
        old: What was rolled out; ``ABSENT`` when that is not known or was nothing.
        new: What is there; ``ABSENT`` when the field is gone.
        holder: Who holds the field now; nobody holds one that is gone.
        is_ours: Whether our manager still holds it.
    """

    path: str
    old: Any
    new: Any
    holder: Holder = NOBODY
    is_ours: bool = False

    @property
    def is_unclear(self) -> bool:
        """Whether the server may only keep it in another form, or not at all."""
        return self.is_ours or (self.new is ABSENT and self.holder is NOBODY)

    @property
    def is_same_value(self) -> bool:
        """Whether only the owner changed."""
        return is_same(self.path, self.old, self.new)


def find_fields(wanted: Body, live: Body, us: str = MANAGER) -> tuple[FieldDrift, ...]:
    """Return the fields of a wanted object that are no longer so, or no longer ours.

    Args:
        wanted: What was applied.
        live: The object as it was read, managedFields included.
        us: The field manager that the object is applied by.
    """
    place = root(stored(live).get("metadata") or {}, us)
    return tuple(_walk("", comparable(stored(wanted)), comparable(live), place))


def settled(
    found: Iterable[FieldDrift], wanted: Body, predicted: Body, us: str = MANAGER
) -> tuple[FieldDrift, ...]:
    """Leave out what an apply of the wanted object would not change.

    Args:
        found: What seems to have drifted.
        wanted: What was applied.
        predicted: The server's answer to a dry run of it.
        us: The field manager that the object is applied by.
    """
    normal = {(one.path, repr(one.new)) for one in find_fields(wanted, predicted, us)}
    return tuple(
        one for one in found if not one.is_unclear or (one.path, repr(one.new)) not in normal
    )


def masked(found: Iterable[FieldDrift], body: Body, salt: str) -> tuple[FieldDrift, ...]:
    """Put digests in the place of a Secret's values."""
    if not is_secret(body):
        return tuple(found)
    return tuple(
        replace(one, old=_hidden(one.old, salt), new=_hidden(one.new, salt))
        if one.path.startswith(("data", "stringData"))
        else one
        for one in found
    )


def _hidden(value: Any, salt: str) -> Any:
    if value is ABSENT:
        return value
    if isinstance(value, Mapping):
        return {key: mask(inner, salt) for key, inner in value.items()}
    return mask(value, salt)


def stored(body: Body) -> Body:
    """Return a Secret as the server keeps it: ``stringData`` becomes ``data``.

    managedFields go on to name ``stringData``, though nothing stands there; so does the result's
    name ``data`` for what they hold.
    """
    if not is_secret(body):
        return body
    texts = body.get("stringData") or {}
    data = {**(body.get("data") or {}), **{key: _encoded(text) for key, text in texts.items()}}
    kept = {key: value for key, value in body.items() if key not in {"data", "stringData"}}
    metadata = body.get("metadata") or {}
    if managed := metadata.get("managedFields"):
        kept["metadata"] = {**metadata, "managedFields": [_stored_entry(one) for one in managed]}
    return {**kept, **({"data": data} if data else {})}


def _encoded(text: Any) -> str:
    return base64.b64encode(str(text).encode()).decode()


def _stored_entry(entry: Any) -> Any:
    fields = (entry.get("fieldsV1") or {}) if isinstance(entry, Mapping) else {}
    return {**entry, "fieldsV1": kept_fields(fields)} if fields else entry


def _walk(path: str, wanted: Any, live: Any, place: Place) -> Iterator[FieldDrift]:
    if isinstance(wanted, Mapping) and isinstance(live, Mapping):
        yield from _in_map(path, wanted, live, place)
    elif isinstance(wanted, list) and isinstance(live, list):
        yield from _in_list(path, wanted, live, place)
    else:
        yield from _at_leaf(path, wanted, live, place)


def _in_map(
    path: str, wanted: Mapping[str, Any], live: Mapping[str, Any], place: Place
) -> Iterator[FieldDrift]:
    for key, value in wanted.items():
        yield from _walk(_step(path, key), value, live.get(key, ABSENT), place.field(key))
    if path and place.is_atomic:
        for key in live:
            if key not in wanted:
                yield _differing(_step(path, key), ABSENT, live[key], place)


def _in_list(path: str, wanted: list[Any], live: list[Any], place: Place) -> Iterator[FieldDrift]:
    keys = place.item_keys()
    if keys and all(isinstance(item, Mapping) for item in wanted):
        yield from _in_keyed(path, keys, wanted, (live, place))
    elif place.is_set():
        for item in wanted:
            found = item if item in live else ABSENT
            yield from _at_leaf(f"{path}[{item}]", item, found, place.member(item))
    elif len(wanted) == len(live) and any(isinstance(item, Mapping) for item in wanted):
        for index, (before, after) in enumerate(zip(wanted, live, strict=True)):
            yield from _walk(f"{path}[{index}]", before, after, place)
    else:
        yield from _at_leaf(path, wanted, live, place)


def _in_keyed(
    path: str, keys: tuple[str, ...], wanted: list[Any], there: tuple[list[Any], Place]
) -> Iterator[FieldDrift]:
    live, place = there
    for item in wanted:
        named = {key: item[key] for key in keys if key in item}
        label = item["name"] if "name" in named else "/".join(map(str, named.values()))
        found: Any = next((one for one in live if _matches(one, named)), ABSENT)
        below = place.item(found if found is not ABSENT else named)
        yield from _walk(f"{path}[{label}]", item, found, below)


def _matches(item: Any, named: Mapping[str, Any]) -> bool:
    return isinstance(item, Mapping) and all(item.get(key) == named[key] for key in named)


def _at_leaf(path: str, wanted: Any, live: Any, place: Place) -> Iterator[FieldDrift]:
    is_held_by_others_only = not place.is_ours and place.other is not None
    if not is_same(path, wanted, live) or is_held_by_others_only:
        yield _differing(path, wanted, live, place)


def _differing(path: str, wanted: Any, live: Any, place: Place) -> FieldDrift:
    holder = place.other or next((one for one, _ in place.branches), NOBODY)
    return FieldDrift(path=path, old=wanted, new=live, holder=holder, is_ours=place.is_ours)


def is_same(path: str, one: Any, other: Any) -> bool:
    """Whether two values mean the same (AP-53)."""
    # NB: 1 == True in Python.
    if isinstance(one, bool) is isinstance(other, bool) and one == other:
        return True
    steps = path.rsplit(".", 2)
    is_amount = len(steps) > 1 and steps[-2] in _QUANTITY_MAPS
    if not is_amount:
        return False
    amounts = quantity(one), quantity(other)
    return amounts[0] is not None and amounts[0] == amounts[1]


def quantity(value: Any) -> Decimal | None:
    """Read an amount of the API, such as ``100m`` or ``1Gi``; ``None`` if it is none."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    text = str(value).strip()
    unit = next((one for one in (text[-2:], text[-1:]) if one in _UNITS), "")
    try:
        return Decimal(text.removesuffix(unit)) * _UNITS.get(unit, Decimal(1))
    except InvalidOperation:
        return None


def _step(path: str, key: str) -> str:
    is_plain = key.replace("-", "").replace("_", "").isalnum()
    if is_plain:
        return f"{path}.{key}" if path else key
    return f"{path}[{key!r}]"
