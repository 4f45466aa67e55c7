"""The same as the command line, from Python.

Before: somebody has a rollout's file.
After: values: objects, a plan, a report, an overview.

Every function is ``async`` and takes a rollout as ``load`` returned it, or its path. Several
calls share connections when they share a ``site``; without one, each call opens its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from rollwright.engine import operations
from rollwright.engine.documents import LoadedRollout, load_rollout
from rollwright.engine.progress import Listener, ignore
from rollwright.engine.site import Site, open_site
from rollwright.engine.stages import DIRECT
from rollwright.rollouts.manifest import ManifestSet
from rollwright.rollouts.overview import Overview
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.report import Report


def load(path: Path | str) -> LoadedRollout:
    """Read a rollout from its file, or from a folder's ``rollout.yaml``.

    Raises:
        NotFound: There is no such file.
        InvalidDocument: It is not YAML or JSON.
        InvalidSpec: Something in it is wrong; every problem is told.
    """
    return load_rollout(path)


async def render(rollout: LoadedRollout | Path | str, *, site: Site | None = None) -> ManifestSet:
    """Return the objects that a rollout declares; needs no cluster.

    Raises:
        RenderError: The source or a renderer failed.
        InvalidManifests: Objects are wrong or stand twice; every problem is told.
    """
    async with _opened(rollout, site) as (loaded, opened):
        return await operations.render(opened, loaded)


async def plan(rollout: LoadedRollout | Path | str, *, site: Site | None = None) -> Plan:
    """Return what a rollout would change, and change nothing.

    Raises:
        RolloutError: The plan cannot be made.
    """
    async with _opened(rollout, site) as (loaded, opened):
        return await operations.plan(opened, loaded)


async def rollout(
    rollout: LoadedRollout | Path | str,
    *,
    site: Site | None = None,
    allow_prune: bool = False,
    tell: Listener = ignore,
) -> Report:
    """Carry a rollout out, wait until everything is Current, and return the record.

    A rollout that ran and failed is a report with that outcome, not an exception.

    Args:
        rollout: What to carry out.
        site: The installation; the rollout's own by default.
        allow_prune: Let the guards on the number of deletes pass.
        tell: Called with what happens meanwhile.

    Raises:
        Refused: A guard, a lock, or a world that moved on; nothing was changed.
        RolloutError: The plan cannot be made; nothing was changed.
    """
    stages = DIRECT.allowing_prune() if allow_prune else DIRECT
    async with _opened(rollout, site) as (loaded, opened):
        if tell is not ignore:
            opened.tell = tell
        return await operations.roll_out(opened, loaded, stages)


async def status(rollout: LoadedRollout | Path | str, *, site: Site | None = None) -> Overview:
    """Return what is live of a rollout.

    Raises:
        NotFound: Nothing is remembered of it in its target.
    """
    async with _opened(rollout, site) as (loaded, opened):
        spec = loaded.spec
        return await operations.status(opened, spec.name, cluster=spec.target.cluster)


@asynccontextmanager
async def _opened(
    rollout: LoadedRollout | Path | str, site: Site | None
) -> AsyncIterator[tuple[LoadedRollout, Site]]:
    loaded = rollout if isinstance(rollout, LoadedRollout) else load_rollout(rollout)
    if site is not None:
        yield loaded, site
        return
    async with open_site(loaded) as opened:
        yield loaded, opened
