"""The objects of one plan, found by what the rules ask for.

Before: ``annotations`` read what people wrote on them.
After: ``rules`` and ``deletes`` turn groups into waits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from rollwright.rollouts.manifest import Body, ObjectRef, ref_of
from rollwright.rollouts.order.annotations import Findings, Marks, read_marks
from rollwright.rollouts.order.bodies import defined_kind
from rollwright.rollouts.order.kinds import CRD, NAMESPACE, GroupKind, default_groups, tie_key


@dataclass(frozen=True, kw_only=True)
class OrderContext:
    """Live facts that rules may use; without them the rules see this plan alone.

    Attributes:
        rollout: The name of this rollout, so that it may name itself in a dependency.
        rollouts: Names of all rollouts, to refuse dependencies on others; ``None`` if unknown.
        custom_kinds: Group and kind of what CustomResourceDefinitions in the cluster define.
        crds: CustomResourceDefinitions in the cluster, for their conversion webhooks and the
            plural names that webhooks match.
        webhooks: Webhook configurations in the cluster.
    """

    rollout: str = ""
    rollouts: frozenset[str] | None = None
    custom_kinds: frozenset[GroupKind] = frozenset()
    crds: tuple[Body, ...] = ()
    webhooks: tuple[Body, ...] = ()


class Source(NamedTuple):
    """An object with its identity and, for messages, where it was written."""

    body: Body
    ref: ObjectRef
    where: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Item:
    """One object as a node of the graph; its number is its place in the tie order."""

    number: int
    body: Body
    ref: ObjectRef
    group_kind: GroupKind
    where: str
    marks: Marks


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Catalog:
    """All objects of a plan, in tie order, and their groups.

    Attributes:
        items: In tie order; the index is the number of the item.
        numbers: By identity, with the group's name of today.
        kin: Members of the default groups that default rules hold for.
        groups: Members of all groups; users may have added to the default ones.
        by_kind: Numbers of those that default rules hold for, by group and kind.
        custom_kinds: Group and kind of custom resources, of the plan and of the cluster.
        context: Live facts.
    """

    items: tuple[Item, ...]
    numbers: Mapping[ObjectRef, int]
    kin: Mapping[str, list[int]]
    groups: Mapping[str, list[int]]
    by_kind: Mapping[GroupKind, list[int]]
    custom_kinds: frozenset[GroupKind]
    context: OrderContext

    def of(self, *names: str) -> list[int]:
        """Return the members of groups, each once, in tie order."""
        return sorted({number for name in names for number in self.groups.get(name, ())})

    def kin_of(self, *names: str) -> list[int]:
        """Return those whose kind makes them members, each once, in tie order."""
        return sorted({number for name in names for number in self.kin.get(name, ())})

    def all_kin(self) -> list[int]:
        """Return every object that default rules hold for."""
        return [item.number for item in self.items if item.marks.has_defaults]

    def in_namespace(self) -> Mapping[str, list[int]]:
        """Return the namespaced objects, whatever they are, by namespace."""
        found = defaultdict(list)
        for item in self.items:
            if item.ref.namespace:
                found[item.ref.namespace].append(item.number)
        return found

    def find(self, ref: ObjectRef) -> int | None:
        """Return the number of an object, or ``None`` when it is not in this plan."""
        return self.numbers.get(identity(ref))


def identity(ref: ObjectRef) -> ObjectRef:
    """Return the identity with the group's name of today."""
    group, kind = ref.group_kind
    return ref if group == ref.group else ObjectRef(group, kind, ref.namespace, ref.name)


def make_catalog(sources: Iterable[Source], context: OrderContext, findings: Findings) -> Catalog:
    """Read annotations and find the groups of every object."""
    ordered = sorted(sources, key=lambda source: tie_key(source.ref))
    items = tuple(
        Item(
            number=number,
            body=body,
            ref=ref,
            group_kind=ref.group_kind,
            where=where,
            marks=read_marks(body, ref, where, findings),
        )
        for number, (body, ref, where) in enumerate(ordered)
    )
    custom_kinds = _custom_kinds(items, context)
    indexes = _Indexes()
    for item in items:
        indexes.add(item, custom_kinds)
    return Catalog(
        items=items,
        numbers={identity(item.ref): item.number for item in items},
        kin=indexes.kin,
        groups=indexes.groups,
        by_kind=indexes.by_kind,
        custom_kinds=custom_kinds,
        context=context,
    )


def _custom_kinds(items: Iterable[Item], context: OrderContext) -> frozenset[GroupKind]:
    bodies = [item.body for item in items if item.group_kind == CRD]
    return context.custom_kinds.union(map(defined_kind, (*bodies, *context.crds)))


@dataclass(slots=True)
class _Indexes:
    kin: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    groups: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    by_kind: dict[GroupKind, list[int]] = field(default_factory=lambda: defaultdict(list))
    _names: dict[GroupKind, tuple[str, ...]] = field(default_factory=dict)

    def add(self, item: Item, custom_kinds: frozenset[GroupKind]) -> None:
        names: list[str] = []
        if item.marks.has_defaults:
            self.by_kind[item.group_kind].append(item.number)
            names = [*self._of_kind(item.group_kind, custom_kinds), *_of_object(item)]
            for name in names:
                self.kin[name].append(item.number)
        for name in dict.fromkeys((*names, *item.marks.groups)):
            self.groups[name].append(item.number)

    def _of_kind(self, kind: GroupKind, custom_kinds: frozenset[GroupKind]) -> tuple[str, ...]:
        if kind not in self._names:
            custom = ("custom",) if kind in custom_kinds else ()
            self._names[kind] = (*default_groups(kind), *custom)
        return self._names[kind]


def _of_object(item: Item) -> tuple[str, ...]:
    if item.group_kind == NAMESPACE:
        return (f"namespaces-{item.ref.name}",)
    if item.group_kind == CRD:
        group, kind = defined_kind(item.body)
        return (f"crds-{group}-{kind}",)
    return ()


def source_of(body: Body) -> Source:
    """Return a live object as a source; it was written nowhere."""
    return Source(body, ref_of(body), "")
