"""Every declared trigger, listened to.

Before: ``declared`` read what the site declares. After: ``dispatch`` takes what they fire.

Each trigger is listened to by one process at a time: whoever holds its lock. One that breaks off
is started again, later and later; it disturbs no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from time import monotonic

import orjson

from rollwright.engine.custody.notes import Notes, change_notes, read_notes
from rollwright.engine.inputs import databases
from rollwright.engine.listening.alone import UNNAMED, Alone, lock_key
from rollwright.engine.listening.declared import Declared
from rollwright.engine.listening.dispatch import Dispatcher
from rollwright.engine.listening.keyed import is_per_key
from rollwright.engine.listening.leaving_out import in_a_line, made
from rollwright.engine.listening.pending import known_keys
from rollwright.engine.listening.rota import Rota
from rollwright.engine.listening.said import Said
from rollwright.engine.listening.sources import Sources
from rollwright.engine.operations import named_spec
from rollwright.engine.progress import Note
from rollwright.engine.site import Site
from rollwright.errors import Forged, InvalidSpec, RolloutError
from rollwright.plugins.contracts import (
    Delivery,
    Firing,
    ListenRequest,
    TriggerListener,
    TriggerReader,
)
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.spec.trigger import TriggerSpec
from rollwright.rollouts.spec.uses import Use

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds before a trigger that broke off is listened to again."""


def name_of(trigger: TriggerSpec, index: int) -> str:
    """Return what is unique in the site: a trigger's name, with a number if it has several."""
    return f"{trigger.name}-{index}" if index else trigger.name


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
        return name_of(self.trigger, self.index)


