"""Asking a run to end after the write in flight, and remembering who asked.

Before: a person presses Ctrl-C, a worker is told to end, a flow run is cancelled.
After: ``carrying`` starts nothing more; the report says by whom the run was cancelled.
"""

from __future__ import annotations

import asyncio


class Stop(asyncio.Event):
    """Set when nothing more may be started.

    Attributes:
        by: Whose doing it is, as in ``cancelled by …``; empty if nobody said.
    """

    def __init__(self) -> None:
        super().__init__()
        self.by = ""

    def ask(self, by: str) -> None:
        """Ask for it; who asks first is remembered."""
        if not self.is_set():
            self.by = by
        self.set()
