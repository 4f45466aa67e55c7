"""From nothing to a ready control plane, and back: what the supervisor does.

etcd and the API server start together; the rest follows as soon as it can do something. Every
process is written down before the next one starts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

from rollwright.errors import SandboxError, excerpt
from rollwright.sandbox import setup
from rollwright.sandbox.components import Plan, argv
from rollwright.sandbox.processes import Child, end, spawn
from rollwright.sandbox.record import Phase, Process, Record, write
from rollwright.sandbox.versions import (
    APISERVER,
    COMPONENTS,
    CONTROLLER_MANAGER,
    ETCD,
    KWOK,
    SCHEDULER,
)

READY_TIMEOUT = timedelta(seconds=120)
"""How long a start may take on a machine that has much else to do."""

Pause = Callable[[float], None]
"""Waits some seconds, and raises when the start is no longer wanted."""

_POLL = 0.02
_QUOTED_BYTES = 8192
_QUOTED_LINES = 5
_QUOTED_LENGTH = 900

_GRACE = {
    KWOK: timedelta(seconds=1),
    SCHEDULER: timedelta(seconds=1),
    CONTROLLER_MANAGER: timedelta(seconds=1),
    APISERVER: timedelta(seconds=3),
    ETCD: timedelta(seconds=3),
}
"""How long each may take to end by itself: a sandbox is thrown away, not drained."""


class ControlPlane:
    """The components of one sandbox as children of this process."""

    def __init__(self, plan: Plan, record: Record, pause: Pause) -> None:
        self._plan = plan
        self._pause = pause
        self._children: dict[str, Child] = {}
        self.record = record
        write(plan.layout.record, record)

    def start(self, node_count: int, on_progress: Callable[[str], None]) -> None:
        """Start everything and return when a pod could be created.

        Raises:
            SandboxError: A component ended, or it took too long.
        """
        api = setup.Api(self._plan.layout, self._plan.ports.apiserver)
        try:
            on_progress("starting etcd and the API server")
            self._spawn(ETCD)
            self._spawn(APISERVER)
            self._wait("the API server to answer", lambda: setup.is_answering(api))
            on_progress("starting controllers, scheduler and nodes")
            self._spawn(SCHEDULER)
            self._spawn(KWOK)
            for path, body in self._objects(node_count):
                self._wait(f"{path} to take an object", partial(setup.create, api, path, body))
            # NB: earlier, the controller manager would find the API server unhealthy and sleep
            # for a second; the API server itself takes one before it writes the roles of RBAC.
            self._wait("the API server to be healthy", lambda: setup.is_healthy(api))
            self._spawn(CONTROLLER_MANAGER)
            self._wait("the cluster to be ready", lambda: setup.is_ready(api))
        finally:
            api.close()
        self._write(self.record.in_phase(Phase.RUNNING))

    def revive(self) -> None:
        """Start again whatever has died, on the same ports and with the same data."""
        for process in self.record.dead():
            # NB: the main thread of a killed process goes first, so it may not be reaped yet.
            self._children[process.name].wait()
        for component in COMPONENTS:
            if self._children[component].poll() is not None:
                self._spawn(component)

    def reap(self) -> None:
        """Take note of children that have ended, so that none stays a zombie."""
        for child in self._children.values():
            child.poll()

    def stop(self) -> None:
        """End everything, in the reverse order of starting."""
        # NB: the API server does not end on SIGTERM once its etcd is gone, so etcd goes last,
        # and where it is gone already there is nothing to wait for.
        etcd = self._children.get(ETCD)
        has_etcd = etcd is not None and etcd.poll() is None
        for component in reversed(COMPONENTS):
            child = self._children.pop(component, None)
            if child is not None:
                end(child, _GRACE[component] if has_etcd else timedelta(0))

    def _objects(self, node_count: int) -> list[tuple[str, setup.Json]]:
        plan = self._plan
        return setup.objects(node_count, plan.binaries.version, plan.ports.kwok)

    def _spawn(self, component: str) -> None:
        layout = self._plan.layout
        child = spawn(argv(self._plan, component), layout.log(component), layout.root)
        self._children[component] = child
        self._write(self.record.with_component(Process.of(component, child.pid)))

    def _write(self, record: Record) -> None:
        self.record = record
        write(self._plan.layout.record, record)

    def _wait(self, what: str, is_done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_TIMEOUT.total_seconds()
        while not is_done():
            self._check_children()
            if time.monotonic() > deadline:
                seconds = int(READY_TIMEOUT.total_seconds())
                raise SandboxError(
                    f"sandbox {self.record.name!r}: waited {seconds} s for {what}",
                    hint=f"see the logs in {self._plan.layout.logs}",
                )
            self._pause(_POLL)
        self._check_children()

    def _check_children(self) -> None:
        for component, child in self._children.items():
            code = child.poll()
            if code is not None:
                log = self._plan.layout.log(component)
                raise SandboxError(
                    f"sandbox {self.record.name!r}: {component} ended with {code}: {last_lines(log)}",
                    hint=f"see {log}",
                )


def last_lines(log: Path) -> str:
    """Return the end of a log, cut to what a message may hold."""
    with log.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _QUOTED_BYTES))
        lines = file.read().decode("utf-8", "replace").splitlines()
    text = " | ".join(line.strip() for line in lines[-_QUOTED_LINES:] if line.strip())
    return excerpt(text[-_QUOTED_LENGTH:], _QUOTED_LENGTH) or "it wrote nothing"
