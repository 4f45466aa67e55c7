"""From a tree to the objects that are wanted: render, transform, validate, place, label.

Before: ``fetch`` gave a tree at an immutable revision.
After: ``read_live`` looks for the objects in the cluster.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

from rollwright.engine.applyset import parent_namespace
from rollwright.engine.keys import AskSalt, no_salt
from rollwright.engine.site import Site
from rollwright.errors import InvalidManifests, Problem
from rollwright.plugins.contracts import (
    Checkout,
    RenderRequest,
    TransformRequest,
    ValidateRequest,
)
from rollwright.rollouts.encoding import encoded
from rollwright.rollouts.health import parse_duration
from rollwright.rollouts.health.annotations import TIMEOUT, WAIT_FOR, parse_wait_for
from rollwright.rollouts.manifest import Manifest, ManifestSet, join
from rollwright.rollouts.ownership.fields import own
from rollwright.rollouts.salting import has_secrets, salted
from rollwright.rollouts.scope import is_namespaced, place, scopes_of_crds
from rollwright.rollouts.spec import RolloutSpec

AskScopes: TypeAlias = Callable[[], Awaitable[Mapping[tuple[str, str], bool]]]
"""Asks a cluster which kinds are namespaced, by group and kind."""


async def nobody_to_ask() -> Mapping[tuple[str, str], bool]:
    """Know nothing of the cluster: for commands that need none."""
    return {}


async def render_set(
    site: Site,
    spec: RolloutSpec,
    checkout: Checkout,
    ask_scopes: AskScopes,
    ask_salt: AskSalt = no_salt,
) -> ManifestSet:
    """Return the wanted objects of a rollout.

    Args:
        site: Where plugins and values come from.
        spec: What was declared.
        checkout: The source's tree.
        ask_scopes: Asked only when a kind is neither built in nor defined by the set itself.
        ask_salt: Asked for the installation's key only when there are Secrets.

    Raises:
        RenderError: A renderer or transformer failed.
        InvalidManifests: Objects are wrong or stand twice; every problem is told.
    """
    rendered = given = await _render(site, spec, checkout)
    for use in spec.transformers:
        transformer = site.registry.build("transformers", use.name, use.options)
        rendered = transformer.transform(TransformRequest(manifests=rendered, rollout=spec.name))
    _validate(site, spec, rendered)
    placed = place(
        rendered,
        namespace=spec.target.namespace,
        pin=spec.target.pin_namespace,
        scopes=await _scopes(rendered, ask_scopes),
    )
    owned = own(placed, spec.name, parent_namespace(site))
    owned = encoded(owned)
    salt = await ask_salt() if has_secrets(one.ref for one in owned) else ""
    return replace(given, manifests=salted(owned, salt).manifests, source=checkout.revision)


async def _render(site: Site, spec: RolloutSpec, checkout: Checkout) -> ManifestSet:
    request = RenderRequest(checkout=checkout, values=site.values(spec), rollout=spec.name)
    sets = []
    for use in spec.renderers:
        renderer = site.registry.build("renderers", use.name, use.options)
        sets.append(await renderer.render(request))
    return join(sets)


def _validate(site: Site, spec: RolloutSpec, rendered: ManifestSet) -> None:
    problems = [problem for manifest in rendered for problem in _unreadable_waits(manifest)]
    for use in spec.validators:
        validator = site.registry.build("validators", use.name, use.options)
        problems += validator.validate(ValidateRequest(manifests=rendered, rollout=spec.name))
    if problems:
        raise InvalidManifests(problems)


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


async def _scopes(rendered: ManifestSet, ask: AskScopes) -> Callable[[str, str], bool | None]:
    known = dict(scopes_of_crds(rendered))

    def scope_of(group: str, kind: str) -> bool | None:
        built_in = is_namespaced(group, kind)
        return known.get((group, kind)) if built_in is None else built_in

    if _has_unknown(scope_of, ((m.ref.group, m.ref.kind) for m in rendered)):
        known = {**await ask(), **known}
    return scope_of


def _has_unknown(
    scope_of: Callable[[str, str], bool | None], kinds: Iterable[tuple[str, str]]
) -> bool:
    return any(scope_of(group, kind) is None for group, kind in set(kinds))
