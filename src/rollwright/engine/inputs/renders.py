"""One renderer's objects: taken from the cache, or rendered and kept.

Before: ``rendering`` made a renderer and its request.
After: the objects, and an id of what they are, under which ``prepared`` keeps what becomes of them.

A key holds a few entries, each a tree and the result for it (RE-03). Whenever something is
rendered again although a result is known, the two are compared: a renderer that gives something
else each time is told.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from rollwright.engine.inputs.lookup_answers import answers_of, holds_secrets, is_answered_alike
from rollwright.engine.inputs.render_cache import RenderCache, open_cache
from rollwright.engine.inputs.render_forms import packed, unpacked
from rollwright.engine.inputs.render_keys import (
    TreeKey,
    inputs_of,
    is_unchanged,
    key_of,
    tree_key,
)
from rollwright.engine.progress import Counted, Listener, Note
from rollwright.engine.site import Site
from rollwright.plugins.contracts import RenderRequest
from rollwright.rollouts.manifest import ManifestSet
from rollwright.rollouts.salting import has_secrets
from rollwright.rollouts.spec.uses import Use

ENTRIES = 8
"""Trees that are remembered for one key."""

NAMES_SHOWN = 5

HARD_REFRESH = "hardRefresh"
"""The kind of a trigger that takes nothing from the cache (TR-07)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How the cache is used.

    Attributes:
        cache: The cache; ``None`` to keep nothing.
        takes: Whether what is kept is taken; otherwise it is only compared and replaced.
        with_secrets: Whether sets with Secrets are kept, sealed.
    """

    cache: RenderCache | None = None
    takes: bool = True
    with_secrets: bool = True


def policy_of(site: Site) -> Policy:
    """Return how a site uses this user's cache."""
    section = site.loaded.file.rendering
    if not section.cache:
        return Policy()
    return Policy(
        cache=open_cache(os.environ),
        takes=not (site.renders_anew or _is_hard_refresh(site)),
        with_secrets=section.cache_secrets,
    )


def _is_hard_refresh(site: Site) -> bool:
    return site.trigger is not None and site.trigger.kind == HARD_REFRESH


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One rendering that is due.

    Attributes:
        use: What the rollout says.
        renderer: Made of it.
        request: What it is asked.
        source: Where the tree comes from.
        number: Its place among the renderers of the rollout.
    """

    use: Use
    renderer: Any
    request: RenderRequest
    source: Use
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the cache knows of an order.

    Attributes:
        key: Of the rendering; empty if it is never kept.
        tree: Of the tree.
        entries: Everything under the key.
        entry: The one for this tree.
    """

    key: str = ""
    tree: TreeKey | None = None
    entries: tuple[Mapping[str, Any], ...] = ()
    entry: Mapping[str, Any] | None = None

    @property
    def id(self) -> str:
        """What identifies the objects; empty if they are not known."""
        return str(self.entry["id"]) if self.entry else ""


async def look_up(policy: Policy, order: Order) -> Known:
    """Return what is known of an order, without reading any object."""
    cache = policy.cache
    if cache is None:
        return Known()
    key = await key_of(cache, order.use, order.renderer, order.request)
    if key is None:
        return Known()
    known = await asyncio.to_thread(_read_known, cache, key, order)
    others = known.entries
    while entry := await asyncio.to_thread(_entry_of, cache, order, known.tree, others):
        if await is_answered_alike(cache, order.request.lookups, entry):
            return replace(known, entry=entry)
        others = tuple(one for one in others if one is not entry)
    return known


def _read_known(cache: RenderCache, key: str, order: Order) -> Known:
    tree = tree_key(cache, order.source, order.request.checkout)
    return Known(key=key, tree=tree, entries=_entries(cache.read(key)))


def _entry_of(
    cache: RenderCache, order: Order, tree: TreeKey | None, entries: tuple[Mapping[str, Any], ...]
) -> Mapping[str, Any] | None:
    """Return the entry for a tree: for its revision, or for the same files."""
    checkout = order.request.checkout
    found = next((one for one in entries if tree and one["tree"] == tree.revision), None)
    return found or next(
        (one for one in entries if is_unchanged(cache, checkout, one["inputs"])), None
    )


def _entries(content: bytes | None) -> tuple[Mapping[str, Any], ...]:
    try:
        found = orjson.loads(content or b"[]")
        return tuple(one for one in found if {"tree", "inputs", "id", "objects"} <= one.keys())
    except (ValueError, TypeError, AttributeError):
        return ()


async def rendered(
    policy: Policy, order: Order, known: Known, tell: Listener
) -> tuple[ManifestSet, str]:
    """Return the objects and their id; the id is empty if they are not kept.

    Raises:
        RenderError: The renderer failed.
    """
    cache = policy.cache
    if cache is not None and policy.takes and known.entry is not None:
        revision = order.request.checkout.revision
        kept = await asyncio.to_thread(_taken, cache, known.id, revision)
        if kept is not None:
            tell(Counted("render", "hit"))
            return kept, known.id
    tell(Counted("render", "miss"))
    manifests: ManifestSet = await order.renderer.render(order.request)
    if cache is None or not known.key:
        return manifests, ""
    return manifests, await asyncio.to_thread(_keep, policy, order, known, (manifests, tell))


def _taken(cache: RenderCache, name: str, revision: str) -> ManifestSet | None:
    content = cache.read(name)
    if content is None:
        return None
    try:
        return unpacked(content, revision)
    except ValueError:
        cache.forget(name)
        return None


def _keep(policy: Policy, order: Order, known: Known, result: tuple[ManifestSet, Listener]) -> str:
    manifests, tell = result
    cache, content = policy.cache, packed(manifests)
    if cache is None or content is None or known.tree is None:
        return ""
    objects = _digests(cache, manifests)
    if known.entry is not None and (others := differing(known.entry["objects"], objects)):
        tell(Note(_changing(order.use.name, others)))
    lookups = order.request.lookups
    # Whether a value that was looked up may be shown is an option: part of the key.
    name = cache.digest(b"result", content, *([known.key.encode()] if lookups else []))
    is_secret = has_secrets(one.ref for one in (*manifests, *manifests.hooks))
    is_secret = is_secret or holds_secrets(lookups)
    is_kept = not is_secret or policy.with_secrets
    if is_kept and not cache.write(name, content, is_secret=is_secret):
        return ""
    entry = {
        "tree": known.tree.revision,
        "inputs": inputs_of(cache, order.request.checkout, manifests.inputs),
        "id": name,
        "objects": objects,
        **answers_of(cache, lookups),
    }
    rest = [one for one in known.entries if one is not known.entry]
    cache.write(known.key, orjson.dumps([entry, *rest][:ENTRIES]))
    return name if is_kept else ""


def _digests(cache: RenderCache, manifests: ManifestSet) -> dict[str, str]:
    return {one.ref.qualified: cache.digest_of(one.body) for one in manifests}


def differing(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """Return the objects that are not the same in two renderings."""
    return tuple(name for name in sorted({*before, *after}) if before.get(name) != after.get(name))


def _changing(renderer: str, names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:NAMES_SHOWN])
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return (
        f"warning: the renderer {renderer} gives something else each time, from the same source:"
        f" {shown}{more}"
    )
