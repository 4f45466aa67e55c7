"""From objects to their order: groups, waves, waits, circles, levels (OR-60).

Before: ``scope`` gave every object its namespace.
After: ``plan`` stores wave, level and edges with each change; ``engine`` starts what is ready.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rollwright.errors import InvalidManifests
from rollwright.rollouts.change import Edge, Gate
from rollwright.rollouts.manifest import Body, Manifest, refuse_twins
from rollwright.rollouts.order.annotations import Findings
from rollwright.rollouts.order.catalog import (
    Catalog,
    OrderContext,
    Source,
    make_catalog,
    source_of,
)
from rollwright.rollouts.order.cycles import settle
from rollwright.rollouts.order.deletes import firm_delete_waits, rules_on_top, way_back
from rollwright.rollouts.order.graph import Graph, levels
from rollwright.rollouts.order.ordering import Ordering, Placed
from rollwright.rollouts.order.rules import GUARDIANS, default_waits
from rollwright.rollouts.order.user import External, dependency_waits, externals, rule_waits
from rollwright.rollouts.order.waits import Wait
from rollwright.rollouts.order.waves import Waves, assign_waves, split

PAIRS_WRITTEN_OUT = 256
"""A rule between more pairs than this becomes a gate, unless one side is a single object."""

NO_CONTEXT = OrderContext()


def order_upserts(manifests: Iterable[Manifest], context: OrderContext = NO_CONTEXT) -> Ordering:
    """Return in which order objects are created and updated.

    Raises:
        InvalidManifests: Two objects have one identity, an annotation cannot be read, a rule of
            a person contradicts the waves, or rules that never give way form a circle.
    """
    listed = list(manifests)
    refuse_twins(listed)
    findings = Findings()
    sources = (Source(each.body, each.ref, str(each.origin)) for each in listed)
    catalog = make_catalog(sources, context, findings)
    waves = Waves(of=assign_waves(catalog, findings))
    waits = [*default_waits(catalog), *_user_waits(catalog, findings)]
    external = tuple(externals(catalog, findings))
    kept = {
        wave: settle(inside, catalog, findings)
        for wave, inside in split(waits, waves, catalog, findings).items()
    }
    _refuse(findings)
    return _ordering(catalog, waves, kept, external=external, notes=findings.notes)


def order_deletes(objects: Iterable[Body], context: OrderContext = NO_CONTEXT) -> Ordering:
    """Return in which order live objects are deleted: waves and edges run the other way.

    An annotation that cannot be read hinders no delete: it becomes a note.

    Raises:
        InvalidManifests: ``delete`` rules of people form a circle.
    """
    findings = Findings()
    catalog = make_catalog(map(source_of, objects), context, findings)
    upserts = [*default_waits(catalog), *_user_waits(catalog, Findings())]
    firm = [*firm_delete_waits(catalog), *rule_waits(catalog, "delete", findings)]
    waits = [*firm, *way_back(upserts), *rules_on_top(catalog)]
    waves = Waves(of=_delete_waves(catalog, findings), is_backward=True)
    parts = split(waits, waves, catalog, findings)
    findings.tolerate()
    kept = {wave: settle(inside, catalog, findings) for wave, inside in parts.items()}
    _refuse(findings)
    return _ordering(catalog, waves, kept, notes=findings.notes)


def _user_waits(catalog: Catalog, findings: Findings) -> Iterator[Wait]:
    yield from dependency_waits(catalog, findings)
    yield from rule_waits(catalog, "upsert", findings)


def _delete_waves(catalog: Catalog, findings: Findings) -> list[int]:
    """Return the waves of deletes: webhooks and policies are in the first, whatever they say."""
    waves = assign_waves(catalog, findings)
    highest = max(waves, default=0)
    for number in catalog.kin_of(*GUARDIANS):
        waves[number] = highest
    return waves


def _refuse(findings: Findings) -> None:
    if findings.problems:
        raise InvalidManifests(
            findings.problems, hint="change the annotations that order the objects"
        )


def _ordering(
    catalog: Catalog,
    waves: Waves,
    kept: Mapping[int, Sequence[Wait]],
    *,
    external: tuple[External, ...] = (),
    notes: Sequence[str],
) -> Ordering:
    draft = _Draft(catalog)
    for wave in sorted(kept):
        draft.add(wave, kept[wave])
    starts = waves.starts()
    sign = -1 if waves.is_backward else 1
    numbers = sorted(
        range(len(catalog.items)),
        key=lambda number: (starts[number], draft.levels.get(number, 0), sign * number),
    )
    return Ordering(
        placed=tuple(draft.placed(number, waves.of[number]) for number in numbers),
        gates=tuple(draft.gates),
        external=external,
        notes=tuple(dict.fromkeys(notes)),
    )


@dataclass(slots=True)
class _Draft:
    """Waits on their way to being written at each object."""

    catalog: Catalog
    levels: dict[int, int] = field(default_factory=dict)
    needs: dict[int, set[tuple[int, str]]] = field(default_factory=lambda: defaultdict(set))
    gates: list[Gate] = field(default_factory=list)
    gates_of: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, wave: int, waits: Sequence[Wait]) -> None:
        self.levels.update(levels(Graph.of(waits)))
        for each in waits:
            pairs = len(each.waiters) * len(each.members)
            is_single = 1 in {len(each.waiters), len(each.members)}
            if is_single or pairs <= PAIRS_WRITTEN_OUT:
                self._write_out(each)
            else:
                self._gate(wave, each)

    def _write_out(self, each: Wait) -> None:
        for waiter in each.waiters:
            self.needs[waiter].update((member, each.rule) for member in each.members)

    def _gate(self, wave: int, each: Wait) -> None:
        name = f"{each.rule}/{wave}/{len(self.gates)}"
        members = tuple(self.catalog.items[number].ref for number in each.members)
        self.gates.append(Gate(id=name, rule=each.rule, members=members))
        for waiter in each.waiters:
            self.gates_of[waiter].append(name)

    def placed(self, number: int, wave: int) -> Placed:
        items = self.catalog.items
        return Placed(
            ref=items[number].ref,
            wave=wave,
            level=self.levels.get(number, 0),
            needs=tuple(
                Edge(ref=items[needed].ref, rule=rule)
                for needed, rule in sorted(self.needs.get(number, ()))
            ),
            gates=tuple(self.gates_of.get(number, ())),
        )
