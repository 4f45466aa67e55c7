"""The default rules for creating and updating (OR-29 to OR-39), in the order of precedence.

When rules contradict each other, the one that comes later here gives way first (OR-71).
"""

from __future__ import annotations

from collections.abc import Iterator

from rollwright.rollouts.order import backends
from rollwright.rollouts.order.bodies import spec_of
from rollwright.rollouts.order.catalog import Catalog
from rollwright.rollouts.order.kinds import API_SERVICE, POLICY_OF_BINDING
from rollwright.rollouts.order.waits import Strength, Wait, wait

BASICS = ("pod-related", "rbac", "classes", "storage")
GUARDIANS = ("webhooks", "admission-policies")
_NOT_AFTER_BASICS = ("pod-related", "rbac", "storage", "webhooks")
_CONTROLLER_APPS = ("kapp-controller-app", "kapp-controller-packageinstall")


def default_waits(catalog: Catalog) -> Iterator[Wait]:
    """Yield what every default rule asks for."""
    yield from _crds_first(catalog)
    yield from _namespaces_first(catalog)
    yield from wait("OR-32", catalog.kin_of("rbac-role-bindings"), catalog.of("rbac-roles"))
    yield from wait("OR-33", catalog.kin_of("storage"), catalog.of("storage-class"))
    yield from _basics_first(catalog)
    behind = backends.find_backends(catalog)
    yield from _backends_before_apiservices(catalog, behind)
    yield from _apiservices_before_their_objects(catalog)
    yield from _webhooks_before_custom(catalog, behind)
    yield from _guardians_last(catalog)
    yield from _policies_before_bindings(catalog)
    accounts = catalog.of("serviceaccount", "rbac")
    yield from wait("OR-29", catalog.kin_of(*_CONTROLLER_APPS), accounts)


def _crds_first(catalog: Catalog) -> Iterator[Wait]:
    for (group, kind), numbers in catalog.by_kind.items():
        if (group, kind) in catalog.custom_kinds:
            definition = catalog.of(f"crds-{group}-{kind}")
            yield from wait("OR-30", numbers, definition, Strength.FIRM)


def _namespaces_first(catalog: Catalog) -> Iterator[Wait]:
    for name, numbers in catalog.in_namespace().items():
        inside = [n for n in numbers if catalog.items[n].marks.has_defaults]
        yield from wait("OR-31", inside, catalog.of(f"namespaces-{name}"), Strength.FIRM)


def _basics_first(catalog: Catalog) -> Iterator[Wait]:
    exempt = set(catalog.kin_of(*_NOT_AFTER_BASICS))
    others = [
        number
        for number in catalog.all_kin()
        if catalog.items[number].ref.namespace and number not in exempt
    ]
    yield from wait("OR-34", others, catalog.of(*BASICS))


def _backends_before_apiservices(catalog: Catalog, behind: backends.Backends) -> Iterator[Wait]:
    for number in catalog.by_kind.get(API_SERVICE, ()):
        address = backends.address_of(spec_of(catalog.items[number].body).get("service"))
        yield from wait("OR-35", [number], behind.with_service(address))


def _apiservices_before_their_objects(catalog: Catalog) -> Iterator[Wait]:
    for number in catalog.by_kind.get(API_SERVICE, ()):
        served = spec_of(catalog.items[number].body).get("group")
        objects = [
            served_number
            for (group, _), numbers in catalog.by_kind.items()
            if group and group == served
            for served_number in numbers
        ]
        yield from wait("OR-36", sorted(objects), [number])


def _webhooks_before_custom(catalog: Catalog, behind: backends.Backends) -> Iterator[Wait]:
    for kind, addresses in backends.webhooks_by_custom_kind(catalog).items():
        workloads = {n for address in addresses for n in behind.behind(address)}
        yield from wait("OR-37", catalog.by_kind[kind], sorted(workloads))


def _guardians_last(catalog: Catalog) -> Iterator[Wait]:
    guardians = catalog.kin_of(*GUARDIANS)
    themselves = set(guardians)
    others = [number for number in catalog.all_kin() if number not in themselves]
    # Everything else *of their wave*: a webhook of an early wave guards the later ones.
    yield from wait("OR-38", guardians, others, is_local=True)


def _policies_before_bindings(catalog: Catalog) -> Iterator[Wait]:
    for binding_kind, policy_kind in POLICY_OF_BINDING.items():
        policies = {catalog.items[n].ref.name: n for n in catalog.by_kind.get(policy_kind, ())}
        for number in catalog.by_kind.get(binding_kind, ()):
            policy = policies.get(str(spec_of(catalog.items[number].body).get("policyName")))
            yield from wait("OR-39", [number], [] if policy is None else [policy])
