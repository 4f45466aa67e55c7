"""What becomes of rendered objects until they are planned, kept as a whole.

Before: ``renders`` knows which objects a rollout renders to, without reading them.
After: ``rendering`` takes the set that was transformed, validated, placed and labelled before; or
does all that, and keeps it here.

A set is kept under everything that its making depends on: the rendered objects, options of
transformers and validators, what the rollout and the site say. Which kinds are namespaced may
have been asked of the cluster; the answers are kept with the set, and asked again. Definitions of
the cluster that objects were checked against are not: the server's dry run has the last word.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from rollwright.engine.inputs.capabilities import AskKubernetes
from rollwright.engine.inputs.known_names import known_on
from rollwright.engine.inputs.render_forms import packed, unpacked
from rollwright.engine.inputs.render_keys import is_ours, options_of, own_version
from rollwright.engine.inputs.renders import Policy
from rollwright.engine.site import Site
from rollwright.engine.writing.applyset import parent_namespace
from rollwright.errors import RolloutError
from rollwright.rollouts.manifest import ManifestSet
from rollwright.rollouts.salting import has_secrets
from rollwright.rollouts.scope import is_namespaced, scopes_of_crds
from rollwright.rollouts.spec import RolloutSpec

AskScopes: TypeAlias = Callable[[], Awaitable[Mapping[tuple[str, str], bool]]]
"""Asks a cluster which kinds are namespaced, by group and kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a rollout's objects are made of rendered ones.

    Attributes:
        policy: How the cache is used.
        parts: What the making depends on, as JSON; ``None`` if nobody can say.
        revision: What the source is at.
        is_sealed: Whether values of Secrets may stand anywhere in the set.
    """

    policy: Policy
    parts: bytes | None
    revision: str
    is_sealed: bool = False

    def name(self, ids: tuple[str, ...]) -> str:
        """Return the name of the set made of some renderings; empty if it is not kept."""
        if self.policy.cache is None or self.parts is None or not all(ids):
            return ""
        return self.policy.cache.digest(b"prepared", self.parts, *(one.encode() for one in ids))

    async def taken(self, ids: tuple[str, ...], ask_scopes: AskScopes) -> ManifestSet | None:
        """Return the set that was kept, if everything is as it was."""
        name = self.name(ids) if self.policy.takes else ""
        found = await asyncio.to_thread(self._read, name) if name else None
        if found is None:
            return None
        manifests, asked = found
        if asked:
            known = await ask_scopes()
            if any(known.get((group, kind)) != scope for group, kind, scope in asked):
                return None
        return manifests

    def _read(self, name: str) -> tuple[ManifestSet, list[Any]] | None:
        cache = self.policy.cache
        content = cache.read(name) if cache is not None else None
        if cache is None or content is None:
            return None
        head, _, body = content.partition(b"\n")
        try:
            return unpacked(body, self.revision), orjson.loads(head)
        except ValueError:
            cache.forget(name)
            return None

    async def keep(
        self, ids: tuple[str, ...], manifests: ManifestSet, known: Mapping[tuple[str, str], bool]
    ) -> None:
        """Keep a set; ``known`` is what the cluster said of scopes."""
        name, is_secret = self.name(ids), self._is_secret(manifests)
        if name and (not is_secret or self.policy.with_secrets):
            await asyncio.to_thread(self._write, name, manifests, known)

    def _write(
        self, name: str, manifests: ManifestSet, known: Mapping[tuple[str, str], bool]
    ) -> None:
        cache, body = self.policy.cache, packed(manifests, with_digests=True)
        if cache is not None and body is not None:
            head = orjson.dumps(_asked(manifests, known) if known else [])
            cache.write(name, head + b"\n" + body, is_secret=self._is_secret(manifests))

    def _is_secret(self, manifests: ManifestSet) -> bool:
        return self.is_sealed or has_secrets(one.ref for one in manifests)


def _asked(manifests: ManifestSet, known: Mapping[tuple[str, str], bool]) -> list[list[Any]]:
    """Return what the cluster said of the kinds that nobody else knows."""
    own = scopes_of_crds(manifests)
    kinds = sorted({(one.ref.group, one.ref.kind) for one in manifests} - own.keys())
    return [[*kind, known.get(kind)] for kind in kinds if is_namespaced(*kind) is None]


async def recipe_of(
    site: Site,
    spec: RolloutSpec,
    policy: Policy,
    source: tuple[str, frozenset[str]],
    ask: AskKubernetes | None,
) -> Recipe:
    """Return the recipe of a rollout.

    Args:
        site: Where plugins come from.
        spec: What was declared.
        policy: How the cache is used.
        source: The revision, and texts that no object may show.
        ask: Tells what the target serves; ``None`` where there is none to ask.
    """
    revision, hidden = source
    if policy.cache is None:
        return Recipe(policy=policy, parts=None, revision=revision)
    parts = await _parts(site, spec, revision, ask)
    if parts is not None:
        parts += orjson.dumps(sorted(hidden))
    return Recipe(policy=policy, parts=parts, revision=revision)


async def _parts(
    site: Site, spec: RolloutSpec, revision: str, ask: AskKubernetes | None
) -> bytes | None:
    plugins: list[Any] = []
    asks = False
    for group, uses in (("transformers", spec.transformers), ("validators", spec.validators)):
        for use in uses:
            plugin = site.registry.build(group, use.name, use.options)
            if not is_ours(plugin):
                return None
            asks = asks or getattr(plugin, "asks_kubernetes", False)
            plugins.append([group, use.name, type(plugin).__module__, options_of(plugin)])
            if (read := _read_by(plugin, site)) is None:
                return None
            plugins.append([read, revision if getattr(plugin, "reads_source", False) else ""])
    target, known = spec.target, known_on(site.loaded, site.registry)
    version = (await ask()).version if asks and ask is not None else ""
    parts = {
        "rollwright": own_version(),
        "plugins": plugins,
        "kubernetes": version,
        "has_cluster": ask is not None,
        "rollout": spec.name,
        "target": [target.namespace, target.pin_namespace],
        "parent": parent_namespace(site),
        "known": [_sorted(known.actions), _sorted(known.checks), known.parallel_steps],
    }
    return orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)


def _sorted(names: Collection[str] | None) -> list[str] | None:
    return None if names is None else sorted(names)


def _read_by(plugin: Any, site: Site) -> list[list[str]] | None:
    """Return what a validator reads beside the objects; ``None`` if it cannot."""
    read = getattr(plugin, "inputs", None)
    if read is None:
        return []
    try:
        found: Mapping[str, bytes] = read(site.loaded.root)
    except RolloutError:
        return None  # validating says it better
    return [[name, content.decode("utf-8", "replace")] for name, content in sorted(found.items())]
