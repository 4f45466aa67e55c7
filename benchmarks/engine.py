"""Rollwright's walk in a process of its own, split by stage.

Run as ``python -m benchmarks.engine FILE``: prints one line of JSON. The clock starts when
everything is imported and the document is read, and stops with the report: what a service pays
for a run. Connecting and asking what is served are part of it.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from benchmarks.machine import peak_kib
from rollwright.engine import operations
from rollwright.engine.documents import load_rollout
from rollwright.engine.progress import Applied, Planned, Progress, StageBegan, StepBegan, StepEnded
from rollwright.engine.site import open_site
from rollwright.engine.stages import DIRECT, no_forecast
from rollwright.rollouts.report import Outcome, Report


@dataclass(kw_only=True)
class Clock:
    """Listens to a run, and remembers when each stage began.

    Attributes:
        marks: Stage and its beginning, in order.
        applied_at: When the last object was written.
    """

    now: Callable[[], float] = perf_counter
    marks: list[tuple[str, float]] = field(default_factory=list)
    applied_at: float = 0.0
    writes: int = 0

    def begin(self, stage: str) -> None:
        """Note that a stage begins, and with it the one before ends."""
        self.marks.append((stage, self.now()))

    def take(self, progress: Progress) -> None:
        """Listen."""
        if isinstance(progress, StageBegan):
            self.begin(progress.stage)
        elif isinstance(progress, Planned):
            self.begin("lock")
        elif isinstance(progress, StepBegan) and self.marks[-1][0] != "apply":
            self.begin("apply")
        elif isinstance(progress, Applied):
            self.applied_at = self.now()
            self.writes += 1
        elif isinstance(progress, StepEnded) and self.marks[-1][0] != "apply":
            self.begin("apply")

    def parts(self, ended_at: float) -> dict[str, float]:
        """Return the seconds of each stage; ``applied`` is from the start to the last write."""
        ends = [at for _, at in self.marks[1:]] + [ended_at]
        parts: dict[str, float] = {}
        for (stage, began_at), end in zip(self.marks, ends, strict=True):
            parts[stage] = parts.get(stage, 0.0) + end - began_at
        if self.applied_at:
            parts["applied"] = self.applied_at - self.marks[0][1]
        return parts


async def measure(file: Path, *, is_dry_run: bool) -> dict[str, Any]:
    """Carry a rollout out once, and return what it took."""
    loaded = load_rollout(file)
    stages = DIRECT if is_dry_run else replace(DIRECT, forecast=no_forecast)
    clock = Clock()
    async with open_site(loaded) as site:
        site.tell = clock.take
        used = process_time()
        clock.begin("open")
        report = await operations.roll_out(site, loaded, stages)
        parts, used = clock.parts(perf_counter()), process_time() - used
        calls = {key: value for key, value in (await site.calls(loaded.spec)).items() if value}
    return {
        "seconds": sum(value for key, value in parts.items() if key != "applied"),
        "cpu_seconds": used,
        "parts": parts,
        "calls": calls,
        "failure": _failure(report),
    }


async def warm(file: Path) -> None:
    """Render a small rollout, so that nothing is imported while the clock runs."""
    loaded = load_rollout(file)
    async with open_site(loaded) as site:
        await operations.render(site, loaded)
    from rollwright.kube import cluster, transport

    del cluster, transport


def _failure(report: Report) -> str:
    if report.outcome is Outcome.SUCCEEDED:
        return ""
    first = next((one.message for one in report.failures), "")
    return f"{report.outcome}: {first}"


def main(words: list[str] | None = None) -> int:
    """Measure one run and print it as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine")
    parser.add_argument("file", type=Path)
    parser.add_argument("--no-dry-run", action="store_true")
    parser.add_argument("--warm", type=Path, help="a small rollout to render first")
    parser.add_argument("--profile", type=Path, help="write what cProfile saw")
    asked = parser.parse_args(words)
    if asked.warm:
        asyncio.run(warm(asked.warm))
    before_kib = peak_kib()
    # On a busy machine the clock would show who waited, not who worked.
    profile = cProfile.Profile(process_time) if asked.profile else None
    if profile:
        profile.enable()
    measured = asyncio.run(measure(asked.file, is_dry_run=not asked.no_dry_run))
    if profile:
        profile.disable()
        profile.dump_stats(asked.profile)
    measured["peak_kib"], measured["before_kib"] = peak_kib(), before_kib
    sys.stdout.write(json.dumps(measured) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
