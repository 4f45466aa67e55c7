"""What a child answers, and how it keeps the time.

Before: templates were rendered, or failed. After: ``asking`` reads the line of JSON.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import Any

from rollwright.renderers.jinja.pages import Page, TemplateFailure


class Watch:
    """Says which template is rendered, and ends it in time to tell where.

    What is stuck inside one operation cannot be ended so; then the parent kills the child, and
    reads here what it was at.
    """

    def __init__(self, file: Path, seconds: float) -> None:
        self._file = file
        self._seconds, self._name = seconds, ""
        signal.signal(signal.SIGALRM, self._ring)
        signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.05))

    def at(self, name: str) -> None:
        """Say what is rendered from now on."""
        self._name = name
        self._file.write_text(name)

    def over(self, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return the answer of some work, which may find no time to make one."""
        try:
            answer = work()
            signal.setitimer(signal.ITIMER_REAL, 0)
        except TimeoutError as error:
            signal.setitimer(signal.ITIMER_REAL, 0)
            return failed([TemplateFailure(self._name, 0, str(error))])
        return answer

    def _ring(self, _signal: int, _frame: FrameType | None) -> None:
        # NB: a second time, for whoever takes this for an error of its own and goes on.
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        raise TimeoutError(f"took more than {self._seconds:g} seconds")


def succeeded(pages: Iterable[Page], read: list[str]) -> dict[str, Any]:
    """Return the answer of a child that rendered everything."""
    return {"pages": [one.as_json() for one in pages], "read": read}


def failed(failures: Iterable[TemplateFailure]) -> dict[str, Any]:
    """Return the answer of a child in which something failed."""
    return {"failures": [[one.file, one.line, one.message] for one in failures]}
