"""What has to be known around objects that go: the lists to read, and what was read.

Before: a plan deletes or recreates something.
After: ``engine.removal.blast`` reads each list once; the other modules here make effects of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import Body, ObjectRef
from rollwright.rollouts.ownership.fields import ROLLOUT_LABEL

COUNTED = 10_000
"""More objects than that are not counted (BR-10)."""


class Served(NamedTuple):
    """A kind that can be listed, in the version that the server prefers."""

    api_version: str
    kind: str
    is_namespaced: bool


class Scope(NamedTuple):
    """One list to read: a kind in a namespace, or everywhere.

    ``is_whole`` wants specs, too; ``is_foreign`` leaves out what belongs to this rollout.
    """

    api_version: str
    kind: str
    namespace: str = ""
    is_whole: bool = False
    is_foreign: bool = False


@dataclass(frozen=True, kw_only=True)
class Going:
    """An object that is deleted, or deleted and created again.

    ``propagation`` says what becomes of the objects that it owns.
    """

    live: LiveObject
    propagation: str = "foreground"

    @property
    def ref(self) -> ObjectRef:
        """Its identity."""
        return self.live.ref

    @property
    def body(self) -> Body:
        """The object as it is."""
        return self.live.body


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What was read around objects that go.

    Attributes:
        rollout: Whose objects go.
        going: All of them.
        served: Every kind that can be listed.
        lists: What was found, by the list that was read.
        unknown: Lists that could not be read, with the reason.
        dependants: Rollouts that declare to depend on this one, if all of it goes.
    """

    rollout: str
    going: tuple[Going, ...]
    served: tuple[Served, ...] = ()
    lists: Mapping[Scope, tuple[LiveObject, ...]] = field(default_factory=dict)
    unknown: Mapping[Scope, str] = field(default_factory=dict)
    dependants: tuple[str, ...] = ()
    _indexes: dict[Any, Mapping[Any, list[LiveObject]]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def index(
        self, scopes: tuple[Scope, ...], keys: Callable[[LiveObject], Iterable[Any]]
    ) -> Mapping[Any, list[LiveObject]]:
        """Return what some lists hold by keys of each object; made once for all that goes."""
        found = self._indexes.get((scopes, keys))
        if found is None:
            made: dict[Any, list[LiveObject]] = defaultdict(list)
            for one in self.objects(scopes):
                for key in keys(one):
                    made[key].append(one)
            found = self._indexes[scopes, keys] = dict(made)
        return found

    @cached_property
    def uids(self) -> frozenset[str]:
        """The UIDs of what goes."""
        return frozenset(one.live.uid for one in self.going)

    @cached_property
    def refs(self) -> frozenset[ObjectRef]:
        """The identities of what goes."""
        return frozenset(one.ref for one in self.going)

    def objects(self, scopes: Iterable[Scope]) -> tuple[LiveObject, ...]:
        """Return what some lists hold, without what goes itself."""
        found = (one for scope in scopes for one in self.lists.get(scope, ()))
        return tuple(one for one in found if one.uid not in self.uids)

    def why_unknown(self, scopes: Iterable[Scope]) -> str:
        """Return why some of the lists could not be read; empty if all could."""
        return "; ".join(sorted({self.unknown[one] for one in scopes if one in self.unknown}))


def rollouts_of(objects: Iterable[LiveObject]) -> Mapping[str, str]:
    """Return the rollout that each object belongs to, by UID; empty for nobody's.

    What a controller made belongs to whom the object at the top of its owners belongs to.
    """
    known = {one.uid: one for one in objects}
    return {uid: _rollout_of(one, known) for uid, one in known.items()}


def _rollout_of(live: LiveObject, known: Mapping[str, LiveObject]) -> str:
    seen: set[str] = set()
    while live.uid not in seen:
        seen.add(live.uid)
        above = next((known[uid] for uid in owners_of(live) if uid in known), None)
        if above is None:
            break
        live = above
    return str(live.labels.get(ROLLOUT_LABEL, ""))


def owners_of(live: LiveObject) -> Iterator[str]:
    """Yield the UIDs of an object's owners."""
    for owner in live.metadata.get("ownerReferences") or ():
        yield str(owner.get("uid", ""))


def by_kind(objects: Iterable[LiveObject]) -> dict[str, int]:
    """Return how many objects of which kind there are, sorted by kind."""
    counts: dict[str, int] = {}
    for one in objects:
        counts[one.ref.kind] = counts.get(one.ref.kind, 0) + 1
    return dict(sorted(counts.items()))


def counted(counts: Mapping[str, int]) -> str:
    """Return counts in words: ``2 ConfigMap, 1 Secret``."""
    total = sum(counts.values())
    if total > COUNTED:
        return f"more than {COUNTED:,} objects"
    return ", ".join(f"{count} {kind}" for kind, count in counts.items())


def named(refs: Iterable[ObjectRef], shown: int = 3) -> str:
    """Return the names of some objects, and how many more there are."""
    ordered = sorted(refs)
    names = ", ".join(map(str, ordered[:shown]))
    more = len(ordered) - shown
    return f"{names} and {more} more" if more > 0 else names
