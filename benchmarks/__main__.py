"""``python -m benchmarks``: which cases, how many rounds, and what is printed."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import orjson

from benchmarks import goals, locks, machine, scale, start, stores, webhooks
from benchmarks.chart import write_chart
from benchmarks.figures import Results
from benchmarks.goals import LIMIT, Verdict
from benchmarks.inputs import Input, make_k, make_m
from benchmarks.peers import Given, Peer, make_peers
from benchmarks.rounds import Plan, measure, say
from benchmarks.tables import brief_table, case_table, goal_table

ROUNDS = 5
CASES = ("M", "K", "scale", "start", "stores", "locks", "webhooks")
USUAL = ("M", "K", "stores", "locks")
"""What is measured when nobody names a case; stores and locks are small then."""

KUBE_PROMETHEUS = Path(__file__).parents[2] / "shared" / "apps" / "kube-prometheus"
WARM_UP_QUARTETS = 10


def main(words: list[str] | None = None) -> int:
    """Measure, print, and perhaps write what was measured."""
    asked = _parser().parse_args(words)
    verdicts: list[Verdict] = []
    results: list[Results] = []
    with tempfile.TemporaryDirectory(prefix="rollwright-benchmarks-") as folder:
        plan = _plan(Path(folder), asked)
        for title, found, judged in _measured(plan, asked):
            _print(title, found)
            verdicts += judged
            results.append(found)
    _print_goals(verdicts)
    if asked.json:
        _write(asked.json, results, verdicts)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure Rollwright beside its peers."
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each peer runs")
    parser.add_argument("--manifests", type=Path, help="a folder to measure instead of K's")
    parser.add_argument("--peers", help="only peers whose names contain one of these, by commas")
    parser.add_argument("--objects", type=int, default=10_000, help="of the case scale")
    parser.add_argument("--json", type=Path, help="write every sample to this file")
    parser.add_argument("--no-count", action="store_true", help="leave the counting round out")
    return parser


def _measured(
    plan: Plan, asked: argparse.Namespace
) -> Iterator[tuple[str, Results, Iterable[Verdict]]]:
    cases = asked.cases or (["K"] if asked.manifests else USUAL)
    for case in cases:
        if case not in CASES:
            sys.exit(f"no case {case!r}; known: {', '.join(CASES)}")
        yield from _CASES[case](plan, asked)


def _m(plan: Plan, asked: argparse.Namespace) -> Iterator[tuple[str, Results, Iterable[Verdict]]]:
    source = make_m(plan.work / "m")
    chart = write_chart(source.objects, plan.work / "chart")
    given = Given(warm=plan.warm_up.rollout, chart=chart)
    results = measure(plan, _pairs(source, make_peers(given, source), asked))
    yield source.describe(), results, goals.judge(results)


def _k(plan: Plan, asked: argparse.Namespace) -> Iterator[tuple[str, Results, Iterable[Verdict]]]:
    folder = (asked.manifests or KUBE_PROMETHEUS).resolve()
    if not folder.is_dir():
        say(f"K: left out, no folder {folder}; --manifests DIR takes another one", None)
        return
    name = "K" if asked.manifests is None else folder.name
    source = make_k(name, plan.work / "k", folder)
    given = Given(warm=plan.warm_up.rollout)
    results = measure(plan, _pairs(source, make_peers(given, source), asked))
    yield source.describe(), results, goals.judge(results)


def _scale(
    plan: Plan, asked: argparse.Namespace
) -> Iterator[tuple[str, Results, Iterable[Verdict]]]:
    sizes = scale.make_sizes(plan.work / "scale", asked.objects)
    given = Given(warm=plan.warm_up.rollout)
    results = scale.run(plan, given, sizes)
    title = f"{sizes.small.describe()}\n{sizes.large.describe()}"
    yield title, results, tuple(scale.judge(results, sizes))


def _start(
    plan: Plan, asked: argparse.Namespace
) -> Iterator[tuple[str, Results, Iterable[Verdict]]]:
    del asked
    results, small = start.run(plan)
    yield small.describe(), results, start.judge(results)


def _stores(
    plan: Plan, asked: argparse.Namespace
) -> Iterator[tuple[str, Results, Iterable[Verdict]]]:
    objects = stores.OBJECTS if asked.cases else stores.SHORT
    results, source = stores.run(plan, objects)
    yield f"stores: {source.describe()}", results, stores.judge(results)


def _locks(
    plan: Plan, asked: argparse.Namespace
) -> Iterator[tuple[str, Results, Iterable[Verdict]]]:
    waiters = locks.WAITERS if asked.cases else locks.SHORT
    results = locks.run(plan, waiters)
    yield f"locks: up to {waiters} wait", results, locks.judge(results)


def _webhooks(
    plan: Plan, asked: argparse.Namespace
) -> Iterator[tuple[str, Results, Iterable[Verdict]]]:
    del asked
    results = webhooks.run(plan)
    yield webhooks.TITLE, results, webhooks.judge(results)


_CASES = {
    "M": _m, "K": _k, "scale": _scale, "start": _start, "stores": _stores, "locks": _locks,
    "webhooks": _webhooks,
}  # fmt: skip
_BRIEF = frozenset({*stores.CASES, *locks.CASES, *webhooks.CASES})


def _plan(work: Path, asked: argparse.Namespace) -> Plan:
    warm_up = make_m(work / "warm-up", name="warm-up", count=WARM_UP_QUARTETS)
    return Plan(rounds=asked.rounds, is_counted=not asked.no_count, warm_up=warm_up, work=work)


def _pairs(
    source: Input, peers: Iterable[Peer], asked: argparse.Namespace
) -> list[tuple[Input, Peer]]:
    parts = [one.strip() for one in (asked.peers or "").split(",")]
    # The limit is what every ratio is of.
    return [
        (source, peer)
        for peer in peers
        if peer.name == LIMIT or any(one in peer.name for one in parts)
    ]


def _print(title: str, results: Results) -> None:
    print(f"\n{title}")
    for case in results.cases():
        print()
        is_brief = case in _BRIEF
        table = brief_table(results, case, "memory") if is_brief else case_table(results, case)
        print("\n".join(table))


def _print_goals(verdicts: list[Verdict]) -> None:
    print()
    print("\n".join(goal_table(verdicts)))
    print()
    for key, value in machine.describe().items():
        print(f"{key:12}{value}")


def _write(path: Path, results: list[Results], verdicts: list[Verdict]) -> None:
    document = {
        "machine": machine.describe(),
        "samples": [asdict(sample) for one in results for sample in one.samples],
        "goals": [asdict(verdict) for verdict in verdicts],
    }
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    sys.exit(main())
