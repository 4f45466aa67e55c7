"""Starting and ending processes so that none is left behind.

A component dies with the process that started it, whatever kills that one: the kernel is told
so before the component's program begins.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path

from rollwright.sandbox.components import HOST
from rollwright.sandbox.record import Record

_PR_SET_PDEATHSIG = 1
_POLL = 0.02

Child = subprocess.Popen[bytes]


def spawn(argv: Sequence[str], log: Path, folder: Path) -> Child:
    """Start a component that the kernel kills when this process ends.

    NB: the kernel watches the *thread* that calls this, so only a process that starts
    everything from its main thread may use it: the supervisor.
    """
    parent = os.getpid()
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def die_with_parent() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before we asked
            os.kill(os.getpid(), signal.SIGKILL)

    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603  (our own argument list, no shell)
            argv,
            cwd=folder,
            env=component_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent,  # noqa: PLW1509  (the supervisor has one thread)
        )


def component_environment() -> dict[str, str]:
    """Return what a component needs of our environment: no proxies, no foreign settings."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    # Half the garbage collections: starts half a second sooner for a tenth more memory.
    return kept | {"GOGC": "200"}


def end(child: Child, grace: timedelta) -> None:
    """Ask a child to end, wait, then kill it; it is reaped in any case."""
    if child.poll() is None:
        child.terminate()
        with suppress(subprocess.TimeoutExpired):
            child.wait(grace.total_seconds())
    if child.poll() is None:
        child.kill()
    child.wait()


def end_group(child: subprocess.Popen[str]) -> None:
    """Kill a child that leads a process group of its own, with everything it started."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def stop_recorded(record: Record, timeout: timedelta) -> None:
    """End what a record names, through its supervisor where that still runs.

    A process that is no longer the one that was recorded is left alone.
    """
    if record.is_of_this_boot() and record.supervisor.send(signal.SIGTERM):
        wait_until(lambda: not record.living(), timeout)
    for process in record.living():
        process.send(signal.SIGKILL)
    wait_until(lambda: not record.living(), timeout)


def wait_until(is_true: Callable[[], bool], timeout: timedelta) -> bool:
    """Look again and again until something is true; say whether it became so in time."""
    deadline = time.monotonic() + timeout.total_seconds()
    while not is_true():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL)
    return True


def free_ports(count: int) -> tuple[int, ...]:
    """Return ports of loopback that nobody listens on just now, all different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in sockets:
            listener.bind((HOST, 0))
        return tuple(int(listener.getsockname()[1]) for listener in sockets)
