"""A sandbox that was started: where it is, what runs, how to stop it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rollwright.errors import SandboxError
from rollwright.sandbox import record as records
from rollwright.sandbox.places import Layout
from rollwright.sandbox.processes import wait_until
from rollwright.sandbox.record import Process, Record
from rollwright.sandbox.versions import APISERVER

if TYPE_CHECKING:
    from rollwright.sandbox.setup import Api

_REVIVE_TIMEOUT = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class EtcdAccess:
    """How to reach the sandbox's etcd; use a prefix of your own in it."""

    endpoint: str
    ca: Path
    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """One sandbox. As a context manager an ephemeral one ends with the block; others stay.

    ``record`` is what was written down when it came up, or when it was looked at.
    """

    folder: Path
    record: Record
    end: Callable[[], object] = field(repr=False, compare=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.is_ephemeral:
            self.stop()

    @property
    def name(self) -> str:
        """Its name."""
        return self.record.name

    @property
    def is_ephemeral(self) -> bool:
        """Whether it ends with the process that started it."""
        return self.record.is_ephemeral

    @property
    def version(self) -> str:
        """The version of Kubernetes, such as ``1.36.3``."""
        return self.record.version

    @property
    def started_at(self) -> datetime:
        """When it was started."""
        return self.record.started_at

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return self.record.server

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig for the cluster's administrator; its context is ``sandbox-<name>``."""
        return self._layout.kubeconfig

    @property
    def context(self) -> str:
        """The context of the kubeconfig."""
        return f"sandbox-{self.name}"

    @property
    def environment(self) -> Mapping[str, str]:
        """What makes kubectl and helm use it."""
        return {"KUBECONFIG": str(self.kubeconfig)}

    @property
    def etcd(self) -> EtcdAccess:
        """How to reach its etcd."""
        return EtcdAccess(
            endpoint=self.record.etcd_endpoint,
            ca=self._layout.pki("etcd-ca.crt"),
            certificate=self._layout.pki("etcd-client.crt"),
            key=self._layout.pki("etcd-client.key"),
        )

    @property
    def processes(self) -> tuple[Process, ...]:
        """The supervisor and every component."""
        return self.record.processes

    @property
    def pod_log(self) -> Path:
        """What ``kubectl logs`` shows of any pod; ``podlogs`` says how to write other lines."""
        return self._layout.pod_log

    @property
    def dead(self) -> tuple[str, ...]:
        """The components that should run and do not."""
        return tuple(process.name for process in self.current().record.dead())

    @property
    def is_running(self) -> bool:
        """Whether everything of it runs at this moment."""
        return self.current().record.is_running()

    @property
    def _layout(self) -> Layout:
        return Layout(self.folder)

    def process(self, component: str) -> Process:
        """Return one of its processes, such as ``kube-apiserver`` or ``supervisor``."""
        return next(process for process in self.processes if process.name == component)

    def log(self, component: str) -> Path:
        """Return the log of one component."""
        return self._layout.log(component)

    def current(self) -> Sandbox:
        """Return it as it is recorded now: a revived component has another process id."""
        record = records.read(self._layout.record) or self.record
        return Sandbox(folder=self.folder, record=record, end=self.end)

    def api(self) -> Api:
        """Return a minimal client, for setting something up in the cluster."""
        from rollwright.sandbox.setup import Api  # noqa: PLC0415  (ssl: not at import)

        return Api(self._layout, int(self.server.rpartition(":")[2]))

    def stop(self) -> None:
        """Stop everything and remove its folder."""
        self.end()

    def kill(self, component: str) -> None:
        """Kill one component without warning, as a crash would; ``revive`` brings it back."""
        process = self.current().process(component)
        process.send(signal.SIGKILL)
        wait_until(lambda: not process.is_alive(), _REVIVE_TIMEOUT)

    def revive(self) -> Sandbox:
        """Start again what has died, on the same ports and data, and wait until it is ready.

        Raises:
            SandboxError: It did not become ready, or its supervisor is gone.
        """
        if not self.process("supervisor").send(signal.SIGHUP):
            raise SandboxError(f"sandbox {self.name!r}: its supervisor is gone")
        api = self.api()
        is_back = wait_until(
            lambda: self.is_running and api.call("GET", "/readyz") is not None, _REVIVE_TIMEOUT
        )
        api.close()
        if not is_back:
            raise SandboxError(
                f"sandbox {self.name!r}: not ready again after "
                f"{int(_REVIVE_TIMEOUT.total_seconds())} s",
                hint=f"see {self.log(APISERVER)}",
            )
        return self.current()
