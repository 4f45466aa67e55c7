"""A program that is run for a step: bounded in time and output, ended with all it started.

Before: ``command`` found a program that the site allows.
After: its exit code and the end of what it wrote make the step's result.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

KEPT_BYTES = 1024 * 1024
"""How much of the output is held, its end."""

_CHUNK = 2**16
_LEFTOVERS_SECONDS = 1.0
_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What is started.

    Attributes:
        file: The program.
        arguments: With the name it is called by first.
        environment: All that it sees.
        folder: Where it runs.
    """

    file: Path
    arguments: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How it ended: ``code`` is ``None`` when its time was over, negative for a signal."""

    code: int | None
    output: str = field(repr=False)


async def run_program(program: Program, *, limit: timedelta) -> Finished:
    """Run a program to its end, or until its time is over.

    Raises:
        OSError: It cannot be started.
    """
    process = await asyncio.create_subprocess_exec(
        *program.arguments,
        executable=program.file,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=dict(program.environment),
        cwd=program.folder,
        start_new_session=True,
    )
    output = bytearray()
    reading = asyncio.ensure_future(_read(process, output))
    code: int | None = None
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(limit.total_seconds()):
                code = await _exit_code(process, reading)
    finally:
        # What it left running must not outlive it, and may hold its pipe open.
        _kill(process)
        await asyncio.shield(_end(process, reading))
    return Finished(code=code, output=output.decode("utf-8", "replace"))


async def _exit_code(process: asyncio.subprocess.Process, reading: asyncio.Future[None]) -> int:
    """Wait until the program ends; what it started may still hold its pipe."""
    while process.returncode is None:
        ended, _ = await asyncio.wait([reading], timeout=_LOOK_SECONDS)
        if ended:
            return await process.wait()
    return process.returncode


async def _read(process: asyncio.subprocess.Process, output: bytearray) -> None:
    """Read everything, so that it never waits for us; keep the end."""
    while process.stdout and (part := await process.stdout.read(_CHUNK)):
        output += part
        if len(output) > 2 * KEPT_BYTES:
            del output[:-KEPT_BYTES]


async def _end(process: asyncio.subprocess.Process, reading: asyncio.Future[None]) -> None:
    """Read what is left; whoever left the group and holds the pipe open is not waited for."""
    await asyncio.wait([reading], timeout=_LEFTOVERS_SECONDS)
    reading.cancel()
    with suppress(asyncio.CancelledError):
        await reading
    # There is no public way to close a pipe that somebody else still writes to.
    process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001  (as said above)
    await process.wait()


def _kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