@dataclass(kw_only=True)
class Listening:
    """The triggers of a site at work.

    Attributes:
        site: Whose connections they use.
        dispatcher: Takes what they fire.
        faults: What last went wrong with a trigger, by name; gone once it works again.
        sources: What triggers may ask about the sources of rollouts.
        ended: Names of those that fire no more, such as one-off ones.
        owned: Keys of the locks that this process has.
        left_out: What cannot be made, by name, and why.
    """

    site: Site
    dispatcher: Dispatcher
    faults: dict[str, str] = field(default_factory=dict)
    sources: Sources = field(init=False)
    ended: set[str] = field(default_factory=set)
    owned: set[str] = field(default_factory=set)
    left_out: dict[str, InvalidSpec] = field(default_factory=dict)
    _all: tuple[Listened, ...] | None = None
    _rota: Rota = field(init=False)
    _said: Said = field(default_factory=Said)

    def __post_init__(self) -> None:
        """Ask the sources of what the site declares."""
        self.sources = Sources(site=self.site, declared=self.dispatcher.declared)
        # Whoever takes deliveries goes on, whatever else has ended.
        self._rota = Rota(listen=self._listen_to, stays=lambda: bool(self.readers()))

    def all(self) -> tuple[Listened, ...]:
        """Return every plugin of every trigger; each is made once, as it may remember.

        What cannot be made is left out, and ``left_out`` says why.
        """
        if self._all is None:
            made = (self._made_or_left_out(one) for one in self._uses())
            self._all = tuple(one for one in made if one is not None)
        return self._all

    def _uses(self) -> Iterator[tuple[TriggerSpec, int]]:
        for trigger in self.dispatcher.declared.triggers:
            yield from ((trigger, index) for index in range(len(trigger.when)))

    def _made_or_left_out(self, what: tuple[TriggerSpec, int]) -> Listened | None:
        trigger, index = what
        name = name_of(trigger, index)
        try:
            plugin = made(self.site, trigger, index)
        except InvalidSpec as error:
            self.left_out[name] = error
            return None
        self.left_out.pop(name, None)
        return Listened(trigger, trigger.when[index], index, plugin)

    def renew(self, declared: Declared) -> None:
        """Listen to what is declared now; whatever did not change goes on undisturbed."""
        has_port = bool(self.readers())
        before = {one.name: (one, self._stands(one)) for one in self.all()}
        self.dispatcher.renew(declared)
        self.sources = Sources(site=self.site, declared=self.dispatcher.declared)
        uses = tuple(self._uses())
        names = {name_of(*what) for what in uses}
        self.left_out = {name: one for name, one in self.left_out.items() if name in names}
        again = (self._made_again(what, before) for what in uses)
        self._all = tuple(one for one in again if one is not None)
        anew = {one.name for one in self._all if (one, self._stands(one)) != before.get(one.name)}
        self.ended -= {one.name for one in self._all if one is not before.get(one.name, (None,))[0]}
        self._want(anew - self.ended)
        if self.readers() and not has_port:
            words = "start listening anew, so that a port is opened for deliveries"
            self.site.tell(Note(f"trigger {next(iter(self.readers()))}: {words}"))

    def _made_again(
        self, what: tuple[TriggerSpec, int], before: Mapping[str, tuple[Listened, object]]
    ) -> Listened | None:
        trigger, index = what
        former, _ = before.get(name_of(trigger, index), (None, None))
        if former is not None and former.trigger == trigger:
            return former
        known = self.left_out.get(name_of(trigger, index))
        again = self._made_or_left_out(what)
        if again is None:
            error = self.left_out[name_of(trigger, index)]
            if known is None or error.message != known.message:
                goes_on = "what stood there before goes on" if former else "it is left out"
                words = f"trigger {trigger.name}: {in_a_line(error)}; {goes_on}"
                self.site.tell(Note(f"Warning: {words}"))
        return again or former

    def _stands(self, listened: Listened) -> object:
        """Return what a listener was told of its rollouts when it began."""
        chosen = self.dispatcher.declared.chosen(listened.trigger)
        return [(one.spec.name, one.spec.source, one.spec.target, one.path) for one in chosen]

    def _want(self, anew: Collection[str] = ()) -> None:
        listeners = (one for one in self.all() if isinstance(one.plugin, TriggerListener))
        self._rota.want({one.name for one in listeners}, anew)

    async def revision(self, rollout: str) -> str:
        """Return the present revision of a rollout's source."""
        return await self.sources.resolve(rollout)

    def keys(self) -> tuple[Mapping[str, Collection[str]], Collection[str]]:
        """Return the keys of the locks of each trigger, by its name, and those that we have."""
        keys: dict[str, list[str]] = {}
        for one in self.all():
            if isinstance(one.plugin, TriggerListener):
                keys.setdefault(one.trigger.name, []).append(self.lock_key(one))
        return keys, self.owned

    def readers(self) -> Mapping[str, Listened]:
        """Return what reads deliveries, by the name of its trigger."""
        return {one.name: one for one in self.all() if isinstance(one.plugin, TriggerReader)}

    async def listen(self, stop: asyncio.Event) -> None:
        """Listen to everything until it has ended, or ``stop`` is set."""
        self._want()
        await self._rota.work(stop)

    async def _listen_to(self, name: str) -> None:
        listened = next(one for one in self.all() if one.name == name)
        if listened.trigger.suspend:
            await asyncio.Event().wait()  # until its document says otherwise
        if name not in self.ended:
            await self._listen_on(listened)

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
            began = monotonic()
            try:
                async with self._alone(listened):
                    began = monotonic()
                    await self._pass_on(listened)
            except (RolloutError, OSError, TimeoutError) as error:
                self._told(listened, error)
            except Exception as error:  # noqa: BLE001  (a plugin's defect ends no other trigger)
                self._told(listened, RolloutError(f"unexpected {type(error).__name__}: {error}"))
            else:
                self.ended.add(listened.name)
                return
            if monotonic() - began > LONGEST_WAIT:
                wait = FIRST_WAIT  # it worked for a while
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)

    async def _pass_on(self, listened: Listened) -> None:
        plugin = listened.plugin
        if not isinstance(plugin, TriggerListener):
            return
        async for firing in plugin.listen(self.request(listened)):
            await self.dispatcher.accept(listened.trigger, listened.use.name, firing)
            self.faults.pop(listened.name, None)  # of several things it asks, one answered

    @asynccontextmanager
    async def _alone(self, listened: Listened) -> AsyncIterator[None]:
        """Hold the trigger's lock, and leave as soon as it may be lost."""
        locks, key = await self.site.locks(self.spec_of(listened)), self.lock_key(listened)
        alone = Alone(locks=locks, key=key, name=listened.name, tell=self.site.tell)
        async with alone.held():
            self.owned.add(key)
            self.dispatcher.look_soon()  # what its former listener left behind is ours
            try:
                yield
            finally:
                self.owned.discard(key)

    def lock_key(self, listened: Listened) -> str:
        """Return the lock that whoever listens to it holds."""
        chosen = self.dispatcher.declared.chosen(listened.trigger)
        names = tuple(one.spec.name for one in chosen)
        return lock_key(self.site.loaded.file.name, names, listened.name)

    def _told(self, listened: Listened, error: Exception) -> None:
        words = error.message if isinstance(error, RolloutError) else str(error)
        self.faults[listened.name] = words
        if self._said.is_news(listened.name, words):  # a server that is away is none at every try
            self.site.tell(Note(f"trigger {listened.name}: {words}"))

    def _well(self, listened: Listened) -> None:
        self.faults.pop(listened.name, None)
        if self._said.forget(listened.name):
            self.site.tell(Note(f"trigger {listened.name}: works again"))

    def spec_of(self, listened: Listened) -> RolloutSpec:
        """Return whose store and locks a trigger uses: those of the first target it is for."""
        chosen = self.dispatcher.declared.chosen(listened.trigger)
        cluster = chosen[0].spec.target.cluster if chosen else ""
        return named_spec(listened.trigger.name, cluster)

    def _memories(self, listened: Listened) -> tuple[str, ...]:
        """Return where a trigger's memory is noted: of its own site first; sites share notes."""
        site, former = self.site.loaded.file.name, f"memory:{listened.name}"
        return (former,) if site == UNNAMED else (f"memory:{site}:{listened.name}", former)

    def request(self, listened: Listened) -> ListenRequest:
        """Return what a trigger may use."""
        spec, kinds = self.spec_of(listened), self._memories(listened)
        chosen = self.dispatcher.declared.chosen(listened.trigger)

        async def known() -> Mapping[str, str]:
            clusters = {one.spec.target.cluster for one in chosen}
            return await known_keys(self.site, listened.trigger.name, sorted(clusters))

        async def recall() -> Mapping[str, str]:
            notes = await read_notes(self.site, spec)
            text = next((notes[kind] for kind in kinds if kind in notes), "{}")
            noted: Mapping[str, str] = orjson.loads(text)
            return noted

        async def remember(memory: Mapping[str, str]) -> None:
            text = orjson.dumps(dict(memory)).decode()

            def change(notes: Notes) -> Notes:
                return {**notes, kinds[0]: text}

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
            recovered=lambda: self._well(listened),
            place=self.sources.place,
            rolled_out=self.sources.rolled_out,
            is_per_key=is_per_key(listened.trigger, self.site.registry),
            known=known,
            folders=(self.site.loaded.root, *(one.base for one in chosen)),
        )
