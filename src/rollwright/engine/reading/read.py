"""Reading what is in the cluster of a rollout: one LIST per kind and scope.

Before: the wanted objects were rendered and placed, the state was loaded.
After: ``forecast`` asks the server about what may change; ``make_plan`` decides.

Every object of a rollout carries its label, so one LIST per kind finds what is ours. A wanted
object that is not found that way is new, or somebody else's: a few are fetched singly, many by
one LIST of names per namespace.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from rollwright.engine.custody.keys import AskSalt, no_salt
from rollwright.engine.writing.together import together
from rollwright.errors import ClusterError
from rollwright.plugins.contracts import Cluster, Discovery, GetRequest, ListRequest
from rollwright.rollouts.live import LiveObject, LiveSet
from rollwright.rollouts.manifest import ManifestSet, ObjectRef
from rollwright.rollouts.ownership.fields import ROLLOUT_LABEL
from rollwright.rollouts.salting import has_secrets
from rollwright.rollouts.state import InventoryEntry, RolloutState

SINGLE_GETS = 8
"""Up to so many unknown objects of a kind and namespace are fetched one by one."""

Versions: TypeAlias = Mapping[ObjectRef, str]
"""The ``apiVersion`` that each object is read in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scope:
    api_version: str
    kind: str
    namespaces: frozenset[str]


async def read_live(
    cluster: Cluster,
    rollout: str,
    wanted: ManifestSet,
    state: RolloutState | None,
    ask_salt: AskSalt = no_salt,
) -> LiveSet:
    """Return the live objects of everything wanted or in the inventory.

    Args:
        cluster: The target.
        rollout: Whose objects.
        wanted: The placed objects.
        state: What is remembered.
        ask_salt: Asked for the installation's key only when there are Secrets.

    Raises:
        ClusterError: A kind cannot be listed; the hint says which permission is missing.
        Unreachable: The API server does not answer.
    """
    discovery = await _discover(cluster, wanted)
    inventory = state.inventory if state else ()
    versions, unreadable = _versions(discovery, wanted, inventory)
    unknown = frozenset(
        (m.api_version, m.ref.kind) for m in wanted if not discovery.find(m.api_version, m.ref.kind)
    )
    answers: list[Any] = await together(
        (_list_ours(cluster, rollout, versions), cluster.identity(), cluster.server_version())
    )
    found, identity, server_version = answers
    strays = sorted(ref for ref, live in found.items() if ref not in versions and _is_own(live))
    found = {ref: live for ref, live in found.items() if ref in versions}
    missing = {ref: version for ref, version in versions.items() if ref not in found}
    others = [m.ref.namespace for m in wanted if (m.api_version, m.ref.kind) in unknown]
    absent = await _absent_namespaces(cluster, (*missing, *found), others, found)
    found |= await _find_unlabelled(cluster, missing, absent)
    salt = await ask_salt() if has_secrets(versions) else ""
    return LiveSet(
        objects={ref: live.keyed(salt) for ref, live in found.items()} if salt else found,
        read_at=datetime.now(UTC),
        cluster=cluster.name,
        cluster_id=identity,
        server_version=server_version,
        missing_groups=discovery.missing,
        unknown_kinds=unknown,
        unreadable=unreadable,
        strays=tuple(strays),
        absent_namespaces=absent,
        salt=salt,
    )


def _is_own(live: LiveObject) -> bool:
    """Whether somebody made it, and not a controller that copied our label to its child."""
    return not live.metadata.get("ownerReferences")


async def _discover(cluster: Cluster, wanted: ManifestSet) -> Discovery:
    """Return what is served; asked anew when a wanted kind is not among it."""
    discovery = await cluster.discover()
    if all(discovery.find(m.api_version, m.ref.kind) for m in wanted):
        return discovery
    return await cluster.discover(refresh=True)


def _versions(
    discovery: Discovery, wanted: ManifestSet, inventory: Iterable[InventoryEntry]
) -> tuple[Versions, Mapping[ObjectRef, str]]:
    """Return the version to read each object in, and what cannot be read at all.

    managedFields belong to a version, so an object is read in the one its manifest names.
    """
    versions: dict[ObjectRef, str] = {}
    unreadable: dict[ObjectRef, str] = {}
    for entry in inventory:
        if why := discovery.missing.get(entry.ref.group):
            unreadable[entry.ref] = why
        elif discovery.find(entry.api_version, entry.ref.kind):
            versions[entry.ref] = entry.api_version
        elif served := discovery.preferred(entry.ref.group, entry.ref.kind):
            versions[entry.ref] = served.api_version
    for manifest in wanted:
        if discovery.find(manifest.api_version, manifest.ref.kind):
            versions[manifest.ref] = manifest.api_version
            unreadable.pop(manifest.ref, None)
    return versions, unreadable


