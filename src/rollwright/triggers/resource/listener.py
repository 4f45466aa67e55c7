"""The trigger ``resource``: watches, and fires for the object that an event is about.

Before: somebody listens to the trigger. After: its firings are queued; a run that begins asks for
the newest state once more.

A watch does nothing but ask for a turn of a key (TR-13). What is fired is decided when the key is
due, from what is there then.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import Field, PrivateAttr, field_validator, model_validator

from rollwright.errors import Refused
from rollwright.plugins.contracts import (
    Cluster,
    Firing,
    GetRequest,
    ListenRequest,
    ListRequest,
    Subject,
)
from rollwright.rollouts.instances import instance_name
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import ObjectRef, group_of
from rollwright.rollouts.spec.durations import Duration
from rollwright.rollouts.triggering.changes import is_news, mark_of, token_of
from rollwright.rollouts.triggering.keys import key_of, place_of, transformed
from rollwright.triggers.resource.guard import guard, is_guarded, release
from rollwright.triggers.resource.informers import Informers
from rollwright.triggers.resource.options import Watched, Watching, read_watching
from rollwright.triggers.resource.turns import Turn, Turns
from rollwright.triggers.resource.values import actor_of, body_of, list_of, subject_of

_SHORTEST_RESYNC = 1.0
"""Seconds."""


class Resource(Watching):
    """Fires for objects of a cluster, and for what changes that belongs to them.

    Each object is an instance of its own where the trigger says ``instances: perKey``; then it
    is not deleted before everything is removed that was made for it. Renderers get the object as
    what the trigger brought, and ``NAME/list`` of each resource as data.
    """

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
        " object; by default with instances: perKey.",
    )
    write_status: bool = Field(
        default=True, description="Whether the status of an object tells how its runs go."
    )

    _informers: Informers | None = PrivateAttr(default=None)

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
        """Fire for ever."""
        watching = await self._watching(request)
        cluster = await request.clusters(self.cluster)
        informers = Informers(one.request for one in watching.resources)
        one = _Listener(self, watching, request, cluster, informers)
        async with informers.following(cluster, one.told) as broken:
            self._informers = informers
            try:
                await one.begin()
                async for firing in one.firings(broken):
                    yield firing
            finally:
                self._informers = None

    async def freshen(self, request: ListenRequest, firing: Firing) -> Firing | None:
        """Return a firing with its object and all lists as they are now."""
        watching = await self._watching(request)
        cluster = await request.clusters(self.cluster)
        if firing.is_gone:
            return firing
        live = await _read(cluster, watching.main, firing.key)
        if live is None or live.is_being_deleted:
            return None  # its removal has a firing of its own
        data = {
            f"{one.name}/list": list_of(one, await self._all(cluster, one))
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
        live = await _read(cluster, watching.main, firing.key)
        if live is not None and live.is_being_deleted:
            await release(cluster, live)

    async def _watching(self, request: ListenRequest) -> Watching:
        if self.file is None:
            return self
        return await asyncio.to_thread(read_watching, self.file, request.folders)

    async def _all(self, cluster: Cluster, watched: Watched) -> tuple[LiveObject, ...]:
        """Return what is watched, from memory where this process watches it."""
        if self._informers is not None and self._informers.is_synced:
            return tuple(self._informers.of(watched.request).values())
        return await cluster.list(watched.request)


@dataclass(eq=False)
class _Listener:
    """One time of listening."""

    options: Resource
    watching: Watching
    request: ListenRequest
    cluster: Cluster
    informers: Informers
    turns: Turns = field(init=False)
    fired: dict[str, str] = field(default_factory=dict)
    """Ids of the last firings by key, of what was removed: it is asked for once."""

    def __post_init__(self) -> None:
        self.turns = Turns(self.options.debounce.total_seconds())

    @property
    def main(self) -> Watched:
        return self.watching.main

    @property
    def follows(self) -> bool:
        """Whether instances go with their objects."""
        return self.request.is_per_key or self.options.finalizer is True

    @property
    def guards(self) -> bool:
        """Whether deletions wait."""
        return self.follows and self.options.finalizer is not False

    async def begin(self) -> None:
        """Ask for a turn of all that is there, and of what is there no more."""
        there = self.informers.of(self.main.request)
        for key in there:
            about = transformed(key, self.main.transformations)
            if about is not None and about in there:
                self.turns.ask(Turn(about))
        if self.follows:
            for key, uid in sorted((await self.request.known()).items()):
                if key not in there:
                    self.turns.ask(Turn(key, gone=uid))

    def told(
        self, request: ListRequest, before: LiveObject | None, after: LiveObject | None
    ) -> None:
        """Ask for the turns that a change is a reason for."""
        for watched in self.watching.resources:
            if watched.request == request:
                self._told_of(watched, before, after)

    def _told_of(
        self, watched: Watched, before: LiveObject | None, after: LiveObject | None
    ) -> None:
        live = after or before
        if live is None:
            return
        own = key_of(live.ref.namespace, live.ref.name)
        key = transformed(own, watched.transformations)
        if not key:
            return
        if watched is self.main and key == own:
            self._told_of_main(key, before, after)
        elif key in self.informers.of(self.main.request) and (
            after is None or is_news(before, after, owners=self._owners(key))
        ):
            self.turns.ask(Turn(key, origin=f"{live.ref}@{live.resource_version}"))

    def _told_of_main(self, key: str, before: LiveObject | None, after: LiveObject | None) -> None:
        if after is None:
            self.turns.ask(Turn(key, gone=before.uid if before else ""))
        elif is_news(before, after):
            self.turns.ask(Turn(key))

    def _owners(self, key: str) -> frozenset[str]:
        of = key if self.request.is_per_key else ""
        return frozenset(instance_name(name, of) for name in self.request.rollouts)

    async def firings(self, broken: asyncio.Future[None]) -> AsyncIterator[Firing]:
        """Yield what is due, until a watch cannot go on."""
        resync = self.options.resync
        ticking = asyncio.create_task(self._tick(resync)) if resync else None
        try:
            while True:
                turn = await self._next(broken)
                firing = await self._firing(turn)
                if firing is not None:
                    yield firing
        finally:
            if ticking is not None:
                ticking.cancel()
                await asyncio.gather(ticking, return_exceptions=True)

    async def _next(self, broken: asyncio.Future[None]) -> Turn:
        taking = asyncio.create_task(self.turns.take())
        both: list[asyncio.Future[Any]] = [taking, broken]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if broken.done():
                broken.result()
            return await taking
        finally:
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)

    async def _tick(self, every: timedelta) -> None:
        while True:
            await asyncio.sleep(every.total_seconds())
            origin = f"resync@{datetime.now(UTC).isoformat(timespec='seconds')}"
            for key in self.informers.of(self.main.request):
                self.turns.ask(Turn(key, origin=origin))

    async def _firing(self, turn: Turn) -> Firing | None:
        live = self.informers.of(self.main.request).get(turn.key)
        if live is None:
            return await self._gone(turn) if turn.gone is not None and self.follows else None
        if live.is_being_deleted:
            return await self._going(turn.key, live)
        self._refuse_several()
        if self.guards and not is_guarded(live):
            guarded = await guard(self.cluster, live)
            if guarded is None:
                return None  # it went meanwhile, and the watch says so
        return self._look(turn, live)

    def _look(self, turn: Turn, live: LiveObject) -> Firing:
        mark = mark_of(live)
        origin = f":{turn.origin}" if turn.origin else ""
        return Firing(
            id=f"{self.request.name}:{turn.key}:{mark}{origin}",
            key=turn.key,
            actor=actor_of(live, turn.origin.partition("@")[0]),
            config=_without_secrets(self.main, live),
            subject=self._subject(live),
            token=token_of(live),
            mark="" if origin else mark,
        )

    async def _going(self, key: str, live: LiveObject) -> Firing | None:
        """Return the firing of an object that is about to go, once."""
        if not self.follows:
            await release(self.cluster, live)  # it was guarded under other options
        if not self.follows or not (is_guarded(live) or self.guards):
            return None
        firing = Firing(
            id=f"{self.request.name}:{key}:{live.uid}:gone",
            key=key,
            actor=actor_of(live, ""),
            is_gone=True,
            subject=self._subject(live),
            token=token_of(live),
        )
        return self._once(firing)

    async def _gone(self, turn: Turn) -> Firing | None:
        """Return the firing of an object that is gone; none if it is only not selected now."""
        live = await _read(self.cluster, self.main, turn.key)
        if live is not None:
            if not live.is_being_deleted:
                self.request.failed(
                    Refused(
                        f"{live.ref}: is not selected any more, and stays as it is; what was made"
                        " for it is removed when it is deleted"
                    )
                )
            return None
        return Firing(
            id=f"{self.request.name}:{turn.key}:{turn.gone or 'vanished'}:gone",
            key=turn.key,
            actor=f"{self.main.kind}/{turn.key}",
            is_gone=True,
            subject=self._former(turn) if turn.gone else None,
        )

    def _former(self, turn: Turn) -> Subject:
        """Return what an object was that is gone; nothing can be written into its status."""
        namespace, name = place_of(turn.key)
        return Subject(
            cluster=self.options.cluster,
            api_version=self.main.api_version,
            kind=self.main.kind,
            namespace=namespace,
            name=name,
            uid=turn.gone or "",
            is_told=False,
        )

    def _once(self, firing: Firing) -> Firing | None:
        if self.fired.get(firing.key) == firing.id:
            return None
        self.fired[firing.key] = firing.id
        return firing

    def _subject(self, live: LiveObject) -> Subject:
        return subject_of(live, self.options.cluster, is_told=self.options.write_status)

    def _refuse_several(self) -> None:
        """Refuse to let one rollout be about several objects: each would undo the others'."""
        count = len(self.informers.of(self.main.request))
        if count > 1 and not self.request.is_per_key:
            raise Refused(
                f"{count} objects of kind {self.main.kind} are watched for one rollout, and each"
                " run would remove what the others made",
                hint="write `instances: perKey` in the trigger, or select one object",
            )


def _without_secrets(watched: Watched, live: LiveObject) -> Mapping[str, Any]:
    """Return the configuration as it may be kept: values of Secrets are had when the run begins."""
    return {} if watched.is_secret else body_of(watched, live)


async def _read(cluster: Cluster, watched: Watched, key: str) -> LiveObject | None:
    namespace, name = place_of(key)
    ref = ObjectRef(group_of(watched.api_version), watched.kind, namespace, name)
    return await cluster.get(GetRequest(ref=ref, api_version=watched.api_version))
