"""A flow run goes on when nobody reads what it prints any more.

Before: a flow's body begins; its process prints to a pipe that its worker reads.
After: if the worker is killed, the run still ends in order, and its journal is closed.

Where the other end of a pipe is gone, the console that Prefect logs to ends the whole process.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import IO, Any, cast

from prefect.logging.handlers import PrefectConsoleHandler


class _Tolerant:
    """A stream that falls silent when its reader is gone."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._is_heard = True

    def write(self, text: str) -> int:
        if self._is_heard:
            try:
                self._stream.write(text)
            except BrokenPipeError:
                self._is_heard = False
        return len(text)

    def flush(self) -> None:
        if self._is_heard:
            try:
                self._stream.flush()
            except BrokenPipeError:
                self._is_heard = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def go_on_unheard() -> None:
    """Let this process outlive whoever reads what Prefect logs."""
    for handler in _consoles():
        stream = handler.console.file
        if not isinstance(stream, _Tolerant):
            handler.console.file = cast("IO[str]", _Tolerant(stream))


def _consoles() -> Iterator[PrefectConsoleHandler]:
    known = [logging.getLogger(), *logging.Logger.manager.loggerDict.values()]
    for logger in known:
        for handler in getattr(logger, "handlers", ()):
            if isinstance(handler, PrefectConsoleHandler):
                yield handler