async def _list_ours(
    cluster: Cluster, rollout: str, versions: Versions
) -> dict[ObjectRef, LiveObject]:
    spaces: dict[tuple[str, str], set[str]] = defaultdict(set)
    for ref, version in versions.items():
        spaces[version, ref.kind].add(ref.namespace)
    scopes = [
        _Scope(api_version=version, kind=kind, namespaces=frozenset(names))
        for (version, kind), names in spaces.items()
    ]
    lists = await together(_list_scope(cluster, rollout, scope) for scope in scopes)
    return {live.ref: live for one in lists for live in one}


async def _list_scope(cluster: Cluster, rollout: str, scope: _Scope) -> tuple[LiveObject, ...]:
    selector = f"{ROLLOUT_LABEL}={rollout}"
    names = sorted(scope.namespaces)
    requests = [
        ListRequest(
            api_version=scope.api_version, kind=scope.kind, namespace=name, label_selector=selector
        )
        for name in names
    ]
    if len(names) == 1:
        return await cluster.list(requests[0])
    everywhere = ListRequest(
        api_version=scope.api_version, kind=scope.kind, label_selector=selector
    )
    try:
        return await cluster.list(everywhere)
    except ClusterError as error:
        if error.status != 403:
            raise
    # NB: a person may have rights in the namespaces only.
    lists = await together(_list(cluster, request) for request in requests)
    return tuple(live for one in lists for live in one)


async def _absent_namespaces(
    cluster: Cluster,
    refs: Iterable[ObjectRef],
    others: Iterable[str],
    found: Mapping[ObjectRef, LiveObject],
) -> frozenset[str]:
    """Return the namespaces that do not exist; one that holds a found object is not asked for."""
    known = {ref.namespace for ref in found}
    known |= {ref.name for ref in found if ref.group_kind == ("", "Namespace")}
    names = sorted({*(ref.namespace for ref in refs), *others} - known - {""})
    answers = await together(_has_namespace(cluster, name) for name in names)
    return frozenset(name for name, is_there in zip(names, answers, strict=True) if not is_there)


async def _has_namespace(cluster: Cluster, name: str) -> bool:
    ref = ObjectRef("", "Namespace", "", name)
    try:
        return await cluster.get(GetRequest(ref=ref, api_version="v1")) is not None
    except ClusterError as error:
        # NB: who has rights in a namespace only may not be allowed to look at the namespace.
        if error.status != 403:
            raise
        return True


async def _find_unlabelled(
    cluster: Cluster, missing: Versions, absent: frozenset[str]
) -> dict[ObjectRef, LiveObject]:
    spaces: dict[tuple[str, str, str], list[ObjectRef]] = defaultdict(list)
    for ref, version in missing.items():
        if ref.namespace not in absent:
            spaces[version, ref.kind, ref.namespace].append(ref)
    found = await together(
        _find_in(cluster, ListRequest(api_version=v, kind=kind, namespace=name), refs)
        for (v, kind, name), refs in spaces.items()
    )
    return {live.ref: live for one in found for live in one}


async def _list(cluster: Cluster, request: ListRequest) -> tuple[LiveObject, ...]:
    return await cluster.list(request)


async def _get(cluster: Cluster, request: GetRequest) -> LiveObject | None:
    return await cluster.get(request)


async def _find_in(
    cluster: Cluster, request: ListRequest, refs: list[ObjectRef]
) -> tuple[LiveObject, ...]:
    if len(refs) > SINGLE_GETS:
        names = ListRequest(
            api_version=request.api_version,
            kind=request.kind,
            namespace=request.namespace,
            metadata_only=True,
        )
        existing = {live.ref for live in await cluster.list(names)}
        refs = [ref for ref in refs if ref in existing]
    answers = await together(
        _get(cluster, GetRequest(ref=ref, api_version=request.api_version)) for ref in refs
    )
    return tuple(live for live in answers if live is not None)
