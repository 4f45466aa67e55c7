"""What people change in the files of a site while it is listened to.

Before: a file of a rollout or a trigger was written, removed or called otherwise.
After: the queue and the triggers know what is declared now; runs read their files anyway.

A file that cannot be read any more changes nothing: what stood there goes on, and the fault is
told. ``site.toml`` is read once; whoever changes it starts the listener anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic

from rollwright.engine.documents import LoadedRollout, load_rollout
from rollwright.engine.listening.declared import (
    Declared,
    declared_in,
    declaring_files,
    triggers_in,
)
from rollwright.engine.progress import Note
from rollwright.engine.site import Site
from rollwright.errors import RolloutError
from rollwright.rollouts.spec.trigger import TriggerSpec

LOOK_SECONDS = 5.0
"""How often the files are looked at, if that is fast."""
SETTLE_SECONDS = 0.5
"""How long they have to stay as they are: somebody may be in the midst of a `git pull`."""

Sight = tuple[int, int, int]
"""What a file looks like from outside: when it was changed, how large it is, and its number."""


@dataclass(slots=True)
class _Known:
    sight: Sight
    rollout: LoadedRollout | None = None
    triggers: tuple[TriggerSpec, ...] = ()
    faults: tuple[str, ...] = ()


@dataclass(kw_only=True)
class Rereading:
    """Looks at the files of a site again and again.

    Attributes:
        site: The site.
        renew: Called with what it declares, whenever that may have changed.
    """

    site: Site
    renew: Callable[[Declared], None] = field(default=lambda _declared: None)
    _known: dict[Path, _Known] = field(default_factory=dict)
    _seen: Mapping[Path, Sight] = field(default_factory=dict)
    _stale: list[str] = field(default_factory=list)
    _told: frozenset[str] = frozenset()

    def read(self) -> Declared:
        """Read everything for the first time."""
        self._seen = self._look()
        declared = self._read()
        self._told = frozenset(declared.faults)  # whoever asked for it tells them
        return declared

    async def watch(self) -> None:
        """Look for ever."""
        took = 0.0
        while True:
            await asyncio.sleep(max(LOOK_SECONDS, 20 * took))
            began = monotonic()
            try:
                await self.look()
            except OSError as error:
                self.site.tell(Note(f"cannot look at the files of the site: {error.strerror}"))
            took = monotonic() - began

    async def look(self) -> bool:
        """Read what has changed, once nobody writes; return whether anything had."""
        seen = await asyncio.to_thread(self._look)
        if seen == self._seen:
            return False
        while (again := await self._look_later()) != seen:
            seen = again
        former, self._seen = self._seen, seen
        try:
            declared = await asyncio.to_thread(self._read)
        except OSError:
            self._seen = former  # a folder went away meanwhile: the next look reads it
            raise
        for fault in declared.faults:
            if fault not in self._told:
                self.site.tell(Note(f"Warning: {fault}"))
        self._told = frozenset(declared.faults)
        self.renew(declared)
        return True

    async def _look_later(self) -> Mapping[Path, Sight]:
        await asyncio.sleep(SETTLE_SECONDS)
        return await asyncio.to_thread(self._look)

    def _look(self) -> Mapping[Path, Sight]:
        return dict(_sights(declaring_files(self.site.loaded)))

    def _read(self) -> Declared:
        self._stale = []
        self._known = {file: one for file, one in self._known.items() if file in self._seen}
        fresh = declared_in(self.site.loaded, load=self._rollout, read=self._triggers)
        return replace(fresh, faults=(*fresh.faults, *self._stale))

    def _rollout(self, file: Path) -> LoadedRollout:
        known = self._fresh(file)
        if known is not None and known.rollout is not None:
            self._stale += known.faults
            return known.rollout
        try:
            loaded = load_rollout(file)
        except RolloutError as error:
            return self._former(file, error)
        self._known[file] = _Known(self._sight(file), rollout=loaded)
        return loaded

    def _former(self, file: Path, error: RolloutError) -> LoadedRollout:
        """Return what stood in a file that cannot be read now."""
        known = self._known.get(file)
        former = known.rollout if known else None
        if former is None:
            raise error
        faults = (f"{error}; what stood there before goes on",)
        self._known[file] = _Known(self._sight(file), rollout=former, faults=faults)
        self._stale += faults
        return former

    def _triggers(self, file: Path, faults: list[str]) -> tuple[TriggerSpec, ...]:
        known = self._fresh(file)
        if known is None:
            found: list[str] = []
            triggers = tuple(triggers_in(file, found))
            former = self._known.get(file)
            if found and former is not None:
                triggers = former.triggers
                found = [f"{fault}; what stood there before goes on" for fault in found]
            known = _Known(self._sight(file), triggers=triggers, faults=tuple(found))
            self._known[file] = known
        faults += known.faults
        return known.triggers

    def _fresh(self, file: Path) -> _Known | None:
        known = self._known.get(file)
        return known if known is not None and known.sight == self._sight(file) else None

    def _sight(self, file: Path) -> Sight:
        return self._seen.get(file, (0, 0, 0))


def _sights(files: Iterable[Path]) -> Iterable[tuple[Path, Sight]]:
    for file in files:
        try:
            found = file.stat()
        except OSError:
            continue  # gone between the two questions
        yield file, (found.st_mtime_ns, found.st_size, found.st_ino)
