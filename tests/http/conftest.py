"""A scripted server, and clusters that talk to it on a clock of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rollwright.kube.auth import find_access
from rollwright.kube.cluster import KubeCluster
from rollwright.kube.retry import Patience, Timing
from rollwright.kube.transport import Transport
from rollwright.testing.fake_kinds import builtin_kinds
from rollwright.testing.http import ScriptedServer


@dataclass
class Clock:
    """Sleeping moves it, nothing else does; ``pauses`` are the sleeps, in order."""

    seconds: float = 1000.0
    pauses: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds

    @property
    def timing(self) -> Timing:
        return Timing(
            clock=lambda: self.seconds,
            now=lambda: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds),
            sleep=self.sleep,
            random=lambda: 0.0,
        )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as running:
        running.serves(*builtin_kinds())
        yield running


@pytest.fixture
async def connect(
    server: ScriptedServer, clock: Clock, tmp_path: Path
) -> AsyncIterator[Callable[..., KubeCluster]]:
    made: list[KubeCluster] = []

    def make(*, user: dict[str, object] | None = None, patience: Patience | None = None):
        kubeconfig = server.write_kubeconfig(tmp_path / f"kubeconfig-{len(made)}", user=user)
        transport = Transport(find_access(kubeconfig), timing=clock.timing, patience=patience)
        made.append(KubeCluster(transport))
        return made[-1]

    yield make
    for cluster in made:
        await cluster.close()


@pytest.fixture
def cluster(connect: Callable[..., KubeCluster]) -> KubeCluster:
    return connect()
