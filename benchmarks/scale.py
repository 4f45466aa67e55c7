"""Ten times as many objects: does time per object stay, does memory stay small?

Two sizes of the same input, in turn; the engine once to write them and once with nothing to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Measured, Results, ratio, summarize
from benchmarks.goals import ENGINE, NO_DRY_RUN, Verdict, verdict_of
from benchmarks.inputs import Input, make_m
from benchmarks.peers import AGAIN, FIRST, Given, Peer, make_peers
from benchmarks.rounds import Plan, measure

SMALL = 1_000
TIME_MOST = 1.3
PEAK_MOST_MIB = 350
GROWTH_MOST_KIB = 20
_PEERS = frozenset({"limit", ENGINE, NO_DRY_RUN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The two inputs."""

    small: Input
    large: Input


def make_sizes(work: Path, objects: int) -> Sizes:
    """Write both inputs; a Namespace comes on top of the objects."""
    return Sizes(
        small=make_m(work / "small", name=f"S{SMALL}", count=SMALL // 4),
        large=make_m(work / "large", name=f"S{objects}", count=objects // 4),
    )


def run(plan: Plan, given: Given, sizes: Sizes) -> Results:
    """Measure both sizes in turn."""
    pairs = [
        (source, peer)
        for source in (sizes.small, sizes.large)
        for peer in make_peers(given, source)
        if peer.name in _PEERS
    ]
    return measure(plan, [(source, _two_phases(peer)) for source, peer in pairs])


def _two_phases(peer: Peer) -> Peer:
    phases = {name: run for name, run in peer.phases.items() if name in {FIRST, AGAIN}}
    return Peer(name=peer.name, phases=phases, has_namespace=peer.has_namespace)


def judge(results: Results, sizes: Sizes) -> Iterator[Verdict]:
    """Yield what ten times as many objects cost."""
    for phase, peer in ((FIRST, NO_DRY_RUN), (FIRST, ENGINE), (AGAIN, ENGINE)):
        cases = f"{sizes.small.name} {phase}", f"{sizes.large.name} {phase}"
        found = ratio(*(results.seconds(case, peer) for case in reversed(cases)))
        factor = len(sizes.small.bodies) / len(sizes.large.bodies)
        text = "time per object, large against small"
        per_object = None if found is None else found * factor
        yield verdict_of(cases[1], peer, text, per_object, TIME_MOST)
        yield from _memory(results, sizes, cases, peer)


def _memory(results: Results, sizes: Sizes, cases: tuple[str, str], peer: str) -> Iterator[Verdict]:
    small, large = (_peak(results, case, peer) for case in cases)
    if not small or not large:
        return
    more = len(sizes.large.bodies) - len(sizes.small.bodies)
    growth = (large - small) / more
    yield _figure(cases[1], peer, "peak memory", large / 1024, f"{PEAK_MOST_MIB} MiB")
    yield _figure(cases[1], peer, "memory per object", growth, f"{GROWTH_MOST_KIB} KiB")


def _figure(case: str, who: str, text: str, found: float, most: str) -> Verdict:
    number, unit = most.split()
    return Verdict(
        case=case,
        who=who,
        text=text,
        goal=f"<= {most}",
        figure=f"{found:.1f} {unit}",
        is_reached=found <= float(number),
    )


def _peak(results: Results, case: str, peer: str) -> float:
    found: list[Measured] = [
        one.measured for one in results.samples if (one.case, one.peer) == (case, peer)
    ]
    summary = summarize(one.peak_kib for one in found if one.peak_kib)
    return summary.median if summary else 0.0
