"""What charts look up in the target, asked once while a plan is made, and kept with it (RE-15).

Before: a template looks an object up while it is rendered.
After: the plan's objects are made of what was found; ``sealed_lookups`` writes it into a saved
plan, and whoever carries that plan out renders with the record and asks the target nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from rollwright.errors import Refused
from rollwright.plugins.contracts import Cluster, GetRequest, ListRequest, Lookup, Lookups
from rollwright.rollouts.hiding import hidden_texts
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import ObjectRef, group_of

MAX_OBJECTS = 5_000

AskCluster: TypeAlias = Callable[[], Awaitable[Cluster]]
Record: TypeAlias = Mapping[Lookup, Mapping[str, Any] | None]
"""What was looked up, and what was found."""

_NOT_SAID = frozenset({"managedFields", "resourceVersion", "generation"})
"""What moves while nobody changes anything."""


@dataclass(slots=True, kw_only=True)
class Target:
    """The rollout's target, asked at most once for each object.

    Attributes:
        ask: Connects the target.
        record: What was found when the plan was made, which counts instead.
        found: What was looked up until now.
    """

    ask: AskCluster
    record: Record = field(default_factory=dict, repr=False)
    found: dict[Lookup, Mapping[str, Any] | None] = field(default_factory=dict, repr=False)

    async def kinds(self, api_version: str) -> tuple[str, ...]:
        """Return the kinds that are served in a version."""
        served = (await (await self.ask()).discover()).kinds
        return tuple(sorted(kind for version, kind in served if version == api_version))

    async def find(self, lookup: Lookup) -> Mapping[str, Any] | None:
        """Return what there is, without what moves by itself."""
        if lookup not in self.found:
            known = lookup in self.record
            self.found[lookup] = self.record[lookup] if known else await self._read(lookup)
        return self.found[lookup]

    async def _read(self, lookup: Lookup) -> Mapping[str, Any] | None:
        cluster = await self.ask()
        served = (await cluster.discover()).find(lookup.api_version, lookup.kind)
        if served is None or (served.is_namespaced and lookup.name and not lookup.namespace):
            return None
        namespace = lookup.namespace if served.is_namespaced else ""
        if not lookup.name:
            return _listed(lookup, await _list(cluster, lookup, namespace))
        ref = ObjectRef(group_of(lookup.api_version), lookup.kind, namespace, lookup.name)
        one = await cluster.get(GetRequest(ref=ref, api_version=lookup.api_version))
        return _said(one) if one else None


async def _list(cluster: Cluster, lookup: Lookup, namespace: str) -> tuple[LiveObject, ...]:
    request = ListRequest(api_version=lookup.api_version, kind=lookup.kind, namespace=namespace)
    found = await cluster.list(request)
    if len(found) > MAX_OBJECTS:
        raise Refused(
            f"a chart looks up {lookup} in {lookup.api_version}: more than {MAX_OBJECTS:,} objects",
            hint="set `lookup: off` among the options of the renderer",
        )
    return tuple(sorted(found, key=lambda one: one.ref))


def _listed(lookup: Lookup, found: Iterable[LiveObject]) -> Mapping[str, Any]:
    items = [dict(_said(one)) for one in found]
    kind = f"{lookup.kind}List"
    return {"apiVersion": lookup.api_version, "kind": kind, "metadata": {}, "items": items}


def _said(one: LiveObject) -> Mapping[str, Any]:
    metadata = {k: v for k, v in one.body["metadata"].items() if k not in _NOT_SAID}
    return {**one.body, "metadata": metadata}


@dataclass(slots=True, kw_only=True)
class Asked:
    """What one renderer looks up, beside what others do.

    Attributes:
        target: Who answers.
        is_revealed: Whether values of Secrets may stand in other objects.
        lookups: What was asked, in turn.
    """

    target: Target
    is_revealed: bool = False
    lookups: dict[Lookup, None] = field(default_factory=dict)

    async def kinds(self, api_version: str) -> tuple[str, ...]:
        """Return the kinds that are served in a version."""
        return await self.target.kinds(api_version)

    async def find(self, lookup: Lookup) -> Mapping[str, Any] | None:
        """Return what there is, and remember that it was asked for."""
        self.lookups[lookup] = None
        return await self.target.find(lookup)

    @property
    def found(self) -> Record:
        """What was looked up here, and what was found."""
        return {one: self.target.found[one] for one in self.lookups if one in self.target.found}

    @property
    def hidden(self) -> frozenset[str]:
        """Values of Secrets among it that nobody may see; none if they are revealed."""
        return frozenset() if self.is_revealed else self.secret_values

    @property
    def secret_values(self) -> frozenset[str]:
        """Values of Secrets among it."""
        return hidden_texts(body for one in self.found.values() for body in bodies_of(one))


def bodies_of(answer: Mapping[str, Any] | None) -> tuple[Mapping[str, Any], ...]:
    """Return the objects of an answer."""
    if answer is None:
        return ()
    items = answer.get("items")
    return (answer,) if items is None or not is_list(answer) else tuple(items)


def is_list(answer: Mapping[str, Any]) -> bool:
    """Whether an answer is a list of objects, and no object that has a field of that name."""
    return "name" not in answer.get("metadata", {})


def asked_by(renderer: Any, target: Target | None) -> Asked | None:
    """Return who answers a renderer; ``None`` if it does not ask, or nobody is to be asked."""
    if target is None or not getattr(renderer, "asks_lookups", False):
        return None
    return Asked(target=target, is_revealed=getattr(renderer, "reveals_lookups", False))


def hidden_of(asked: Iterable[Lookups | None]) -> frozenset[str]:
    """Return the values of Secrets that renderers looked up and may not show."""
    return frozenset(text for one in asked if isinstance(one, Asked) for text in one.hidden)
