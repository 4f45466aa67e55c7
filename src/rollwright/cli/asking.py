"""Asking the person at the terminal.

Before: a plan was shown. After: it is carried out, or nothing has changed.
"""

from __future__ import annotations

import asyncio
import os
import sys

from rollwright.cli.output import is_terminal

_LONGEST_ANSWER = 4096


def can_ask() -> bool:
    """Whether somebody is there to answer."""
    return is_terminal(sys.stdin) and is_terminal(sys.stderr)


async def confirm(question: str) -> bool:
    """Ask a yes-or-no question; anything but yes is no."""
    answer = await ask(f"{question} [y/N] ")
    return answer.strip().lower() in {"y", "yes"}


async def ask(prompt: str) -> str:
    """Return one line that the person types; empty at the end of input.

    NB: no thread waits here, since nothing could end its read when Ctrl-C is pressed.
    """
    sys.stdout.flush()
    sys.stderr.write(prompt)
    sys.stderr.flush()
    loop, descriptor = asyncio.get_running_loop(), sys.stdin.fileno()
    is_readable = asyncio.Event()
    loop.add_reader(descriptor, is_readable.set)
    try:
        await is_readable.wait()
    except asyncio.CancelledError:
        sys.stderr.write("\n")
        raise
    finally:
        loop.remove_reader(descriptor)
    return os.read(descriptor, _LONGEST_ANSWER).decode(errors="replace")
