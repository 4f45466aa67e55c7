"""What became of a fan-out: one line per cluster.

Before: ``engine.fan_out`` went through the clusters. After: faces print the report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from rollwright.rollouts.describe.lines import Line, Tone
from rollwright.rollouts.fleet import FleetOutcome, TargetStatus
from rollwright.rollouts.report import Report

_TONES = {
    TargetStatus.SUCCEEDED: Tone.GOOD,
    TargetStatus.FAILED: Tone.BAD,
    TargetStatus.TO_APPLY: Tone.QUIET,
    TargetStatus.SKIP: Tone.WARNING,
}
_WORDS = {
    TargetStatus.SUCCEEDED: "succeeded",
    TargetStatus.FAILED: "failed",
    TargetStatus.SKIP: "skipped",
    TargetStatus.TO_APPLY: "not begun",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetResult:
    """What became of one cluster.

    Attributes:
        cluster: Its name in site.toml.
        batch: Which one it was in, from 1.
        status: Where it ended; ``ToApply`` was not begun, and is as it was.
        message: One sentence for a person.
        hint: What to do, if anything is known.
        exit_code: What a command line would have ended with for it alone.
        url: Of a page about its run.
        report: The record of its run, if it had one here.
        is_guarded: Whether a guard was breached there.
    """

    cluster: str
    batch: int
    status: TargetStatus
    message: str = ""
    hint: str = ""
    exit_code: int = 0
    url: str = ""
    report: Report | None = field(default=None, repr=False)
    is_guarded: bool = False


@dataclass(frozen=True, kw_only=True)
class FleetReport:
    """The record of a fan-out.

    Attributes:
        rollout: Which one.
        outcome: How it ended.
        message: That in one sentence, with what stopped it.
        results: Per cluster, in order.
    """

    rollout: str
    outcome: FleetOutcome
    message: str
    started_at: datetime
    ended_at: datetime
    results: tuple[TargetResult, ...] = field(default=(), repr=False)

    @property
    def failures(self) -> tuple[TargetResult, ...]:
        """The clusters that failed."""
        return tuple(one for one in self.results if one.status is TargetStatus.FAILED)

    @property
    def exit_code(self) -> int:
        """0 if it went as far as was asked; else what its failures have in common, or 1.

        A fan-out in which every failure is a refusal was refused (4), and one in which no failed
        cluster answers could not reach its clusters (3).
        """
        if self.outcome in {FleetOutcome.SUCCEEDED, FleetOutcome.SUCCEEDED_WITH_FAILURES}:
            return 0
        codes = {one.exit_code for one in self.failures}
        return codes.pop() if len(codes) == 1 else 1


def sum_up(results: tuple[TargetResult, ...], why: str) -> str:
    """Return in one sentence what became of the clusters, and what stopped it."""
    count = Counter(one.status for one in results)
    words = ", ".join(f"{count[one]} {word}" for one, word in _WORDS.items() if count[one])
    return f"{words}; {why}" if why else words


def describe_fleet(report: FleetReport) -> tuple[Line, ...]:
    """Return a fan-out in words: how it ended, then cluster by cluster."""
    return tuple(_lines(report))


def _lines(report: FleetReport) -> Iterator[Line]:
    is_good = report.outcome is FleetOutcome.SUCCEEDED
    title = f"{report.rollout} {report.outcome}: {report.message}"
    yield Line(title, Tone.GOOD if is_good else Tone.BAD)
    width = max((len(one.cluster) for one in report.results), default=0)
    for one in report.results:
        words = f"{one.cluster:{width}}  {one.status:9}  {one.message}".rstrip()
        yield Line(words, _TONES.get(one.status, Tone.PLAIN), 1)
        if one.hint and one.status is TargetStatus.FAILED:
            yield Line(f"hint: {one.hint}", Tone.WARNING, 2)
    seconds = (report.ended_at - report.started_at).total_seconds()
    batches = max((one.batch for one in report.results), default=0)
    noun = "batch" if batches == 1 else "batches"
    yield Line(
        f"{len(report.results)} clusters in {batches} {noun}, {seconds:.1f} s", Tone.QUIET, 1
    )
