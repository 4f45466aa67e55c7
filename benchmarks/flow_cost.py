"""What Prefect's shell adds to a walk: the same rollout alone and as a flow, in turn.

Run as ``python -m benchmarks.flow_cost --kubeconfig FILE``. Both run in this process, warm, so
the figure is what a run pays, not what a process pays to begin; a Prefect server is started for
it and stopped again. Prints one line of JSON, and fails where the flow is not the same rollout.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from rollwright import library
from rollwright.flows import reporting_to, start_local_server
from rollwright.rollouts.report import Report

MOST_SECONDS = 1.5
"""What the shell may add to one run."""

ROUNDS, OBJECTS = 7, 20


@dataclass(kw_only=True)
class Trial:
    """Two rollouts of the same objects, each under names of its own.

    Attributes:
        seconds: What each round took, by who ran it.
    """

    folder: Path
    kubeconfig: Path
    objects: int
    seconds: dict[str, list[float]] = field(default_factory=lambda: {"walk": [], "flow": []})

    def declare(self, name: str, value: int) -> Path:
        """Write a rollout whose every object has a value; return its folder."""
        place = self.folder / name
        (place / "manifests").mkdir(parents=True, exist_ok=True)
        for number in range(self.objects):
            body = {
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": f"cost-{name}-{os.getpid()}-{number}"}, "data": {"value": str(value)},
            }  # fmt: skip
            (place / "manifests" / f"{number}.json").write_text(json.dumps(body))
        document = {
            "apiVersion": "rollwright.dev/v1alpha1", "kind": "Rollout",
            "metadata": {"name": f"cost-{name}-{os.getpid()}"},
            "spec": {
                "source": {"path": "manifests"},
                "target": {"cluster": "here", "namespace": "default"},
            },
        }  # fmt: skip
        (place / "rollout.yaml").write_text(json.dumps(document))
        return place

    async def run(self, name: str, value: int, call: Callable[[str], Awaitable[Report]]) -> None:
        """Carry one change of every object out, and note how long it took."""
        place = self.declare(name, value)
        planned = await library.plan(place)
        began = perf_counter()
        report = await call(str(place))
        took = perf_counter() - began
        if report.plan.id != planned.id or report.outcome != "succeeded":
            raise SystemExit(f"{name}: not the same rollout: {report.outcome}: {report.message}")
        if value:  # the first round imports, too
            self.seconds[name].append(took)

    async def all(self, rounds: int) -> None:
        """Run everything in turn, so that a busy moment meets both."""
        from rollwright.flows import rollout  # after Prefect has its folder

        for value in range(rounds + 1):
            await self.run("walk", value, library.rollout)
            await self.run("flow", value, rollout)

    def clean(self) -> None:
        """Remove what was made in the cluster."""
        for name in ("walk", "flow"):
            if (self.folder / name).is_dir():
                whole = f"cost-{name}-{os.getpid()}"
                words = ("delete", whole, "--cluster", "here", "--confirm", whole)
                program = (sys.executable, "-m", "rollwright")
                subprocess.run(
                    [*program, *words], cwd=self.folder, check=True, stdout=subprocess.DEVNULL
                )


def measure(kubeconfig: Path, rounds: int, objects: int) -> dict[str, Any]:
    """Return the medians of both, and their difference."""
    folder = Path(tempfile.mkdtemp(prefix="rollwright-flow-cost-"))
    (folder / "site.toml").write_text(
        f'[clusters.here]\nkubeconfig = "{kubeconfig.absolute()}"\n'
        f'[stores.default]\nuse = "file"\nwith = {{path = "{folder}/state"}}\n'
        f'[locks.default]\nuse = "file"\nwith = {{path = "{folder}/locks"}}\n'
    )
    os.environ["PREFECT_HOME"] = str(folder / "home")
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "ERROR")
    trial = Trial(folder=folder, kubeconfig=kubeconfig, objects=objects)
    try:
        with start_local_server(folder / "server") as server, reporting_to(server.url):
            asyncio.run(trial.all(rounds))
    finally:
        trial.clean()
        shutil.rmtree(folder, ignore_errors=True)
    walk, flow = (median(trial.seconds[name]) for name in ("walk", "flow"))
    found = {"walk_seconds": walk, "flow_seconds": flow, "shell_seconds": flow - walk}
    return {"objects": objects, "rounds": rounds, **{k: round(v, 3) for k, v in found.items()}}


def main() -> None:
    """Measure, print, and fail where the shell costs too much."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, default=os.environ.get("KUBECONFIG"))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--objects", type=int, default=OBJECTS)
    options = parser.parse_args()
    if options.kubeconfig is None:
        parser.error("--kubeconfig or KUBECONFIG names the cluster")
    found = measure(options.kubeconfig, options.rounds, options.objects)
    sys.stdout.write(f"{json.dumps(found)}\n")
    sys.exit(found["shell_seconds"] > MOST_SECONDS)


if __name__ == "__main__":
    main()
