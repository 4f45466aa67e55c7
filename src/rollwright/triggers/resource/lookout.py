"""One time of listening: which key is due, and what is fired for it.

Before: ``informers`` tell what changes. After: ``listener`` hands the firings on.

A watch does nothing but ask for a turn of a key (TR-13). What is fired is decided when the key is
due, from what is there then.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rollwright.errors import ClusterError, Refused
from rollwright.plugins.contracts import Cluster, Firing, ListenRequest, ListRequest, Subject
from rollwright.rollouts.instances import instance_name
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.triggering.changes import is_news, mark_of, token_of
from rollwright.rollouts.triggering.keys import key_of, place_of, transformed
from rollwright.triggers.resource.guard import guard, is_guarded, release
from rollwright.triggers.resource.informers import Informers
from rollwright.triggers.resource.options import Watched, Watching
from rollwright.triggers.resource.reading import left_of
from rollwright.triggers.resource.turns import Turn, Turns
from rollwright.triggers.resource.values import actor_of, body_of, subject_of

if TYPE_CHECKING:
    from rollwright.triggers.resource.listener import Resource

AGAIN_SECONDS = 15.0
"""When an object that could not be guarded is tried again."""


@dataclass(eq=False)
class Lookout:
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
        """The resource that runs are for."""
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
        going = {key for key, live in there.items() if live.is_being_deleted}
        for key in sorted({*self._meant(), *going} & there.keys()):
            self.turns.ask(Turn(key))
        if self.follows:
            for key, uid in sorted((await self.request.known()).items()):
                if key not in there:
                    self.turns.ask(Turn(key, gone=uid))

    def _meant(self) -> Iterator[str]:
        """Yield the keys that everything that is there is about."""
        for watched in self.watching.resources:
            for key in self.informers.of(watched.request):
                about = transformed(key, watched.transformations)
                if about is not None:
                    yield about

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
        is_going = after is None or after.is_being_deleted
        # An object that goes is let go, whatever its key becomes: it may be guarded.
        is_last = watched is self.main and is_going
        key = own if is_last else transformed(own, watched.transformations)
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

    async def firings(self, broken: asyncio.Future[None]) -> AsyncGenerator[Firing, None]:
        """Yield what is due, until a watch cannot go on."""
        resync = self.options.resync
        ticking = asyncio.create_task(self._tick(resync)) if resync else None
        try:
            async with aclosing(self._taken(broken)) as turns:
                async for turn in turns:
                    firing = await self._tried(turn)
                    if firing is not None:
                        yield firing
        finally:
            if ticking is not None:
                ticking.cancel()
                await asyncio.gather(ticking, return_exceptions=True)

    async def _taken(self, broken: asyncio.Future[None]) -> AsyncGenerator[Turn, None]:
        """Yield turns; what was told before a watch ended is not lost with it."""
        while not broken.done():
            taking = asyncio.create_task(self.turns.take())
            both: list[asyncio.Future[Any]] = [taking, broken]
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                if taking.done():
                    yield taking.result()
            finally:
                taking.cancel()
                await asyncio.gather(taking, return_exceptions=True)
        for _ in range(len(self.turns)):
            yield await self.turns.take()
        broken.result()

    async def _tried(self, turn: Turn) -> Firing | None:
        """Return what a turn fires; one object that is refused stops no other."""
        try:
            return await self._firing(turn)
        except ClusterError as error:
            self.request.failed(error)
            asyncio.get_running_loop().call_later(AGAIN_SECONDS, self.turns.ask, turn)
            return None

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
        live = await left_of(self.cluster, self.main, turn.key)
        if live is not None:
            if not live.is_being_deleted:
                self.request.failed(
                    Refused(
                        f"{live.ref}: is not selected any more, and stays as it is; what was made"
                        " for it is removed when it is deleted"
                    )
                )
            return None
        firing_id = f"{self.request.name}:{turn.key}:{turn.gone or 'vanished'}:gone"
        if self.fired.pop(turn.key, "") == firing_id:
            return None  # its removal was asked for before it went
        return Firing(
            id=firing_id,
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
                hint="leave out `instances: one` in the trigger, or select one object",
            )


def _without_secrets(watched: Watched, live: LiveObject) -> Mapping[str, Any]:
    """Return the configuration as it may be kept: values of Secrets are had when the run begins."""
    return {} if watched.is_secret else body_of(watched, live)
