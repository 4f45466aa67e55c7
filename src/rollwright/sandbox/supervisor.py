"""The process that owns a sandbox: starts its components, watches over them, stops them.

``lifecycle.up`` starts it with a request on standard input and reads what it answers on
standard output, one JSON object a line. Standard input is also the lifeline: when it closes,
the caller is gone, and so is the sandbox, unless the caller wrote ``detach`` before. An
ephemeral sandbox also ends when the process that asked for it ends, even where a fork of that
process keeps the lifeline open.

SIGTERM and SIGINT stop everything in order. SIGHUP starts again what has died. SIGKILL leaves
nothing either: the kernel kills the components with their parent.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from rollwright.errors import SandboxError
from rollwright.sandbox import certificates
from rollwright.sandbox.binaries import Binaries
from rollwright.sandbox.components import Plan, Ports
from rollwright.sandbox.controller import ControlPlane
from rollwright.sandbox.places import Layout, make_private
from rollwright.sandbox.podlogs import write_pod_log
from rollwright.sandbox.processes import free_ports
from rollwright.sandbox.protocol import DETACH, Request
from rollwright.sandbox.record import Phase, Process, Record, boot_id

_STDIN, _STDOUT = 0, 1
_PORT_ATTEMPTS = 3
_PORT_TAKEN = "address already in use"


class Unwanted(Exception):
    """Whoever asked for the sandbox is gone, or a signal said stop."""


class Lifeline:
    """What may end the sandbox from outside: the caller's end of a pipe, its death, signals."""

    def __init__(self, owner: int | None) -> None:
        self._is_attached = True
        self._received = b""
        self.must_revive = False
        self._must_stop = False
        self._wakeup, waker = socket.socketpair()
        for end in (self._wakeup, waker):
            end.settimeout(0)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        self._waker = waker
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, self._on_signal)
        self._owner = _watch_process(owner) if owner is not None else None

    def wait(self, seconds: float | None) -> None:
        """Sleep until something happens.

        Raises:
            Unwanted: The sandbox is to end.
        """
        watched: list[int | socket.socket] = [self._wakeup]
        watched += [_STDIN] if self._is_attached else []
        watched += [self._owner] if self._owner is not None else []
        ready, _, _ = select.select(watched, [], [], seconds)
        if self._wakeup in ready:
            with suppress(BlockingIOError):
                self._wakeup.recv(4096)
        if _STDIN in ready:
            self._read_stdin()
        if self._must_stop or (self._owner is not None and self._owner in ready):
            raise Unwanted

    def _read_stdin(self) -> None:
        received = os.read(_STDIN, 4096)
        self._received += received
        if DETACH in self._received:
            self._is_attached = False
        elif not received:
            raise Unwanted

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self.must_revive = True
        elif number != signal.SIGCHLD:
            self._must_stop = True


def _watch_process(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError as error:
        raise Unwanted from error
    except OSError:  # a kernel or sandbox without pidfd: the pipe alone must do
        return None


def main() -> int:
    """Serve one request until the sandbox is no longer wanted."""
    request = _read_request()
    if not request.is_ephemeral:
        _let_init_adopt_us()
    layout = Layout(Path(request.folder))
    try:
        lifeline = Lifeline(request.owner if request.is_ephemeral else None)
        with _running(request, layout, lifeline) as plane:
            _say(ready=plane.record.to_json())
            _watch(plane, lifeline)
    except Unwanted:
        return 0
    except SandboxError as error:
        _say(error=error.message, hint=error.hint)
        return 1
    finally:
        if request.is_ephemeral:
            shutil.rmtree(layout.root, ignore_errors=True)
    return 0


@contextmanager
def _running(request: Request, layout: Layout, lifeline: Lifeline) -> Iterator[ControlPlane]:
    plane = _start(request, layout, lifeline)
    try:
        yield plane
    finally:
        plane.stop()


def _start(request: Request, layout: Layout, lifeline: Lifeline) -> ControlPlane:
    for attempt in range(1, _PORT_ATTEMPTS + 1):
        plane = _prepare(request, layout, lifeline)
        try:
            plane.start(request.node_count, lambda text: _say(progress=text))
        except SandboxError as error:
            plane.stop()
            # Between our look and the component's another program may take a port.
            if _PORT_TAKEN not in error.message or attempt == _PORT_ATTEMPTS:
                raise
        except BaseException:
            plane.stop()
            raise
        else:
            return plane
    raise AssertionError  # the loop returns or raises


def _prepare(request: Request, layout: Layout, lifeline: Lifeline) -> ControlPlane:
    make_private(layout.logs)
    shutil.rmtree(layout.etcd_data, ignore_errors=True)
    make_private(layout.etcd_data)
    apiserver, etcd, etcd_peer, kwok = free_ports(4)
    plan = Plan(
        layout=layout,
        binaries=Binaries(
            version=request.version,
            paths={name: Path(path) for name, path in request.binaries.items()},
        ),
        ports=Ports(apiserver=apiserver, etcd=etcd, etcd_peer=etcd_peer, kwok=kwok),
        extra_apiserver_args=request.extra_apiserver_args,
    )
    certificates.write_all(layout, request.name, plan.server)
    write_pod_log(layout)
    return ControlPlane(plan, _record(request, plan), lifeline.wait)


def _record(request: Request, plan: Plan) -> Record:
    return Record(
        name=request.name,
        phase=Phase.STARTING,
        is_ephemeral=request.is_ephemeral,
        version=request.version,
        boot_id=boot_id(),
        started_at=datetime.now(UTC),
        server=plan.server,
        etcd_endpoint=plan.etcd_endpoint,
        supervisor=Process.of("supervisor", os.getpid()),
    )


def _watch(plane: ControlPlane, lifeline: Lifeline) -> None:
    while True:
        lifeline.wait(None)
        plane.reap()
        if lifeline.must_revive:
            lifeline.must_revive = False
            plane.revive()


def _read_request() -> Request:
    # NB: byte by byte: nothing beyond the line may vanish in a buffer that select cannot see.
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(_STDIN, 1)
        if not byte:
            sys.exit(1)
        line += byte
    return Request.from_line(line)


def _let_init_adopt_us() -> None:
    # A named sandbox outlives its caller, which then must not have to reap it.
    if os.fork():
        os._exit(0)


def _say(**message: str | None) -> None:
    # The caller may be gone; then the lifeline ends us, not this.
    with suppress(BrokenPipeError):
        os.write(_STDOUT, json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main())
