"""Every declared trigger, listened to.

Before: ``declared`` read what the site declares. After: ``dispatch`` takes what they fire.

Each trigger is listened to by one process at a time: whoever holds its lock. One that breaks off
is started again, later and later; it disturbs no other.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from uuid import uuid4

import orjson

from rollwright.engine.custody.notes import Notes, change_notes, read_notes
from rollwright.engine.inputs import databases
from rollwright.engine.listening.dispatch import Dispatcher
from rollwright.engine.listening.pending import known_keys
from rollwright.engine.listening.sources import Sources
from rollwright.engine.operations import named_spec
from rollwright.engine.progress import Note
from rollwright.engine.site import Site, actor_here
from rollwright.errors import Forged, LockLost, RolloutError
from rollwright.plugins.contracts import (
    Delivery,
    Firing,
    ListenRequest,
    LockOwner,
    TriggerListener,
    TriggerReader,
)
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.spec.own_triggers import Instances
from rollwright.rollouts.spec.trigger import TriggerSpec
from rollwright.rollouts.spec.uses import Use

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds before a trigger that broke off is listened to again."""


@dataclass(frozen=True, slots=True)
class Listened:
    """One trigger plugin of one declared trigger; ``index`` is its place under ``when``."""

    trigger: TriggerSpec
    use: Use
    index: int
    plugin: TriggerListener | TriggerReader

    @property
    def name(self) -> str:
        """What is unique in the site: the trigger's name, with a number if it has several."""
        return f"{self.trigger.name}-{self.index}" if self.index else self.trigger.name

    @property
    def lock_key(self) -> str:
        """The lock that whoever listens to it holds."""
        return f"trigger--{self.name}"[:63]


