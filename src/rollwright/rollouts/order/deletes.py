"""The rules for deletes (OR-75 to OR-81): the way back, with some rules on top."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rollwright.rollouts.order.catalog import Catalog
from rollwright.rollouts.order.rules import GUARDIANS
from rollwright.rollouts.order.waits import Strength, Wait, wait

_SAID_ON_TOP = frozenset({"OR-29", "OR-31", "OR-38"})
"""Rules whose way back is what OR-81, OR-80 and OR-76 say themselves."""


def firm_delete_waits(catalog: Catalog) -> Iterator[Wait]:
    """Yield what holds in any case: webhooks and policies go before everything else."""
    guardians = catalog.kin_of(*GUARDIANS)
    themselves = set(guardians)
    others = [number for number in catalog.all_kin() if number not in themselves]
    yield from wait("OR-76", others, guardians, Strength.FIRM)


def way_back(upserts: Iterable[Wait]) -> Iterator[Wait]:
    """Yield the waits of the upserts, reversed; what people wrote outlives default rules."""
    known = [each for each in upserts if each.rule not in _SAID_ON_TOP]
    yield from (each.reversed() for each in known if each.strength is not Strength.DROPPABLE)
    yield from (each.reversed() for each in known if each.strength is Strength.DROPPABLE)


def rules_on_top(catalog: Catalog) -> Iterator[Wait]:
    """Yield the rules that only deletes have, in the order of precedence."""
    crds, custom = catalog.kin_of("crds"), catalog.kin_of("custom")
    yield from wait("OR-77", crds, custom)
    apart = {*crds, *custom, *catalog.kin_of(*GUARDIANS)}
    yield from wait("OR-78", [n for n in catalog.all_kin() if n not in apart], crds)
    accounts = catalog.kin_of("serviceaccount", "rbac")
    # Their place before the namespace is part of OR-80.
    yield from wait("OR-79", accounts, catalog.of("workloads"))
    for name, inside in catalog.in_namespace().items():
        yield from wait("OR-80", catalog.kin_of(f"namespaces-{name}"), inside)
    controllers = catalog.of("kapp-controller-app", "kapp-controller-packageinstall")
    yield from wait("OR-81", accounts, controllers)
