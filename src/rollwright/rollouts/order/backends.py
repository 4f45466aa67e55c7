"""The workloads behind a Service, for the APIServices and webhooks that need them (OR-35, OR-37)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rollwright.rollouts.manifest import Body
from rollwright.rollouts.order.bodies import (
    defined_kind,
    group_kind_of,
    mapping,
    sequence,
    spec_of,
)
from rollwright.rollouts.order.catalog import Catalog, Item
from rollwright.rollouts.order.kinds import CRD, MEMBERS, SERVICE, GroupKind

_POD_LABELS: Mapping[str, tuple[str, ...]] = {
    "Pod": ("metadata", "labels"),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "metadata", "labels"),
}
_TEMPLATE_LABELS = ("spec", "template", "metadata", "labels")


class Address(NamedTuple):
    """Where a Service is."""

    namespace: str
    name: str


def address_of(service: object) -> Address | None:
    """Return the address in a ``service`` field of an APIService or a webhook."""
    found = mapping(service)
    namespace, name = found.get("namespace"), found.get("name")
    return Address(str(namespace), str(name)) if namespace and name else None


@dataclass(frozen=True, slots=True)
class Backends:
    """The Services and workloads of a plan, indexed once."""

    services: Mapping[Address, Item]
    workloads: Mapping[str, Sequence[Item]]
    _found: dict[Address, list[int]] = field(default_factory=dict)

    def behind(self, address: Address) -> list[int]:
        """Return the workloads in the Service's namespace whose pods its selector matches."""
        if address not in self._found:
            self._found[address] = list(self._search(address))
        return self._found[address]

    def with_service(self, address: Address | None) -> list[int]:
        """Return the Service of this plan at an address, and the workloads behind it."""
        if address is None or address not in self.services:
            return []
        return sorted([self.services[address].number, *self.behind(address)])

    def _search(self, address: Address) -> Iterator[int]:
        if address not in self.services:
            return
        spec = spec_of(self.services[address].body)
        selector = mapping(spec.get("selector"))
        for item in self.workloads.get(address.namespace, ()):
            # NB: a Service without a selector has its endpoints from elsewhere, not from all pods.
            if selector and selector.items() <= _pod_labels(item).items():
                yield item.number


def find_backends(catalog: Catalog) -> Backends:
    """Index the Services and workloads of a plan."""
    services = (catalog.items[number] for number in catalog.by_kind.get(SERVICE, ()))
    workloads = defaultdict(list)
    for number in catalog.kin_of("workloads"):
        workloads[catalog.items[number].ref.namespace].append(catalog.items[number])
    return Backends(
        {Address(each.ref.namespace, each.ref.name): each for each in services}, workloads
    )


def webhooks_by_custom_kind(catalog: Catalog) -> Mapping[GroupKind, list[Address]]:
    """Return the Services of the webhooks that convert or check each custom kind of this plan."""
    plurals, found = _plurals(catalog), _conversions(catalog)
    hooks = list(_hooks(catalog))
    kinds = [kind for kind in catalog.by_kind if kind in catalog.custom_kinds]
    for kind in kinds:
        checks = (address for address, hook in hooks if _checks(hook, kind, plurals.get(kind)))
        found.setdefault(kind, []).extend(checks)
    return {kind: found[kind] for kind in kinds}


def _pod_labels(item: Item) -> Mapping[str, Any]:
    value: Mapping[str, Any] = item.body
    for step in _POD_LABELS.get(item.ref.kind, _TEMPLATE_LABELS):
        value = mapping(value.get(step))
    return value


def _definitions(catalog: Catalog) -> Iterator[tuple[GroupKind, Body]]:
    """Yield the definitions of custom kinds: the cluster's, then the plan's, which win."""
    bodies = [catalog.items[n].body for n in catalog.by_kind.get(CRD, ())]
    for body in (*catalog.context.crds, *bodies):
        yield defined_kind(body), spec_of(body)


def _plurals(catalog: Catalog) -> Mapping[GroupKind, str]:
    return {
        kind: str(mapping(spec.get("names")).get("plural") or "")
        for kind, spec in _definitions(catalog)
    }


def _conversions(catalog: Catalog) -> dict[GroupKind, list[Address]]:
    found = {}
    for kind, spec in _definitions(catalog):
        conversion = mapping(spec.get("conversion"))
        client = mapping(mapping(conversion.get("webhook")).get("clientConfig"))
        address = address_of(client.get("service"))
        found[kind] = [address] if address and conversion.get("strategy") == "Webhook" else []
    return found


def _hooks(catalog: Catalog) -> Iterator[tuple[Address, Body]]:
    """Yield every admission webhook that has a Service, of the cluster and of the plan."""
    planned = {
        (item.group_kind, item.ref.name): item.body
        for kind in MEMBERS["webhooks"]
        for item in (catalog.items[n] for n in catalog.by_kind.get(kind, ()))
    }
    live = {_identity(body): body for body in catalog.context.webhooks}
    for _, body in sorted({**live, **planned}.items(), key=lambda pair: pair[0]):
        for hook in map(mapping, sequence(body.get("webhooks"))):
            address = address_of(mapping(hook.get("clientConfig")).get("service"))
            if address:
                yield address, hook


def _identity(body: Body) -> tuple[GroupKind, str]:
    return group_kind_of(body), str(mapping(body.get("metadata")).get("name"))


def _checks(hook: Body, kind: GroupKind, plural: str | None) -> bool:
    return any(_covers(mapping(rule), kind, plural) for rule in sequence(hook.get("rules")))


def _covers(rule: Body, kind: GroupKind, plural: str | None) -> bool:
    writes = {"*", "CREATE", "UPDATE"}
    resources = {"*", "*/*", plural} if plural else {"*", "*/*"}
    return (
        not {"*", kind[0]}.isdisjoint(_words(rule.get("apiGroups")))
        and not resources.isdisjoint(_words(rule.get("resources")))
        and not writes.isdisjoint(_words(rule.get("operations")))
    )


def _words(value: object) -> Iterable[str]:
    return {str(word) for word in sequence(value)}