@dataclass(kw_only=True)
class Listening:
    """The triggers of a site at work.

    Attributes:
        site: Whose connections they use.
        dispatcher: Takes what they fire.
        faults: What last went wrong with a trigger, by name; gone once it works again.
        sources: What triggers may ask about the sources of rollouts.
        ended: Names of those that fire no more, such as one-off ones.
    """

    site: Site
    dispatcher: Dispatcher
    faults: dict[str, str] = field(default_factory=dict)
    sources: Sources = field(init=False)
    ended: set[str] = field(default_factory=set)
    _all: tuple[Listened, ...] | None = None

    def __post_init__(self) -> None:
        """Ask the sources of what the site declares."""
        self.sources = Sources(site=self.site, declared=self.dispatcher.declared)

    def all(self) -> tuple[Listened, ...]:
        """Return every plugin of every trigger; each is made once, as it may remember.

        Raises:
            PluginNotFound: A trigger names a plugin that is not there.
            InvalidSpec: Options do not fit.
        """
        if self._all is None:
            self._all = tuple(self._made())
        return self._all

    def _made(self) -> Iterator[Listened]:
        for trigger in self.dispatcher.declared.triggers:
            for index, use in enumerate(trigger.when):
                where = f"trigger {trigger.name}"
                plugin = self.site.registry.build(
                    "triggers", use.name, use.options, where=where, path="spec.when.with"
                )
                yield Listened(trigger, use, index, plugin)

    def readers(self) -> Mapping[str, Listened]:
        """Return what reads deliveries, by the name of its trigger."""
        return {one.name: one for one in self.all() if isinstance(one.plugin, TriggerReader)}

    async def listen(self, stop: asyncio.Event) -> None:
        """Listen to everything until it has ended, or ``stop`` is set."""
        listeners = [one for one in self.all() if isinstance(one.plugin, TriggerListener)]
        tasks = [asyncio.create_task(self._listen_on(one)) for one in listeners]
        stopping = asyncio.create_task(stop.wait())
        everything = asyncio.create_task(_all_of(tasks))
        try:
            await asyncio.wait([everything, stopping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            for task in (*tasks, everything):
                task.cancel()
            await asyncio.gather(stopping, everything, *tasks, return_exceptions=True)

    async def take(self, listened: Listened, delivery: Delivery) -> tuple[str, ...]:
        """Take a delivery that came in; return the instances that will run.

        Raises:
            Forged: Its origin cannot be shown.
            RolloutError: It cannot be read, or could not be noted.
        """
        instances: list[str] = []
        for firing in await self.read(listened, delivery):
            instances += await self.accept(listened, firing)
        return tuple(instances)

    async def read(self, listened: Listened, delivery: Delivery) -> tuple[Firing, ...]:
        """Return the reasons to look that a delivery is; nothing is noted yet.

        Raises:
            Forged: Its origin cannot be shown.
            RolloutError: It cannot be read.
        """
        if not isinstance(listened.plugin, TriggerReader):
            raise Forged(f"trigger {listened.name!r} takes no deliveries")
        addressed = replace(
            delivery,
            receiver=listened.name,
            site=self.site.loaded.file.name,
            base=self.site.loaded.root,
            candidates=self.sources.candidates(listened.trigger),
        )
        return await listened.plugin.read(addressed)

    async def accept(self, listened: Listened, firing: Firing) -> tuple[str, ...]:
        """Note and queue what a trigger asks for; return the instances that will run."""
        return await self.dispatcher.accept(listened.trigger, listened.use.name, firing)

    async def _listen_on(self, listened: Listened) -> None:
        wait = FIRST_WAIT
        while True:
            try:
                async with self._alone(listened):
                    wait = FIRST_WAIT
                    await self._pass_on(listened)
            except (RolloutError, OSError, TimeoutError) as error:
                self._told(listened, error)
            except Exception as error:  # noqa: BLE001  (a plugin's defect ends no other trigger)
                self._told(listened, RolloutError(f"unexpected {type(error).__name__}: {error}"))
            else:
                self.ended.add(listened.name)
                return
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)

    async def _pass_on(self, listened: Listened) -> None:
        plugin = listened.plugin
        if not isinstance(plugin, TriggerListener):
            return
        async for firing in plugin.listen(self.request(listened)):
            await self.dispatcher.accept(listened.trigger, listened.use.name, firing)
            self.faults.pop(listened.name, None)

    @asynccontextmanager
    async def _alone(self, listened: Listened) -> AsyncIterator[None]:
        """Hold the trigger's lock, and leave as soon as it may be lost."""
        locks = await self.site.locks(self.spec_of(listened))
        owner = LockOwner(
            id=uuid4().hex[:12],
            actor=actor_here(),
            operation=f"listen to {listened.name}",
            host=socket.gethostname(),
        )
        async with locks.hold(listened.lock_key, owner=owner, wait=None) as lock:
            me = asyncio.current_task()

            async def leave() -> None:
                await lock.lost.wait()
                if me is not None:
                    me.cancel()

            watching = asyncio.create_task(leave())
            try:
                yield
            except asyncio.CancelledError:
                if not lock.lost.is_set():
                    raise
                if me is not None:
                    me.uncancel()
                raise LockLost(f"the lock of trigger {listened.name!r} may be gone") from None
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)

    def _told(self, listened: Listened, error: Exception) -> None:
        words = error.message if isinstance(error, RolloutError) else str(error)
        self.faults[listened.name] = words
        self.site.tell(Note(f"trigger {listened.name}: {words}"))

    def spec_of(self, listened: Listened) -> RolloutSpec:
        """Return whose store and locks a trigger uses: those of the first target it is for."""
        chosen = self.dispatcher.declared.chosen(listened.trigger)
        cluster = chosen[0].spec.target.cluster if chosen else ""
        return named_spec(listened.trigger.name, cluster)

    def request(self, listened: Listened) -> ListenRequest:
        """Return what a trigger may use."""
        spec, kind = self.spec_of(listened), f"memory:{listened.name}"
        chosen = self.dispatcher.declared.chosen(listened.trigger)

        async def known() -> Mapping[str, str]:
            clusters = {one.spec.target.cluster for one in chosen}
            return await known_keys(self.site, listened.trigger.name, sorted(clusters))

        async def recall() -> Mapping[str, str]:
            noted: Mapping[str, str] = orjson.loads(
                (await read_notes(self.site, spec)).get(kind, "{}")
            )
            return noted

        async def remember(memory: Mapping[str, str]) -> None:
            text = orjson.dumps(dict(memory)).decode()

            def change(notes: Notes) -> Notes:
                return {**notes, kind: text}

            await change_notes(self.site, spec, change)

        async def query(name: str, statement: str, *parameters: object) -> object:
            return await databases.query(self.site, name, statement, *parameters)

        return ListenRequest(
            name=listened.name,
            rollouts=tuple(one.spec.name for one in chosen),
            clusters=self.site.cluster_named,
            query=query,  # type: ignore[arg-type]  # rows, as the port says
            resolve=self.sources.resolve,
            touches=self.sources.touches,
            recall=recall,
            remember=remember,
            failed=lambda error: self._told(listened, error),
            place=self.sources.place,
            rolled_out=self.sources.rolled_out,
            is_per_key=listened.trigger.instances is Instances.PER_KEY,
            known=known,
            folders=(self.site.loaded.root, *(one.base for one in chosen)),
        )


async def _all_of(tasks: Iterable[asyncio.Task[None]]) -> None:
    await asyncio.gather(*tasks)
