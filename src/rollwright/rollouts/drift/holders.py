"""Who holds which field of a live object, as the API server wrote it down.

Before: an object was read, with its managedFields.
After: ``fields`` says of a field that differs who holds it now, and since when.

A field manager's FieldsV1 is a tree. While an object is walked, a ``Place`` holds the branches
of all managers that lead on; an empty branch holds everything below it (an atomic list or map).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson

from rollwright.rollouts.ownership.fields import MANAGER


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """One entry of managedFields: who wrote, how, and when.

    Attributes:
        manager: Its name; empty when nobody can be named.
        operation: ``Apply`` or ``Update``.
        subresource: Such as ``scale``; empty for the object itself.
        at: When it last changed what it holds; ``None`` if the server did not note it.
        is_us: Whether it is an entry of our own writes.
    """

    manager: str = ""
    operation: str = ""
    subresource: str = ""
    at: datetime | None = None
    is_us: bool = False

    def __str__(self) -> str:
        """Say it for a person; empty when nobody can be named."""
        if not self.manager:
            return ""
        scope = f", subresource {self.subresource}" if self.subresource else ""
        when = f" at {self.at:%Y-%m-%d %H:%M:%SZ}" if self.at else " at an unknown time"
        return f"by {self.manager} ({self.operation}{scope}){when}"


NOBODY = Holder()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a walk stands in the trees of all managers."""

    branches: tuple[tuple[Holder, Mapping[str, Any]], ...]

    @property
    def is_ours(self) -> bool:
        """Whether our writes hold this place or something below it."""
        return any(holder.is_us for holder, _ in self.branches)

    @property
    def other(self) -> Holder | None:
        """The other manager that holds it; the latest of several."""
        others = [holder for holder, _ in self.branches if not holder.is_us]
        return max(others, key=lambda one: _order(one.at), default=None)

    @property
    def is_atomic(self) -> bool:
        """Whether whoever holds the place holds all of it."""
        return bool(self.branches) and not any(tree for _, tree in self.branches)

    def field(self, name: str) -> Place:
        """Go down to a field."""
        return self._down(f"f:{name}")

    def member(self, value: Any) -> Place:
        """Go down to a member of a set."""
        step = orjson.dumps(value).decode()
        return self._down(f"v:{step}")

    def item(self, found: Mapping[str, Any]) -> Place:
        """Go down to the item of a keyed list; ``found`` is the live item."""
        branches = [
            (holder, below)
            for holder, tree in self.branches
            for below in ([tree] if not tree else _items_like(tree, found))
        ]
        return Place(tuple(branches))

    def item_keys(self) -> tuple[str, ...]:
        """Return the names that tell the items of a list apart; empty for any other list."""
        steps = [step for _, tree in self.branches for step in tree if step[:2] == "k:"]
        return tuple(_keys(steps[0])) if steps else ()

    def is_set(self) -> bool:
        """Whether the list is a set of values."""
        return any(step[:2] == "v:" for _, tree in self.branches for step in tree)

    def _down(self, step: str) -> Place:
        return Place(
            tuple(
                (holder, tree.get(step) or {})
                for holder, tree in self.branches
                if _holds(tree, step)
            )
        )


NOWHERE = Place(())


def holders(
    metadata: Mapping[str, Any], us: str = MANAGER
) -> tuple[tuple[Holder, Mapping[str, Any]], ...]:
    """Return the managers of an object, each with its tree of fields.

    Args:
        metadata: Of a live object.
        us: The field manager that the object is applied by.
    """
    entries = [one for one in metadata.get("managedFields") or () if isinstance(one, Mapping)]
    return tuple((_holder(one, us), one.get("fieldsV1") or {}) for one in entries)


def root(metadata: Mapping[str, Any], us: str = MANAGER) -> Place:
    """Begin a walk over an object; a tree without fields holds nothing."""
    return Place(tuple((holder, tree) for holder, tree in holders(metadata, us) if tree))


def creator(metadata: Mapping[str, Any]) -> Holder:
    """Return who made an object: the manager whose entry is the oldest."""
    found = [holder for holder, _ in holders(metadata) if holder.subresource != "status"]
    made = min(found, key=lambda one: _order(one.at), default=NOBODY)
    at = instant_of(metadata.get("creationTimestamp")) or made.at
    return Holder(
        manager=made.manager, operation=made.operation, subresource=made.subresource, at=at
    )


def instant_of(value: object) -> datetime | None:
    """Read a time of the API; ``None`` when there is none."""
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def leaves(tree: Mapping[str, Any]) -> Iterable[tuple[str, ...]]:
    """Yield the steps to everything that a tree holds."""
    for step, below in tree.items():
        if step == ".":
            continue
        if not below:
            yield (step,)
        for rest in leaves(below):
            yield (step, *rest)


def _holder(entry: Mapping[str, Any], us: str) -> Holder:
    manager, subresource = str(entry.get("manager", "")), str(entry.get("subresource") or "")
    return Holder(
        manager=manager,
        operation=str(entry.get("operation", "")),
        subresource=subresource,
        at=instant_of(entry.get("time")),
        is_us=manager == us and not subresource,
    )


def _order(at: datetime | None) -> float:
    return at.timestamp() if at else 0.0


def _holds(tree: Mapping[str, Any], step: str) -> bool:
    return not tree or step in tree


def _items_like(tree: Mapping[str, Any], found: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    for step, below in tree.items():
        if step[:2] == "k:" and all(found.get(k) == v for k, v in _keys(step).items()):
            yield below


@lru_cache(maxsize=4096)
def _keys(step: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = orjson.loads(step[2:])
    return found
