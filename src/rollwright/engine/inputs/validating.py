"""The validators of a rollout: every mistake of every one at once.

Before: transformers did their work.
After: errors stop the rollout; warnings go on with the set, and are told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rollwright.engine.inputs.capabilities import AskKubernetes
from rollwright.engine.reading.definitions import CRD_VERSION
from rollwright.engine.site import Site
from rollwright.engine.writing.together import together
from rollwright.errors import ClusterError, InvalidManifests, Problem, RenderError, RolloutError
from rollwright.plugins.contracts import Checkout, Cluster, GetRequest, Kubernetes, ValidateRequest
from rollwright.rollouts.health import parse_duration
from rollwright.rollouts.health.annotations import TIMEOUT, WAIT_FOR, parse_wait_for
from rollwright.rollouts.manifest import Manifest, ManifestSet, ObjectRef, Origin
from rollwright.rollouts.order.bodies import defined_kind
from rollwright.rollouts.premises import is_crd, served_by_plan
from rollwright.rollouts.scope import is_namespaced
from rollwright.rollouts.spec import RolloutSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What is known beside the objects.

    Attributes:
        checkout: Their tree.
        ask_kubernetes: Tells what the target serves.
        has_cluster: Whether the target may be asked at all.
    """

    checkout: Checkout
    ask_kubernetes: AskKubernetes
    has_cluster: bool


async def validated(
    site: Site, spec: RolloutSpec, rendered: ManifestSet, beside: Beside
) -> tuple[Problem, ...]:
    """Return the warnings of all validators.

    Raises:
        InvalidManifests: Objects are wrong; every mistake is told.
        RenderError: A validator cannot do its work.
    """
    problems = [problem for manifest in rendered for problem in _unreadable_waits(manifest)]
    for use in spec.validators:
        validator = site.registry.build("validators", use.name, use.options)
        request = await _request(site, spec, rendered, beside, validator)
        problems += await _found(validator, request, use.name)
    warnings = tuple(one for one in problems if one.is_warning)
    if len(warnings) < len(problems):
        error = InvalidManifests(one for one in problems if not one.is_warning)
        error.warnings = warnings
        raise error
    return warnings


async def _found(validator: Any, request: ValidateRequest, name: str) -> tuple[Problem, ...]:
    try:
        # In a thread: rules are evaluated by another process, which takes its time.
        found: tuple[Problem, ...] = await asyncio.to_thread(validator.validate, request)
    except RolloutError:
        raise
    except Exception as error:
        # NB: its words may hold anything, values of Secrets too.
        message = f"validator {name} broke: {type(error).__name__}"
        raise RenderError(message) from error
    return found


async def _request(
    site: Site, spec: RolloutSpec, rendered: ManifestSet, beside: Beside, validator: Any
) -> ValidateRequest:
    asks = getattr(validator, "asks_kubernetes", False)
    asks_definitions = beside.has_cluster and getattr(validator, "asks_definitions", False)
    return ValidateRequest(
        manifests=rendered,
        rollout=spec.name,
        namespace=spec.target.namespace,
        kubernetes=await beside.ask_kubernetes() if asks else Kubernetes(),
        definitions=await _definitions(site, spec, rendered) if asks_definitions else (),
        checkout=beside.checkout,
        site=site.loaded.root,
    )


async def _definitions(
    site: Site, spec: RolloutSpec, rendered: ManifestSet
) -> tuple[Manifest, ...]:
    """Return the definitions of custom kinds that the set has none of."""
    declared = {defined_kind(one.body) for one in rendered if is_crd(one.body)}
    groups = served_by_plan(rendered)
    kinds = {
        (one.api_version, one.ref.kind)
        for one in rendered
        if is_namespaced(one.ref.group, one.ref.kind) is None
        and (one.ref.group, one.ref.kind) not in declared
        and one.ref.group not in groups
    }
    if not kinds:
        return ()
    cluster = await site.cluster(spec)
    discovery = await cluster.discover()
    served = [one for kind in sorted(kinds) if (one := discovery.kinds.get(kind))]
    names = sorted({f"{one.plural}.{one.group}" for one in served})
    found = await together(_definition(cluster, name) for name in names)
    return tuple(one for one in found if one is not None)


async def _definition(cluster: Cluster, name: str) -> Manifest | None:
    """Return a definition; ``None`` if there is none, or we may not look: the server will."""
    ref = ObjectRef("apiextensions.k8s.io", "CustomResourceDefinition", "", name)
    try:
        found = await cluster.get(GetRequest(ref=ref, api_version=CRD_VERSION))
    except ClusterError as error:
        if error.status != 403:
            raise
        return None
    if found is None:
        return None
    return Manifest(body=found.body, ref=ref, key=name, origin=Origin(file=f"live {ref}"))


def _unreadable_waits(manifest: Manifest) -> Iterator[Problem]:
    """Find annotations that no wait could follow, before anything waits for the object."""
    readers: Mapping[str, Callable[[str], object]] = {
        TIMEOUT: parse_duration,
        WAIT_FOR: parse_wait_for,
    }
    for name, read in readers.items():
        text = manifest.annotations.get(name)
        if text is None:
            continue
        try:
            read(text)
        except ValueError as error:
            path = f"metadata.annotations[{name}]"
            message = f"{manifest.ref}: {error}"
            yield Problem(where=str(manifest.origin), path=path, message=message)
