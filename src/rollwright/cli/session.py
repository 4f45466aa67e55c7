"""One command at work: the site it means, the cluster it reaches.

Before: ``options`` hold what the person typed.
After: ``engine.operations`` get a ``Site``.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from rollwright.cli.options import Common
from rollwright.engine.documents import FILE_NAMES, LoadedRollout, load_rollout
from rollwright.engine.site import Site, open_site
from rollwright.engine.site_blocks import resolved_entry
from rollwright.engine.site_file import LoadedSite, find_site, load_site
from rollwright.errors import NotFound, RolloutError
from rollwright.plugins.contracts import Cluster

_SUFFIXES = (".yaml", ".yml", ".json")


def load(file: Path, common: Common) -> LoadedRollout:
    """Read a rollout, with the target that the person named."""
    from dataclasses import replace

    loaded = load_rollout(file, site=_site_file(common))
    if not common.cluster:
        return loaded
    target = loaded.spec.target.model_copy(update={"cluster": common.cluster})
    return replace(loaded, spec=loaded.spec.model_copy(update={"target": target}))


def file_named(name: str, common: Common) -> LoadedRollout | None:
    """Read the rollout if a file or folder was named rather than a rollout."""
    path = Path(name)
    is_file = name.endswith(_SUFFIXES) or "/" in name
    is_folder = bool(name) and any((path / one).is_file() for one in FILE_NAMES)
    return load(path, common) if is_file or is_folder else None


@asynccontextmanager
async def opened(common: Common, rollout: LoadedRollout | None = None) -> AsyncIterator[Site]:
    """Open the site of a rollout, or of the current folder."""
    site = _site(common, rollout)
    name = rollout.spec.target.cluster if rollout else common.cluster
    async with site:
        site.renders_anew = common.no_cache
        site.may_ask = bool(common.cluster or common.kubeconfig or common.context)
        if common.kubeconfig or common.context:
            site.use_cluster(await _connect(site.loaded, common, name), name)
        yield site


@asynccontextmanager
async def named(name: str, common: Common) -> AsyncIterator[tuple[Site, str, str]]:
    """Open the site of a rollout that is named, or whose file is; give its name and cluster."""
    loaded = file_named(name, common)
    async with opened(common, loaded) as site:
        if loaded is not None:
            yield site, loaded.spec.name, loaded.spec.target.cluster
        else:
            yield site, name, cluster_of(site, common, name)


def _site(common: Common, rollout: LoadedRollout | None) -> Site:
    if common.site is None:
        return open_site(rollout)
    return Site(load_site(_site_file(common)), rollout=rollout)


def site_of(file: Path, common: Common) -> Site:
    """Return the site that a file belongs to, or the one that the person named."""
    if common.site is None:
        return open_site(start=file.resolve().parent)
    return Site(load_site(_site_file(common)))


def _site_file(common: Common) -> Path | None:
    """Return the site.toml that the person named; ``None`` if they named none."""
    path = common.site
    if path is not None and path.is_dir():
        return find_site(path, environ={}) or path / "site.toml"
    return path


def cluster_of(site: Site, common: Common, rollout: str = "") -> str:
    """Return the cluster to look at: the named one, the rollout's, or the current context (empty).

    Where there is no kubeconfig to have a context, the only cluster of the site is meant.
    """
    if common.cluster or common.kubeconfig or common.context:
        return common.cluster
    if rollout and (found := declared(site.loaded, rollout)):
        return found.spec.target.cluster
    clusters = site.loaded.file.clusters
    return next(iter(clusters)) if len(clusters) == 1 and not _has_context() else ""


def _has_context() -> bool:
    from rollwright.kube.auth import SERVICE_ACCOUNT, kubeconfig_files

    places = (*kubeconfig_files(None, os.environ), SERVICE_ACCOUNT)
    return any(place.exists() for place in places)


def declared(site: LoadedSite, name: str) -> LoadedRollout | None:
    """Find the rollout of that name among the files of the site."""
    for file in _rollout_files(site):
        if name.encode() not in file.read_bytes():
            continue  # reading a document costs a hundred times more
        try:
            loaded = load_rollout(file)
        except RolloutError:
            continue  # whoever carries it out is told
        if loaded.spec.name == name:
            return loaded
    return None


def _rollout_files(site: LoadedSite) -> Iterator[Path]:
    for place in map(site.resolve, site.file.rollouts.paths if site.path else ()):
        if place.is_file():
            yield place
        for name in FILE_NAMES:
            yield from sorted(place.rglob(name))


async def _connect(site: LoadedSite, common: Common, name: str) -> Cluster:
    from rollwright.kube import connect

    entry = site.file.clusters.get(name)
    if name and entry is None and not common.kubeconfig:
        known = ", ".join(sorted(site.file.clusters)) or "none"
        raise NotFound(f"no cluster {name!r} in {site.path or 'site.toml'}; known: {known}")
    entry = await resolved_entry(entry, name) if entry else None
    own = site.resolve(entry.kubeconfig) if entry and entry.kubeconfig else None
    return await connect(
        kubeconfig=common.kubeconfig or own,
        context=common.context,
        impersonate=(entry.impersonate if entry else None) or "",
        qps=(entry.qps if entry else None) or 0.0,
    )
