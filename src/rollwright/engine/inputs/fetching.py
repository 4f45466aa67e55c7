"""The source of a rollout, asked for its files or for its revision alone.

Before: a trigger, a poll or a command wants to know what there is.
After: ``render`` reads the files; a poll compares the revision and is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

from rollwright.engine.inputs.declared import check_source
from rollwright.engine.progress import Note
from rollwright.engine.site import Site
from rollwright.errors import RolloutError
from rollwright.plugins.contracts import (
    Checkout,
    Comparer,
    FetchRequest,
    Placed,
    Push,
    PushReader,
    Resolver,
)
from rollwright.rollouts.spec import RolloutSpec


async def fetch_source(site: Site, spec: RolloutSpec, revision: str = "") -> Checkout:
    """Return the files of a rollout at a revision; at what the source has now if it is empty.

    Raises:
        RenderError: There is nothing, or it cannot be had.
    """
    checkout: Checkout = await (await _ready(site, spec)).fetch(_request(site, revision))
    for note in checkout.notes:
        site.tell(Note(note))
    return checkout


async def resolve_source(site: Site, spec: RolloutSpec) -> str:
    """Return the revision that the source has now; without its files where it can tell.

    Raises:
        RenderError: There is nothing, or it cannot be had.
    """
    source, request = await _ready(site, spec), _request(site, "")
    if isinstance(source, Resolver):
        return await source.resolve(request)
    checkout: Checkout = await source.fetch(request)
    return checkout.revision


async def touches_source(
    site: Site, spec: RolloutSpec, old: str, new: str, *, paths: tuple[str, ...] = ()
) -> bool:
    """Return whether a rollout may read anything that changed; true where nobody can say (TR-08).

    Args:
        site: The installation, with the rollout.
        spec: The rollout.
        old: A revision of its source.
        new: Another one.
        paths: Globs of files that count instead of what the source says.

    Raises:
        RenderError: The revisions cannot be had.
    """
    source = await _ready(site, spec)
    if old == new:
        return False
    if isinstance(source, Comparer):
        request = replace(_request(site, ""), paths=paths, beside=_beside(spec))
        return await source.touches(request, old, new)
    return True


def place_of_source(site: Site, spec: RolloutSpec) -> str:
    """Return a text that rollouts have in common if one question answers for all of them."""
    source = _source(site, spec)
    if isinstance(source, Placed):
        return f"{spec.source.name}\n{source.place(_request(site, ''))}"
    return f"{spec.name}\n{site.base}"


def pushes_of_source(site: Site, spec: RolloutSpec) -> Callable[[Push], bool]:
    """Return who says whether a push may concern a rollout; it may where nobody can say."""

    @cache
    def reader() -> tuple[PushReader | None, FetchRequest]:
        # Made once: a delivery may be about a thousand rollouts.
        source = _source(site, spec)
        request = replace(_request(site, ""), beside=_beside(spec))
        return (source if isinstance(source, PushReader) else None), request

    def is_pushed(push: Push) -> bool:
        try:
            source, request = reader()
            return source is None or source.is_pushed(request, push)
        except (RolloutError, OSError):
            return True

    return is_pushed


def _beside(spec: RolloutSpec) -> tuple[str, ...]:
    """Return the files that a document names beside its source's folder."""
    return tuple(entry.file for entry in spec.config if entry.file)


async def _ready(site: Site, spec: RolloutSpec) -> Any:
    """Return the source; beside the event loop, because a block is asked from its server."""
    return await asyncio.to_thread(_source, site, spec)


def _source(site: Site, spec: RolloutSpec) -> Any:
    check_source(site, spec)
    return site.registry.build("sources", spec.source.name, spec.source.options)


def _request(site: Site, revision: str) -> FetchRequest:
    allowed = site.loaded.file.sources.repositories
    return FetchRequest(base=site.base, revision=revision, local_repositories=allowed)
