"""Fields that belong to somebody else by the word of the document (AP-38 to AP-40).

Before: ``apply.ignore`` names objects and JSON pointers.
After: the body that is sent leaves such a field to its owner, or repeats its live value.

The desired value counts only when an object is created. Afterwards the live value stays: where
another manager holds the field it is not sent at all; where it is ours it is sent as it is live,
because an apply without it would delete it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from rollwright.rollouts.diff import ABSENT
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import Body, Manifest
from rollwright.rollouts.ownership.fieldsets import (
    Path,
    leaves,
    overlapping,
    shown,
    step_of,
    stripped,
    value_at,
    with_value,
)
from rollwright.rollouts.selection import is_selected
from rollwright.rollouts.spec.rollout import IgnoreRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Owners:
    """Who holds what of a live object.

    Attributes:
        ours: Held by us, or by managers that we take over.
        applied: Held by others through an apply.
        updated: Held by others through any other write.
    """

    ours: frozenset[Path] = frozenset()
    applied: frozenset[Path] = frozenset()
    updated: frozenset[Path] = frozenset()

    @property
    def everything(self) -> frozenset[Path]:
        """What anybody holds."""
        return self.ours | self.applied | self.updated


def owners_of(live: LiveObject, ours: Collection[Mapping[str, Any]]) -> Owners:
    """Return who holds what; ``ours`` are the entries of managedFields that count as our own."""
    sets: dict[str, set[Path]] = {"ours": set(), "Apply": set(), "Update": set()}
    for entry in live.metadata.get("managedFields") or ():
        whose = "ours" if entry in ours else str(entry.get("operation", "Update"))
        sets.setdefault(whose, set()).update(leaves(entry.get("fieldsV1") or {}))
    return Owners(
        ours=frozenset(sets["ours"]),
        applied=frozenset(sets["Apply"]),
        updated=frozenset(sets["Update"]),
    )


def pointers_for(rules: Iterable[IgnoreRule], manifest: Manifest) -> tuple[str, ...]:
    """Return the JSON pointers that mean this object."""
    return tuple(
        pointer
        for rule in rules
        if is_selected(rule.target, manifest.ref, manifest.labels)
        for pointer in rule.paths
    )


def leave(
    sent: Body, live: LiveObject, pointers: Iterable[str], owners: Owners
) -> tuple[Body, tuple[Path, ...]]:
    """Return the body without what is to be ignored, and the places that were.

    A place whose live value is the desired one is sent as it is.
    """
    ignored = []
    for pointer in pointers:
        place = place_of(pointer, sent, live.body, owners.everything)
        if place is None:
            continue
        wanted, found = value_at(sent, place), value_at(live.body, place)
        if wanted == found and type(wanted) is type(found):
            continue
        after = _left(sent, place, found, owners)
        if after is not sent or wanted is not ABSENT:
            ignored.append(place)
        sent = after
    return sent, tuple(ignored)


def _left(sent: Body, place: Path, found: Any, owners: Owners) -> Body:
    is_atomic = any(step.startswith("i:") for step in place)
    is_ours = overlapping(place, owners.ours)
    is_theirs = overlapping(place, owners.applied) or (
        overlapping(place, owners.updated) and not is_ours
    )
    if is_theirs and not is_atomic:
        return stripped(sent, place)
    if found is ABSENT:
        return stripped(sent, place)
    if value_at(sent, place) is ABSENT and not is_ours:
        return sent
    return with_value(sent, place, found)


def place_of(pointer: str, sent: Body, live: Body, owned: frozenset[Path]) -> Path | None:
    """Return the place that a JSON pointer means; ``None`` if neither body has it.

    An index counts in the wanted object, else in the live one. Where the server tells the items
    of a list apart by keys, the same item is found in both.
    """
    steps = [one.replace("~1", "/").replace("~0", "~") for one in pointer.split("/")[1:]]
    place: Path = ()
    wanted: Any = sent
    there: Any = live
    for name in steps:
        step = _step(name, wanted, place, owned) or _step(name, there, place, owned)
        if not step:
            return None
        place = (*place, step)
        wanted, there = value_at(wanted, (step,)), value_at(there, (step,))
    return place


def _step(name: str, value: Any, way: Path, owned: frozenset[Path]) -> str:
    if isinstance(value, Mapping):
        return f"f:{name}" if name in value else ""
    if not isinstance(value, list) or not name.isdecimal() or int(name) >= len(value):
        return ""
    return _item_step(value[int(name)], int(name), way, owned)


def _item_step(item: Any, index: int, way: Path, owned: frozenset[Path]) -> str:
    for step in _steps_below(way, owned):
        marker, what = step_of(step)
        if marker == "k" and isinstance(item, Mapping) and what.keys() <= item.keys():
            return f"k:{orjson.dumps({key: item[key] for key in what}).decode()}"
        if marker == "v":
            return f"v:{orjson.dumps(item).decode()}"
    return f"i:{index}"


def _steps_below(way: Path, owned: frozenset[Path]) -> Iterator[str]:
    return (one[len(way)] for one in owned if len(one) > len(way) and one[: len(way)] == way)


def names_of(places: Iterable[Path]) -> tuple[str, ...]:
    """Return the places as the plan shows them."""
    return tuple(shown(place) for place in places)
