"""From a tree to the objects that are wanted: render, transform, validate, place, label.

Before: ``fetch`` gave a tree at an immutable revision.
After: ``read_live`` looks for the objects in the cluster.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from rollwright.engine.custody.keys import AskSalt, no_salt
from rollwright.engine.inputs.capabilities import (
    AskKubernetes,
    asking,
    kubernetes_for,
    nothing_asked,
)
from rollwright.engine.inputs.chart_lookups import Target, asked_by, hidden_of
from rollwright.engine.inputs.conditions import holds
from rollwright.engine.inputs.configuration import configure
from rollwright.engine.inputs.configured import Configured
from rollwright.engine.inputs.declared import check_plugins
from rollwright.engine.inputs.known_names import known_on, with_known_groups
from rollwright.engine.inputs.lookup_answers import holds_secrets
from rollwright.engine.inputs.prepared import AskScopes, recipe_of
from rollwright.engine.inputs.renders import (
    Known,
    Order,
    Policy,
    look_up,
    policy_of,
    rendered,
)
from rollwright.engine.inputs.showing import refuse_shown, unquoted
from rollwright.engine.inputs.transforming import transformed
from rollwright.engine.inputs.validating import Beside, validated
from rollwright.engine.inputs.which_renderer import naming
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
    has_target = ask_scopes is not nobody_to_ask
    may_ask = site.may_ask or has_target
    configured = site.configured = await configure(site, spec, checkout, may_ask=may_ask)
    ask = ask_kubernetes if has_target else None
    policy = policy_of(site)
    recipe = await recipe_of(site, spec, policy, (checkout.revision, configured.hidden), ask)
    target = Target(ask=partial(site.cluster, spec), record=site.recorded) if may_ask else None
    served = asking(site, spec) if may_ask and ask is None else ask_kubernetes
    request = _request(site, spec, checkout, configured)
    orders = [one async for one in _orders(site, spec, request, (served, target))]
    known = [await look_up(policy, one) for one in orders]
    wanted = await recipe.taken(tuple(one.id for one in known), ask_scopes)
    if wanted is None:
        looked_up = partial(hidden_of, [one.request.lookups for one in orders])
        try:
            found = [
                await _rendered(site, spec, (policy, order, one))
                for order, one in zip(orders, known, strict=True)
            ]
        except RolloutError as error:
            if (told := unquoted(error, configured.hidden | looked_up())) is error:
                raise
            raise told from None
        sources = Sources(
            checkout=checkout,
            hidden=(configured.hidden, looked_up()),
            ask_kubernetes=ask,
            ask_scopes=ask_scopes,
        )
        whole = join(one for one, _ in found)
        wanted, scopes = await _prepared(site, spec, whole, sources)
        is_sealed = any(holds_secrets(one.request.lookups) for one in orders)
        recipe = replace(recipe, is_sealed=is_sealed)
        await recipe.keep(tuple(name for _, name in found), wanted, scopes)
    site.looked_up = dict(target.found) if target else {}
    for note in wanted.notes:
        site.tell(Note(note))
    for problem in wanted.warnings:
        site.tell(Note(f"warning: {problem}"))
    salt = await ask_salt() if has_secrets(one.ref for one in wanted) else ""
    return replace(wanted, manifests=salted(wanted, salt).manifests, source=checkout.revision)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where what the objects do not say comes from; ``None`` where nobody is to be asked."""

    checkout: Checkout
    hidden: tuple[frozenset[str], frozenset[str]]
    ask_kubernetes: AskKubernetes | None
    ask_scopes: AskScopes


async def _rendered(
    site: Site, spec: RolloutSpec, due: tuple[Policy, Order, Known]
) -> tuple[ManifestSet, str]:
    policy, order, known = due
    with naming(site, spec, order.number):
        return await rendered(policy, order, known, site.tell)


def _request(
    site: Site, spec: RolloutSpec, checkout: Checkout, configured: Configured
) -> RenderRequest:
    return RenderRequest(
        checkout=checkout,
        values=configured.values,
        data=configured.data,
        rollout=spec.name,
        namespace=spec.target.namespace,
        network_charts=site.loaded.file.plugins.network_charts,
    )


async def _orders(
    site: Site,
    spec: RolloutSpec,
    request: RenderRequest,
    asked: tuple[AskKubernetes, Target | None],
) -> AsyncIterator[Order]:
    ask_kubernetes, target = asked
    for number, use in enumerate(spec.renderers):
        with naming(site, spec, number):
            if not await holds(use.when, request.values, site, spec):
                continue
        renderer = site.registry.build("renderers", use.name, use.options)
        served = await kubernetes_for(site, renderer, ask_kubernetes)
        whole = replace(request, kubernetes=served, lookups=asked_by(renderer, target))
        yield Order(use=use, renderer=renderer, request=whole, source=spec.source, number=number)


async def _prepared(
    site: Site, spec: RolloutSpec, given: ManifestSet, sources: Sources
) -> tuple[ManifestSet, Mapping[tuple[str, str], bool]]:
    """Return the finished objects, and what the cluster said of the scopes of kinds."""
    known = known_on(site.loaded, site.registry)
    given = with_known_groups(given, spec.name, known)
    changed = transformed(site, spec, given)
    refuse_shown(changed, *sources.hidden)
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
