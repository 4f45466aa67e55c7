"""Standard output and error that never decide whether a run happens.

Before: a command is about to print. After: what could be printed is; the rest is dropped.

A reader may go away (``| head``), a disk may be full, a terminal may not know a sign. None of it
may stop a rollout between two objects.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any, TextIO, cast


class _Steady:
    """A stream whose writes do not fail; the first failure that is no closed pipe is told."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_lost = False
        self.has_failed = False
        """Whether something was not printed, though somebody wanted it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, or drop what nobody can take."""
        if not self._is_lost:
            try:
                return self._stream.write(text)
            except OSError as error:
                self._lose(error)
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        """Write lines."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush what can be flushed."""
        if not self._is_lost:
            try:
                self._stream.flush()
            except OSError as error:
                self._lose(error)

    def _lose(self, error: OSError) -> None:
        self._is_lost = True
        # NB: the interpreter flushes once more at its end, and would complain then.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
        self.has_failed = not isinstance(error, BrokenPipeError)
        if self.has_failed and sys.__stderr__ is not None:
            with contextlib.suppress(OSError):
                sys.__stderr__.write(f"Warning: cannot print: {error.strerror}\n")


def steady(stream: TextIO) -> TextIO:
    """Return a stream whose writes do not fail."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
    return cast("TextIO", _Steady(stream))
