"""What ``doctor`` looks at of a site: every cluster that it means, and its databases.

Before: the site is open. After: ``trigger_checkup`` looks at what starts runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import replace

from rollwright.cli.checkup import ClusterCheckup
from rollwright.cli.diagnosis import Finding, Level
from rollwright.cli.etcd_checkup import etcd_findings
from rollwright.cli.feedback_checkup import letter_findings, sink_findings
from rollwright.cli.options import Common
from rollwright.cli.session import cluster_of
from rollwright.engine.documents import LoadedRollout
from rollwright.engine.inputs.databases import columns_of
from rollwright.engine.listening.declared import declared_in
from rollwright.engine.site import Site
from rollwright.errors import RolloutError, Unreachable

_AT_ONCE = 8
_ANYTHING = "SELECT 1 AS one"


def clusters_meant(site: Site, common: Common, loaded: LoadedRollout | None) -> tuple[str, ...]:
    """Return the clusters to look at: of a rollout, the one that was named, or all of the site.

    The current context (empty) is one of them only if somebody means it.
    """
    if loaded is not None:
        return (loaded.spec.target.cluster,)
    if common.cluster or common.kubeconfig or common.context:
        return (common.cluster,)
    targets = {one.spec.target.cluster for one in declared_in(site.loaded).rollouts.values()}
    entries = site.loaded.file.clusters
    found = (*entries, *(one for one in sorted(targets) if one not in entries))
    return found or (cluster_of(site, common),)


async def site_checkup(site: Site, clusters: tuple[str, ...]) -> AsyncIterator[Finding]:
    """Look at what runs of a site need."""
    for look in (
        etcd_findings(site),
        _of_clusters(site, clusters),
        _databases(site),
        _feedback(site, clusters),
    ):
        for finding in await look:
            yield finding


async def _of_clusters(site: Site, clusters: tuple[str, ...]) -> list[Finding]:
    places = asyncio.Semaphore(_AT_ONCE)

    async def look(name: str) -> list[Finding]:
        async with places:
            checkup = ClusterCheckup(site=site, cluster_name=name)
            return [finding async for finding in checkup.findings()]

    found = zip(clusters, await asyncio.gather(*map(look, clusters)), strict=True)
    if not clusters[1:]:
        return [one for _, many in found for one in many]
    return [one for name, many in found for one in _named(many, name)]


async def _feedback(site: Site, clusters: tuple[str, ...]) -> list[Finding]:
    reached = (name for name in clusters if name in site.connected())
    letters = [one for name in reached for one in await letter_findings(site, name)]
    return [*sink_findings(site), *letters]


def _named(found: Iterable[Finding], name: str) -> Iterator[Finding]:
    """Say of which cluster something was found, where there are several."""
    shown = name or "(current context)"
    for one in found:
        words = f"cluster {shown}" if one.subject == "cluster" else f"{one.subject} in {shown}"
        yield replace(one, subject=words)


async def _databases(site: Site) -> list[Finding]:
    names = sorted(site.loaded.file.databases)
    return await asyncio.gather(*(_database(site, name) for name in names))


async def _database(site: Site, name: str) -> Finding:
    subject = f"database {name}"
    try:
        await columns_of(site, name, _ANYTHING)
    except RolloutError as error:
        return Finding(
            level=Level.FAIL,
            subject=subject,
            text=error.message,
            advice=error.hint or "",
            is_unreachable=isinstance(error, Unreachable),
        )
    use = site.loaded.file.databases[name].name
    return Finding(level=Level.OK, subject=subject, text=f"{use}, answers")
