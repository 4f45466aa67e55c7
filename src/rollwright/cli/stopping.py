"""Ctrl-C while a run writes: stop after the write in flight, never in the middle of it.

Before: ``rollout`` or ``delete`` starts a run. After: the journal is closed as cancelled.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rollwright.engine.progress import Listener, Note, Progress, StageBegan
from rollwright.engine.site import Site, actor_here

_NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM to the process"}
"""The signals that stop a run, as people call them."""


@dataclass(kw_only=True)
class _Stop:
    """What a signal does: until the journal is open it ends the command, then it asks the run."""

    site: Site
    task: asyncio.Task[object]
    listener: Listener
    has_begun: bool = False

    def take(self, progress: Progress) -> None:
        if isinstance(progress, StageBegan) and progress.stage == "begin":
            self.has_begun = True
        self.listener(progress)

    def on_signal(self, number: signal.Signals) -> None:
        if not self.has_begun:
            self.task.cancel()
        elif self.site.stop.is_set():
            self.listener(Note("still stopping: the write in flight has to end first"))
        else:
            self.site.stop.ask(f"{_NAMES[number]} of {actor_here()}")
            self.listener(Note("stopping after the write in flight"))


@contextmanager
def stoppable(site: Site, listener: Listener) -> Iterator[None]:
    """Let signals end a run in order while inside; ``listener`` hears of its progress.

    Raises:
        KeyboardInterrupt: A signal came before anything was begun.
    """
    task = asyncio.current_task()
    if task is None:
        raise AssertionError  # coroutines run in tasks
    stop = _Stop(site=site, task=task, listener=listener)
    site.tell = stop.take
    loop = asyncio.get_running_loop()
    for number in _NAMES:
        loop.add_signal_handler(number, stop.on_signal, number)
    try:
        yield
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        for number in _NAMES:
            loop.remove_signal_handler(number)
