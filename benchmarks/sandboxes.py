"""A fresh control plane for each run, warmed up in the same way for all.

Before: ``rounds`` is about to measure a peer.
After: the peer finds an empty cluster whose server has answered such requests before.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import audit
from benchmarks.inputs import Input
from benchmarks.limit import Bare
from rollwright import sandbox

CALM_SHARE = 0.08
"""Of one core that a settled control plane uses at most."""

CALM_WINDOW = 0.25
CALM_WITHIN_SECONDS = 20.0
_FOREIGN = ("KUBE", "ROLLWRIGHT_", "PREFECT_", "HELM_", "HTTP_PROXY", "HTTPS_PROXY", "http", "all_")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh:
    """One control plane that nobody else uses.

    Attributes:
        home: A folder for what tools cache.
        log: The audit log, in rounds that count.
    """

    sandbox: sandbox.Sandbox
    home: Path
    log: Path | None = None

    @property
    def environment(self) -> dict[str, str]:
        """For child processes: this cluster, and nothing of the person's own settings."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN)}
        return {**kept, "HOME": str(self.home), **self.sandbox.environment}

    def settle(self) -> None:
        """Wait until the control plane has done what followed from the run before."""
        deadline = time.monotonic() + CALM_WITHIN_SECONDS
        before = self.cpu_seconds()
        while time.monotonic() < deadline:
            time.sleep(CALM_WINDOW)
            now = self.cpu_seconds()
            if now - before < CALM_SHARE * CALM_WINDOW:
                return
            before = now

    def cpu_seconds(self) -> float:
        """Return what the control plane has used so far."""
        return sum(_cpu_seconds(process.pid) for process in self.sandbox.processes)


@contextmanager
def fresh(work: Path, warm_up: Input, *, is_counted: bool = False) -> Iterator[Fresh]:
    """Bring up a control plane, warm it up, and end it with the block."""
    home = work / "home"
    home.mkdir(parents=True, exist_ok=True)
    log = audit.log_of(work) if is_counted else None
    extra = audit.flags(work) if is_counted else ()
    if log:
        log.unlink(missing_ok=True)
    with sandbox.up("benchmark", ephemeral=True, extra_apiserver_args=extra) as started:
        cluster = Fresh(sandbox=started, home=home, log=log)
        asyncio.run(_warm(started.kubeconfig, warm_up))
        cluster.settle()
        yield cluster


async def _warm(kubeconfig: Path, warm_up: Input) -> None:
    async with Bare(kubeconfig) as bare:
        jobs = await bare.prepare(warm_up.bodies)
        await bare.apply(jobs)
        await bare.apply(jobs, is_dry_run=True)
        await bare.list(jobs)


def _cpu_seconds(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0.0
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
