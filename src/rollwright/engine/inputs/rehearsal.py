"""Dry runs in another namespace, for objects whose own comes with the plan (AP-67c).

Before: ``simulate`` checked the objects against the schemas of their kinds.
After: the plan shows the server's defaults as well; only what belongs to the namespace is open.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from rollwright.engine.writing.together import together
from rollwright.errors import ClusterError, InvalidManifests, InvalidSpec, Problem
from rollwright.plugins.contracts import ApplyRequest, Cluster, GetRequest
from rollwright.rollouts.live import LiveObject, LiveSet
from rollwright.rollouts.manifest import Body, Manifest, ManifestSet, ObjectRef
from rollwright.rollouts.order.bodies import defined_kind
from rollwright.rollouts.premises import is_crd

_SUFFIX = "-simulated"
_LONGEST = 63 - len(_SUFFIX)
_WRONG = frozenset({400, 422, 500})
"""What the server says of a mistake; what else it refuses there may be good elsewhere."""


async def rehearse(
    cluster: Cluster,
    namespace: str,
    wanted: ManifestSet,
    live: LiveSet,
    manifests: Iterable[Manifest],
) -> LiveSet:
    """Return the live set with the server's answers about objects of absent namespaces.

    Raises:
        InvalidSpec: The namespace for dry runs does not exist.
        InvalidManifests: The server refuses objects; every refusal is told.
    """
    defined = {defined_kind(one.body) for one in wanted if is_crd(one.body)}
    asked = [
        one
        for one in manifests
        if one.ref.namespace in live.absent_namespaces
        and (one.api_version, one.ref.kind) not in live.unknown_kinds
        and one.ref.group_kind not in defined
    ]
    if not asked:
        return live
    ref = ObjectRef("", "Namespace", "", namespace)
    if await cluster.get(GetRequest(ref=ref, api_version="v1")) is None:
        message = f"namespace {namespace!r} does not exist"
        raise InvalidSpec([Problem(where="rollout", path="spec.apply.simulateIn", message=message)])
    answers = await together(_rehearse_one(cluster, namespace, one) for one in asked)
    problems = [one for one in answers if isinstance(one, Problem)]
    if problems:
        raise InvalidManifests(problems)
    pairs = zip(asked, answers, strict=True)
    return replace(live, rehearsals={m.ref: one for m, one in pairs if isinstance(one, dict)})


async def _rehearse_one(
    cluster: Cluster, namespace: str, manifest: Manifest
) -> dict[str, Any] | Problem | None:
    """Return what the server would make of an object, why not, or nothing if nobody can say."""
    name = manifest.ref.name
    for alias in (name, f"{name[:_LONGEST]}{_SUFFIX}"):
        try:
            answer = await _dry_run(cluster, manifest, namespace, alias)
        except ClusterError as error:
            if error.status == 409:
                continue
            if error.status in _WRONG:
                return Problem(where=str(manifest.origin), path="", message=error.message)
            return None
        if not answer.resource_version:  # else an object of that name is there already
            return _moved(answer.body, manifest.ref.namespace, name)
    return None


async def _dry_run(cluster: Cluster, manifest: Manifest, namespace: str, name: str) -> LiveObject:
    ref = manifest.ref._replace(namespace=namespace, name=name)
    body = _moved(manifest.body, namespace, name)
    return await cluster.apply(ApplyRequest(ref=ref, body=body, force=True, is_dry_run=True))


def _moved(body: Body, namespace: str, name: str) -> dict[str, Any]:
    metadata = {**body["metadata"], "namespace": namespace, "name": name}
    return {**body, "metadata": metadata}
