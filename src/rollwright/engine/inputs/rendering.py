"""From a tree to the objects that are wanted: render, transform, validate, place, label.

Before: ``fetch`` gave a tree at an immutable revision.
After: ``read_live`` looks for the objects in the cluster.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from rollwright.engine.custody.keys import AskSalt, no_salt
from rollwright.engine.inputs.capabilities import AskKubernetes, kubernetes_for, nothing_asked
from rollwright.engine.inputs.configuration import (
    Configured,
    configure,
    refuse_shown,
    unquoted,
)
from rollwright.engine.inputs.declared import check_plugins
from rollwright.engine.inputs.known_names import known_on, with_known_groups
from rollwright.engine.inputs.prepared import AskScopes, recipe_of
from rollwright.engine.inputs.renders import Order, look_up, policy_of, rendered
from rollwright.engine.inputs.transforming import transformed
from rollwright.engine.inputs.validating import Beside, validated
from rollwright.engine.progress import Note
from rollwright.engine.site import Site
from rollwright.engine.writing.applyset import parent_namespace
from rollwright.errors import RolloutError
from rollwright.plugins.contracts import Checkout, RenderRequest
from rollwright.rollouts.encoding import encoded
from rollwright.rollouts.manifest import ManifestSet, join
from rollwright.rollouts.ownership.fields import own
from rollwright.rollouts.salting import has_secrets, salted
from rollwright.rollouts.scope import is_namespaced, place, scopes_of_crds
from rollwright.rollouts.spec import RolloutSpec

__all__ = ["AskScopes", "nobody_to_ask", "render_set"]


async def nobody_to_ask() -> Mapping[tuple[str, str], bool]:
    """Know nothing of the cluster: for commands that need none."""
    return {}


async def render_set(
    site: Site,
    spec: RolloutSpec,
    checkout: Checkout,
    ask_scopes: AskScopes,
    ask_salt: AskSalt = no_salt,
    ask_kubernetes: AskKubernetes = nothing_asked,
) -> ManifestSet:
    """Return the wanted objects of a rollout.

    Args:
        site: Where plugins and values come from.
        spec: What was declared.
        checkout: The source's tree.
        ask_scopes: Asked only when a kind is neither built in nor defined by the set itself.
        ask_salt: Asked for the installation's key only when there are Secrets.
        ask_kubernetes: Asked what the target serves only when a renderer wants to know.

    Raises:
        InvalidSpec: A plugin is unknown, or its options are wrong; every problem is told.
        RenderError: A renderer or transformer failed.
        InvalidManifests: Objects are wrong or stand twice; every problem is told.
    """
    check_plugins(site, spec)
    may_ask = site.may_ask or ask_scopes is not nobody_to_ask
    configured = site.configured = await configure(site, spec, checkout, may_ask=may_ask)
    ask = ask_kubernetes if ask_scopes is not nobody_to_ask else None
    policy = policy_of(site)
    recipe = await recipe_of(site, spec, policy, (checkout.revision, configured.hidden), ask)
    orders = [one async for one in _orders(site, spec, checkout, configured, ask_kubernetes)]
    known = [await look_up(policy, one) for one in orders]
    wanted = await recipe.taken(tuple(one.id for one in known), ask_scopes)
    if wanted is None:
        try:
            found = [
                await rendered(policy, order, one, site.tell)
                for order, one in zip(orders, known, strict=True)
            ]
        except RolloutError as error:
            if (told := unquoted(error, configured)) is error:
                raise
            raise told from None
        sources = Sources(
            checkout=checkout, configured=configured, ask_kubernetes=ask, ask_scopes=ask_scopes
        )
        wanted, scopes = await _prepared(site, spec, join(one for one, _ in found), sources)
        await recipe.keep(tuple(name for _, name in found), wanted, scopes)
    for problem in wanted.warnings:
        site.tell(Note(f"warning: {problem}"))
    salt = await ask_salt() if has_secrets(one.ref for one in wanted) else ""
    return replace(wanted, manifests=salted(wanted, salt).manifests, source=checkout.revision)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where what the objects do not say comes from; ``None`` where nobody is to be asked."""

    checkout: Checkout
    configured: Configured
    ask_kubernetes: AskKubernetes | None
    ask_scopes: AskScopes


async def _orders(
    site: Site,
    spec: RolloutSpec,
    checkout: Checkout,
    configured: Configured,
    ask_kubernetes: AskKubernetes,
) -> AsyncIterator[Order]:
    request = RenderRequest(
        checkout=checkout,
        values=configured.values,
        data=configured.data,
        rollout=spec.name,
        namespace=spec.target.namespace,
        network_charts=site.loaded.file.plugins.network_charts,
    )
    for use in spec.renderers:
        renderer = site.registry.build("renderers", use.name, use.options)
        served = await kubernetes_for(site, renderer, ask_kubernetes)
        asked = replace(request, kubernetes=served)
        yield Order(use=use, renderer=renderer, request=asked, source=spec.source)


async def _prepared(
    site: Site, spec: RolloutSpec, given: ManifestSet, sources: Sources
) -> tuple[ManifestSet, Mapping[tuple[str, str], bool]]:
    """Return the finished objects, and what the cluster said of the scopes of kinds."""
    known = known_on(site.loaded, site.registry)
    given = with_known_groups(given, spec.name, known)
    changed = transformed(site, spec, given)
    refuse_shown(changed, sources.configured)
    beside = Beside(
        checkout=sources.checkout,
        ask_kubernetes=sources.ask_kubernetes or nothing_asked,
        has_cluster=sources.ask_kubernetes is not None,
    )
    warnings = await validated(site, spec, changed, beside)
    scopes, asked = await _scopes(changed, sources.ask_scopes)
    placed = place(
        changed,
        namespace=spec.target.namespace,
        pin=spec.target.pin_namespace,
        scopes=scopes,
    )
    owned = encoded(own(placed, spec.name, parent_namespace(site)))
    whole = replace(given, manifests=owned.manifests, warnings=(*given.warnings, *warnings))
    return whole, asked


async def _scopes(
    rendered: ManifestSet, ask: AskScopes
) -> tuple[Callable[[str, str], bool | None], Mapping[tuple[str, str], bool]]:
    """Return who knows the scopes of kinds, and what the cluster was asked for it."""
    known = dict(scopes_of_crds(rendered))
    asked: Mapping[tuple[str, str], bool] = {}

    def scope_of(group: str, kind: str) -> bool | None:
        built_in = is_namespaced(group, kind)
        return known.get((group, kind)) if built_in is None else built_in

    if _has_unknown(scope_of, ((m.ref.group, m.ref.kind) for m in rendered)):
        asked = await ask()
        known = {**asked, **known}
    return scope_of, asked


def _has_unknown(
    scope_of: Callable[[str, str], bool | None], kinds: Iterable[tuple[str, str]]
) -> bool:
    return any(scope_of(group, kind) is None for group, kind in set(kinds))
