"""Which triggers are listened to at the moment: one task each.

Before: the site declares triggers, at first and again whenever somebody changes a file.
After: those that are new are listened to, those that are gone are not, all others never noticed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


class Listen(Protocol):
    """Listens to the trigger of a name until it fires no more."""

    def __call__(self, name: str) -> Coroutine[Any, Any, None]:
        """Begin to."""
        ...


@dataclass(kw_only=True)
class Rota:
    """The tasks that listen.

    Attributes:
        listen: Listens to one.
        stays: Whether there is something to stay for when all have ended.
    """

    listen: Listen
    stays: Callable[[], bool] = field(default=lambda: False)
    _wanted: frozenset[str] = frozenset()
    _anew: set[str] = field(default_factory=set)
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def want(self, names: Collection[str], anew: Collection[str] = ()) -> None:
        """Say what is to be listened to, and which of it is not what it was."""
        self._wanted = frozenset(names)
        self._anew |= set(anew)
        self._changed.set()

    async def work(self, stop: asyncio.Event) -> None:
        """Listen until everything has ended, or ``stop`` is set."""
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                await self._settle()
                if not self.stays() and all(task.done() for task in self._tasks.values()):
                    return
                await self._until_something(stopping)
        finally:
            stopping.cancel()
            await asyncio.gather(stopping, self._end(tuple(self._tasks)), return_exceptions=True)

    async def _until_something(self, stopping: asyncio.Task[bool]) -> None:
        changed = asyncio.create_task(self._changed.wait())
        alive = [task for task in self._tasks.values() if not task.done()]
        try:
            await asyncio.wait([*alive, changed, stopping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
            await asyncio.gather(changed, return_exceptions=True)

    async def _settle(self) -> None:
        """End what is not wanted any more, or not so, and begin what is new."""
        self._changed.clear()
        wanted, anew, self._anew = self._wanted, self._anew, set[str]()
        await self._end([name for name in self._tasks if name in anew or name not in wanted])
        for name in sorted(wanted - self._tasks.keys()):
            self._tasks[name] = asyncio.create_task(self.listen(name))

    async def _end(self, names: Collection[str]) -> None:
        # Each gives its lock back before another task asks for it.
        ending: Mapping[str, asyncio.Task[None]] = {name: self._tasks.pop(name) for name in names}
        for task in ending.values():
            task.cancel()
        await asyncio.gather(*ending.values(), return_exceptions=True)
