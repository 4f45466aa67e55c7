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
from math import ceil
from pathlib import Path

from rollwright.errors import EXCERPT_LENGTH, RenderError

MAX_OUTPUT = 50 * 2**20
MAX_MEMORY = 2 * 2**30
FAILED = " failed: "
"""Stands in an error before what the child itself complained of."""

_MAX_COMPLAINTS = 64 * 2**10
_CHUNK = 2**16
_CPU_GRACE_SECONDS = 2
_BEGINNING = 80

_NOISE = re.compile(
    r'^#? ?Warning: .*$|^[EWI]\d{4} \S+ +\d+ \S+\] ("command failed" err=)?|^error: ', re.MULTILINE
)
"""Warnings, and what kubectl's log writes before an error."""

_TOO_MUCH = re.compile(
    rb"^fatal error: .*out of memory|^fatal error: .*cannot allocate|memory allocation"
    rb"|^MemoryError|std::bad_alloc",
    re.MULTILINE,
)
_TOO_DEEP = re.compile(rb"goroutine stack exceeds|stack overflow")
_SIGNALS: Mapping[int, str] = {
    signal.SIGXCPU: "it took more processor time than it may",
    signal.SIGSEGV: "it crashed; it is nested too deeply, or needs too much memory",
    signal.SIGBUS: "it crashed; it is nested too deeply, or needs too much memory",
    signal.SIGABRT: "it was aborted; it is nested too deeply, or needs too much memory",
}
"""What an engine that runs away ends with."""

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
        max_file: Bytes of the largest file that it may write; 0 for any.
        environment: What it sees beside its own home.
        prints_complaints: Whether what it prints is part of a complaint.
        clean: Takes out of a complaint about ``root`` what nobody may read.
    """

    name: str
    command: Sequence[str]
    timeout: timedelta
    root: Path
    max_output: int = MAX_OUTPUT
    max_file: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    prints_complaints: bool = False
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
        complaints = output + complaints if child.prints_complaints else complaints
        complaint = await asyncio.to_thread(_complaint, complaints, child, status)
        raise RenderError(f"{child.name}{FAILED}{complaint}")
    return output


def ending(status: int, complaints: bytes) -> str:
    """Return what it means that a child was ended by a signal or ran out of memory (J1)."""
    if _TOO_MUCH.search(complaints):
        return f"it needs more than {MAX_MEMORY // 2**20:,} MiB of memory"
    if _TOO_DEEP.search(complaints):
        return "it is nested too deeply (stack overflow)"
    return _SIGNALS.get(-status, "") if status < 0 else ""


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
        if child.max_file:
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (child.max_file, child.max_file))
        # What nobody waits for any more, because we were killed, ends as well.
        seconds = ceil(child.timeout.total_seconds()) * (os.cpu_count() or 1) + _CPU_GRACE_SECONDS
        resource.prlimit(process.pid, resource.RLIMIT_CPU, (seconds, seconds))
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
    if words := ending(status, complaints):
        return words
    text, root = _NOISE.sub("", complaints.decode("utf-8", "replace")), child.root
    text = child.clean(text, root) if child.clean else text
    line = " ".join(text.replace(f"{root}/", "").replace(str(root), ".").split())
    if not line:
        return f"exit code {status}" if status > 0 else f"signal {-status}"
    if len(line) <= EXCERPT_LENGTH:
        return line
    return f"{line[:_BEGINNING]} … {line[_BEGINNING + 3 - EXCERPT_LENGTH :]}"
