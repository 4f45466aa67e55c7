"""Child processes with limits: the engines that could run away or run for ever.

A child has a home of its own that vanishes with it, sees nothing of our environment, cannot
prompt, and is killed with everything it started when it takes too long, says too much, or when
nobody waits for it any more.
"""

from __future__ import annotations

import asyncio
import os
import re
import resource
import signal
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from rollwright.errors import EXCERPT_LENGTH, RenderError

MAX_OUTPUT = 50 * 2**20
MAX_MEMORY = 2 * 2**30
_MAX_COMPLAINTS = 64 * 2**10
_CHUNK = 2**16
_BEGINNING = 80

_NOISE = re.compile(
    r'^#? ?Warning: .*$|^[EWI]\d{4} \S+ +\d+ \S+\] ("command failed" err=)?|^error: ', re.MULTILINE
)
"""Warnings, and what kubectl's log writes before an error."""

# Nothing answers there: what a renderer did not bring along cannot be had (RE-01).
_NOWHERE = "http://127.0.0.1:9"
_ENVIRONMENT: Mapping[str, str] = {
    "PATH": "/nonexistent",
    "LANG": "C.UTF-8",
    "HTTP_PROXY": _NOWHERE,
    "HTTPS_PROXY": _NOWHERE,
    "NO_PROXY": "",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_TERMINAL_PROMPT": "0",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """One run of a program.

    Attributes:
        name: What messages call it.
        command: Program and arguments.
        timeout: How long it may take.
        root: Folder that it reads; messages leave its path out.
        max_output: Bytes it may print.
        environment: What it sees beside its own home.
        clean: Takes out of a complaint about ``root`` what nobody may read.
    """

    name: str
    command: Sequence[str]
    timeout: timedelta
    root: Path
    max_output: int = MAX_OUTPUT
    environment: Mapping[str, str] = field(default_factory=dict)
    clean: Callable[[str, Path], str] | None = None


async def run(child: Child) -> bytes:
    """Return what a child prints.

    Raises:
        RenderError: It cannot be started, fails, takes too long or prints too much.
    """
    with tempfile.TemporaryDirectory(prefix="rollwright-") as home:
        process = await _start(child, Path(home))
        try:
            async with asyncio.timeout(child.timeout.total_seconds()):
                output, complaints = await asyncio.gather(
                    _output(process, child.max_output), _complaints(process)
                )
                status = await process.wait()
        except TimeoutError as error:
            raise RenderError(f"{child.name} took more than {child.timeout}") from error
        finally:
            await _end(process)
    if len(output) > child.max_output:
        raise RenderError(f"{child.name} printed more than {child.max_output:,} bytes")
    if status:
        complaint = await asyncio.to_thread(_complaint, complaints, child, status)
        raise RenderError(f"{child.name} failed: {complaint}")
    return output


async def _start(child: Child, home: Path) -> asyncio.subprocess.Process:
    environment = {
        **_ENVIRONMENT,
        "HOME": str(home),
        "TMPDIR": str(home),
        "XDG_CONFIG_HOME": str(home),
        "XDG_CACHE_HOME": str(home),
        **child.environment,
    }
    try:
        process = await asyncio.create_subprocess_exec(
            *child.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            cwd=home,
            start_new_session=True,
        )
    except OSError as error:
        raise RenderError(f"cannot start {child.name}: {error.strerror}") from error
    # NB: a limit of the address space would stop Go programs, which reserve far more than they
    # use. The child may already be gone.
    with suppress(OSError):
        resource.prlimit(process.pid, resource.RLIMIT_DATA, (MAX_MEMORY, MAX_MEMORY))
        resource.prlimit(process.pid, resource.RLIMIT_CORE, (0, 0))
    return process


async def _output(process: asyncio.subprocess.Process, limit: int) -> bytes:
    """Read what is printed; a child that prints more than ``limit`` is killed."""
    output = bytearray()
    while process.stdout and (part := await process.stdout.read(_CHUNK)):
        output += part
        if len(output) > limit:
            _kill(process)
            break
    return bytes(output)


async def _complaints(process: asyncio.subprocess.Process) -> bytes:
    """Read all of stderr, so that the child never waits for us; keep its beginning."""
    kept = b""
    while process.stderr and (part := await process.stderr.read(_CHUNK)):
        kept = (kept + part)[:_MAX_COMPLAINTS]
    return kept


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill the child and what it started, and empty its pipes, so that they are closed."""
    _kill(process)
    await asyncio.shield(process.communicate())


def _kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _complaint(complaints: bytes, child: Child, status: int) -> str:
    """Return what a child complained of; of a long chain of causes, the first and the last."""
    text, root = _NOISE.sub("", complaints.decode("utf-8", "replace")), child.root
    text = child.clean(text, root) if child.clean else text
    line = " ".join(text.replace(f"{root}/", "").replace(str(root), ".").split())
    if not line:
        return f"exit code {status}" if status > 0 else f"signal {-status}"
    if len(line) <= EXCERPT_LENGTH:
        return line
    return f"{line[:_BEGINNING]} … {line[_BEGINNING + 3 - EXCERPT_LENGTH :]}"
