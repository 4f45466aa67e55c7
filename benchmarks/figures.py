"""From seconds to medians and ratios.

Before: ``rounds`` measured each peer once a round. After: ``goals`` judges, ``tables`` prints.

A ratio is taken within a round and its median over the rounds, so that a machine that grows
slower while the benchmark runs hits peer and limit alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run of one peer.

    Attributes:
        seconds: How long it took.
        calls: API requests by what they were.
        parts: Seconds of parts of it, by name.
        cpu_seconds: What the peer's own process used; says more than the clock on a busy machine.
        server_cpu_seconds: What the control plane used meanwhile.
        peak_kib: Peak memory of the process, if it was looked at.
        failure: Why it counts for nothing; empty if it does not fail.
    """

    seconds: float
    calls: Mapping[str, int] = field(default_factory=dict)
    parts: Mapping[str, float] = field(default_factory=dict)
    cpu_seconds: float = 0.0
    server_cpu_seconds: float = 0.0
    peak_kib: int = 0
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A measured run, and where it belongs."""

    case: str
    peer: str
    round: int
    measured: Measured


@dataclass(frozen=True, slots=True)
class Summary:
    """Least, median and most of several figures."""

    least: float
    median: float
    most: float


def summarize(figures: Iterable[float]) -> Summary | None:
    """Return least, median and most; ``None`` of nothing."""
    known = sorted(figures)
    return Summary(known[0], median(known), known[-1]) if known else None


@dataclass(frozen=True, slots=True)
class Results:
    """All samples of a run of the benchmark."""

    samples: tuple[Sample, ...]

    def cases(self) -> tuple[str, ...]:
        """Return the cases in the order they were measured in."""
        return tuple(dict.fromkeys(sample.case for sample in self.samples))

    def peers(self, case: str) -> tuple[str, ...]:
        """Return the peers of a case, likewise."""
        return tuple(dict.fromkeys(one.peer for one in self.samples if one.case == case))

    def seconds(self, case: str, peer: str, part: str = "") -> dict[int, float]:
        """Return the seconds of a peer, or of one part of its run, by round."""
        return {
            one.round: one.measured.parts[part] if part else one.measured.seconds
            for one in self._good(case, peer)
            if not part or part in one.measured.parts
        }

    def cpu(self, case: str, peer: str) -> tuple[float, float]:
        """Return the median CPU seconds of a peer, and of the control plane meanwhile."""
        good = [one.measured for one in self._good(case, peer)]
        if not good:
            return 0.0, 0.0
        own = median(one.cpu_seconds for one in good)
        return own, median(one.server_cpu_seconds for one in good)

    def parts(self, case: str, peer: str) -> dict[str, float]:
        """Return the median of each part that a peer's run is split into."""
        names = dict.fromkeys(name for one in self._good(case, peer) for name in one.measured.parts)
        return {name: median(self.seconds(case, peer, name).values()) for name in names}

    def calls(self, case: str, peer: str) -> dict[str, int]:
        """Return the requests of a peer's last run that was counted."""
        counted = [one.measured.calls for one in self._good(case, peer) if one.measured.calls]
        return dict(counted[-1]) if counted else {}

    def failures(self, case: str, peer: str) -> tuple[str, ...]:
        """Return why runs of a peer count for nothing."""
        return tuple(
            one.measured.failure
            for one in self.samples
            if (one.case, one.peer) == (case, peer) and one.measured.failure
        )

    def _good(self, case: str, peer: str) -> list[Sample]:
        return [
            one
            for one in self.samples
            if (one.case, one.peer) == (case, peer) and not one.measured.failure
        ]


def ratio(figures: Mapping[int, float], base: Mapping[int, float]) -> float | None:
    """Return the median of the ratios of those rounds that both have."""
    rounds = [one for one in figures if base.get(one)]
    return median(figures[one] / base[one] for one in rounds) if rounds else None
