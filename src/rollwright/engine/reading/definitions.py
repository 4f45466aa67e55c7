"""The definitions of custom kinds, where a plan needs to know more of them than discovery tells.

Before: ``read_live`` read the objects.
After: ``simulate`` checks objects against the schemas; ``crd_safety`` judges changed definitions.

An ordinary run asks nothing here: only an object of a custom kind in a namespace that comes with
the plan needs the live schema, and only a definition that stops serving a version makes it
worth looking who uses that version.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from rollwright.engine.writing.together import together
from rollwright.errors import ClusterError
from rollwright.plugins.contracts import Cluster, GetRequest, ListRequest
from rollwright.rollouts.live import LiveObject, LiveSet
from rollwright.rollouts.manifest import Body, Manifest, ManifestSet, ObjectRef
from rollwright.rollouts.order.bodies import defined_kind, mapping, sequence, spec_of
from rollwright.rollouts.premises import is_crd, served_by_plan

CRD_VERSION = "apiextensions.k8s.io/v1"


async def read_schemas(
    cluster: Cluster, wanted: ManifestSet, live: LiveSet, manifests: Iterable[Manifest]
) -> LiveSet:
    """Return the live set with the definitions that the objects' schemas stand in.

    Args:
        cluster: Where the definitions are.
        wanted: The whole set; what it defines itself is not asked for.
        live: What was read so far.
        manifests: Objects of kinds that are not built in.
    """
    known = {defined_kind(one.body) for one in wanted if is_crd(one.body)}
    groups = served_by_plan(wanted)
    kinds = {
        (one.api_version, one.ref.kind)
        for one in manifests
        if one.ref.group_kind not in known and one.ref.group not in groups
    }
    discovery = await cluster.discover()
    served = [one for kind in sorted(kinds) if (one := discovery.kinds.get(kind))]
    names = sorted({f"{one.plural}.{one.group}" for one in served})
    found = await together(_definition(cluster, name) for name in names)
    crds = {defined_kind(crd): crd for crd in found if crd is not None}
    unchecked = frozenset(
        (one.api_version, one.kind) for one in served if (one.group, one.kind) not in crds
    )
    return replace(live, definitions=crds, unchecked=unchecked)


async def _definition(cluster: Cluster, name: str) -> Body | None:
    """Return a CRD; ``None`` when it is none, or we may not look."""
    ref = ObjectRef("apiextensions.k8s.io", "CustomResourceDefinition", "", name)
    try:
        found = await cluster.get(GetRequest(ref=ref, api_version=CRD_VERSION))
    except ClusterError as error:
        if error.status != 403:
            raise
        return None
    return found.body if found is not None else None


async def read_used_versions(cluster: Cluster, wanted: ManifestSet, live: LiveSet) -> LiveSet:
    """Return the live set with the versions that objects use, of kinds that lose one."""
    losing = [one for one in wanted if is_crd(one.body) and _loses_version(one, live)]
    answers = await together(_versions_in_use(cluster, live, one) for one in losing)
    used = {one.ref.name: found for one, found in zip(losing, answers, strict=True)}
    return replace(live, used_versions=used) if used else live


def _loses_version(crd: Manifest, live: LiveSet) -> bool:
    found = live.get(crd.ref)
    return found is not None and bool(set(_served(found.body)) - set(_served(crd.body)))


def _served(crd: Body) -> Iterator[str]:
    for version in map(mapping, sequence(spec_of(crd).get("versions"))):
        if version.get("served", True):
            yield str(version.get("name"))


async def _versions_in_use(cluster: Cluster, live: LiveSet, crd: Manifest) -> frozenset[str]:
    """Return the versions that somebody wrote an object in: managedFields name them."""
    group, kind = defined_kind(crd.body)
    served = [f"{group}/{name}" for name in _served(live.objects[crd.ref].body)]
    request = ListRequest(api_version=served[0], kind=kind, metadata_only=True)
    try:
        objects = await cluster.list(request)
    except ClusterError as error:
        if error.status != 403:
            raise
        # Who may not look cannot know that nobody uses them.
        return frozenset(one.rpartition("/")[2] for one in served)
    written = {version for one in objects for version in _written_in(one)}
    return frozenset(one.rpartition("/")[2] for one in served if one in written)


def _written_in(live: LiveObject) -> Iterator[str]:
    for entry in live.metadata.get("managedFields") or ():
        yield str(entry.get("apiVersion", ""))
