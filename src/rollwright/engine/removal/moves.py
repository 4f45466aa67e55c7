"""Objects that move from one rollout to another: who takes what over (PR-25, IN-06).

Before: something of this rollout's inventory is not wanted any more.
After: what another rollout declares to take from here stays until that one has run.

Only files that could say so are read, and only those that do are rendered; when nothing leaves,
nothing is read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from rollwright.engine.custody.keys import no_salt
from rollwright.engine.documents import FILE_NAMES, LoadedRollout, load_rollout
from rollwright.engine.inputs.capabilities import asking
from rollwright.engine.inputs.fetching import fetch_source
from rollwright.engine.inputs.rendering import AskScopes, render_set
from rollwright.engine.site import Site
from rollwright.engine.site_file import LoadedSite
from rollwright.errors import RolloutError
from rollwright.rollouts.manifest import ManifestSet, ObjectRef
from rollwright.rollouts.spec import RolloutSpec

_TAKING, _DEPENDING = b"takeFrom", b"dependsOn"


async def taken_over(
    site: Site, spec: RolloutSpec, refs: Collection[ObjectRef]
) -> Mapping[ObjectRef, str]:
    """Return which of some objects other rollouts of the site take over, and in what words.

    A rollout that takes from here and cannot be rendered may mean any of them.
    """
    taken: dict[ObjectRef, str] = {}
    for other in _declared(site.loaded, _TAKING, spec.name):
        if spec.name not in other.spec.apply.take_from or not _is_beside(other.spec, spec):
            continue
        try:
            wanted = await _rendered(site, other)
        except RolloutError as error:
            why = f"rollout {other.spec.name!r} may take it over, and cannot be rendered"
            taken |= dict.fromkeys(refs, f"{why}: {error.message}")
        else:
            words = f"rollout {other.spec.name!r} takes it over"
            taken |= {ref: words for ref in wanted.by_ref() if ref in refs}
    return taken


def depending_on(site: Site, name: str, cluster: str) -> tuple[str, ...]:
    """Return the rollouts of the site that declare to depend on one."""
    return tuple(
        sorted(
            other.spec.name
            for other in _declared(site.loaded, _DEPENDING, name)
            if name in other.spec.depends_on and other.spec.target.cluster == cluster
        )
    )


def declared_spec(site: Site, name: str) -> RolloutSpec | None:
    """Return the declaration of a rollout among the files of the site, if it stands there."""
    found = (one for one in _files_of(site.loaded) if name.encode() in one.read_bytes())
    specs = (loaded.spec for file in found if (loaded := _load(file)))
    return next((spec for spec in specs if spec.name == name), None)


def _declared(site: LoadedSite, word: bytes, name: str) -> Iterator[LoadedRollout]:
    """Yield the other rollouts of the site whose files hold a word and this rollout's name."""
    for file in _files_of(site):
        text = file.read_bytes()
        # Reading a document costs a hundred times more than looking for two words.
        if word not in text or name.encode() not in text:
            continue
        loaded = _load(file)
        if loaded is not None and loaded.spec.name != name:
            yield loaded


def _load(file: Path) -> LoadedRollout | None:
    try:
        return load_rollout(file)
    except RolloutError:
        return None  # whoever carries it out is told


def _files_of(site: LoadedSite) -> Iterator[Path]:
    for place in map(site.resolve, site.file.rollouts.paths if site.path else ()):
        if place.is_file():
            yield place
        for name in FILE_NAMES:
            yield from sorted(place.rglob(name))


def _is_beside(one: RolloutSpec, other: RolloutSpec) -> bool:
    return one.target.cluster == other.target.cluster


async def _rendered(site: Site, other: LoadedRollout) -> ManifestSet:
    """Return what another rollout of the site wants, as it would render it itself."""
    spec = other.spec
    beside = Site(site.loaded, rollout=other)
    beside.use_cluster(await site.cluster(spec), spec.target.cluster)
    checkout = await fetch_source(beside, spec)
    asked = _asking(beside, spec), no_salt, asking(beside, spec)
    return await render_set(beside, spec, checkout, *asked)


def _asking(site: Site, spec: RolloutSpec) -> AskScopes:
    async def ask_scopes() -> Mapping[tuple[str, str], bool]:
        discovery = await (await site.cluster(spec)).discover()
        return {(one.group, one.kind): one.is_namespaced for one in discovery.kinds.values()}

    return ask_scopes
