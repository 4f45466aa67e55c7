"""The trigger ``resource``: watches, and fires for the object that an event is about.

Before: somebody listens to the trigger. After: its firings are queued; a run that begins asks for
the newest state once more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

from pydantic import Field, PrivateAttr, field_validator, model_validator

from rollwright.errors import ClusterError
from rollwright.plugins.contracts import (
    Cluster,
    Firing,
    ListenRequest,
    SiteName,
)
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.spec.durations import Duration
from rollwright.rollouts.triggering.changes import mark_of, token_of
from rollwright.triggers.resource.guard import release
from rollwright.triggers.resource.informers import Informers
from rollwright.triggers.resource.lookout import Lookout
from rollwright.triggers.resource.options import Watched, Watching, read_watching
from rollwright.triggers.resource.reading import NOT_SERVED, left_of, read_object
from rollwright.triggers.resource.values import Lists, body_of, subject_of

KIND_SECONDS = 3.0
"""How often a kind that is not served is looked for; both requests say «unchanged»."""

_SHORTEST_RESYNC = 1.0
"""Seconds."""


class Resource(Watching):
    """Fires for objects of a cluster, and for what changes that belongs to them.

    Each object is an instance of its own, unless the trigger says ``instances: one``; and it is
    not deleted before everything is removed that was made for it. Renderers get the object as
    what the trigger brought, and ``NAME/list`` of each resource as data.
    """

    has_instances: ClassVar[bool] = True

    cluster: str = Field(default="", description="A cluster of site.toml; where they are.")
    file: str | None = Field(
        default=None, description="A file that holds mainResource and resources instead."
    )
    debounce: Duration = Field(
        default=timedelta(seconds=1), description="How long events of one object are gathered."
    )
    resync: Duration | None = Field(
        default=None, description="How often every object is looked at, whatever happens."
    )
    finalizer: bool | None = Field(
        default=None,
        description="Whether a deletion waits until everything is removed that was made for the"
        " object; by default unless the trigger says instances: one.",
    )
    write_status: bool = Field(
        default=True, description="Whether the status of an object tells how its runs go."
    )

    _informers: Informers | None = PrivateAttr(default=None)
    _lists: Lists = PrivateAttr(default_factory=Lists)

    @field_validator("resync")
    @classmethod
    def _is_no_busy_loop(cls, resync: timedelta | None) -> timedelta | None:
        if resync is not None and resync.total_seconds() < _SHORTEST_RESYNC:
            raise ValueError("expected at least 1s")
        return resync

    @model_validator(mode="after")
    def _says_what(self) -> Resource:
        if bool(self.file) is bool(self.resources):
            raise ValueError("expected mainResource and resources, or file")
        return self

    async def listen(self, request: ListenRequest) -> AsyncIterator[Firing]:
        """Fire for ever; a kind that is not there yet, or not any more, is waited for."""
        while True:
            try:
                async with aclosing(self._listen(request)) as firings:
                    async for firing in firings:
                        yield firing
            except ClusterError as error:
                if error.reason != NOT_SERVED:
                    raise
                request.failed(error)
            await asyncio.sleep(KIND_SECONDS)

    async def _listen(self, request: ListenRequest) -> AsyncGenerator[Firing, None]:
        watching = await self._watching(request)
        cluster = await request.clusters(self.cluster)
        informers = Informers(one.request for one in watching.resources)
        one = Lookout(self, watching, request, cluster, informers)
        async with informers.following(cluster, one.told) as broken:
            self._informers = informers
            try:
                await one.begin()
                request.recovered()
                async with aclosing(one.firings(broken)) as firings:
                    async for firing in firings:
                        yield firing
            finally:
                self._informers = None

    async def freshen(self, request: ListenRequest, firing: Firing) -> Firing | None:
        """Return a firing with its object and all lists as they are now."""
        watching = await self._watching(request)
        cluster = await request.clusters(self.cluster)
        if firing.is_gone:
            return firing
        live = await read_object(cluster, watching.main, firing.key)
        if live is None or live.is_being_deleted:
            return None  # its removal has a firing of its own
        data = {
            f"{one.name}/list": self._lists.of(one, await self._all(cluster, one))
            for one in watching.resources
        }
        return replace(
            firing,
            config=body_of(watching.main, live),
            data=data,
            subject=subject_of(live, self.cluster, is_told=self.write_status),
            token=token_of(live),
            mark=mark_of(live),
        )

    async def removed(self, request: ListenRequest, firing: Firing) -> None:
        """Take the finalizer off: everything is removed that was made for the object."""
        watching = await self._watching(request)
        cluster = await request.clusters(self.cluster)
        live = await left_of(cluster, watching.main, firing.key)
        if live is not None and live.is_being_deleted:
            await release(cluster, live)

    def site_names(self, folders: tuple[Path, ...]) -> tuple[SiteName, ...]:
        """Return the cluster that is watched; a file that says what is read, too."""
        if self.file is not None:
            read_watching(self.file, folders)
        return (SiteName(table="clusters", name=self.cluster, option="cluster"),)

    async def _watching(self, request: ListenRequest) -> Watching:
        if self.file is None:
            return self
        return await asyncio.to_thread(read_watching, self.file, request.folders)

    async def _all(self, cluster: Cluster, watched: Watched) -> tuple[LiveObject, ...]:
        """Return what is watched, from memory where this process watches it."""
        if self._informers is not None and self._informers.is_synced:
            return tuple(self._informers.of(watched.request).values())
        return await cluster.list(watched.request)
