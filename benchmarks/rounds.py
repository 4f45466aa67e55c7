"""The peers in turn, round by round; each run on a control plane of its own.

Before: somebody chose inputs and peers. After: ``figures`` holds every sample.

Peers alternate within a round, so that whatever slows the machine down hits all of them. Round 0
is not timed: the server keeps an audit log, and what it holds is every peer's count of calls.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

from benchmarks import audit
from benchmarks.figures import Measured, Results, Sample
from benchmarks.inputs import Input, change_objects
from benchmarks.limit import Bare
from benchmarks.peers import CHANGED, Peer
from benchmarks.sandboxes import Fresh, fresh

CHANGED_OBJECTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured.

    Attributes:
        rounds: How often each peer runs.
        is_counted: Whether a round before them counts calls by audit log.
        warm_up: What every control plane has seen before the clock starts.
        work: A folder for everything that is written.
    """

    rounds: int
    is_counted: bool
    warm_up: Input
    work: Path


def measure(plan: Plan, pairs: Iterable[tuple[Input, Peer]]) -> Results:
    """Run every peer with its input in every round."""
    pairs = tuple(pairs)
    began_at = monotonic()
    counts: dict[tuple[str, str], dict[str, int]] = {}
    samples: list[Sample] = []
    for number in range(0 if plan.is_counted else 1, plan.rounds + 1):
        for source, peer in pairs:
            say(f"{source.name}: round {number} of {plan.rounds}: {peer.name}", began_at)
            for sample in run_peer(plan, source, peer, number):
                if number == 0:
                    counts[sample.case, sample.peer] = dict(sample.measured.calls)
                else:
                    samples.append(_with_calls(sample, counts))
    return Results(tuple(samples))


def run_peer(plan: Plan, source: Input, peer: Peer, number: int) -> Iterator[Sample]:
    """Run all phases of a peer in a fresh control plane."""
    with fresh(plan.work, plan.warm_up, is_counted=number == 0) as cluster:
        if peer.has_namespace:
            _make_namespaces(cluster, source)
        for phase in peer.phases:
            measured = _run_phase(cluster, source, peer, phase, number)
            case = f"{source.name} {phase}"
            yield Sample(case=case, peer=peer.name, round=number, measured=measured)
            if measured.failure:
                say(f"  failed: {measured.failure}", None)
                return


def _run_phase(cluster: Fresh, source: Input, peer: Peer, phase: str, number: int) -> Measured:
    if phase == CHANGED:
        # A word that no run before has written.
        level = f"round-{number}-{len(peer.name)}"
        change_objects(source.objects, CHANGED_OBJECTS, level=level)
    cluster.settle()
    read, used = _Tail(cluster.log), cluster.cpu_seconds()
    measured = peer.phases[phase](cluster, source)
    measured = replace(measured, server_cpu_seconds=cluster.cpu_seconds() - used)
    if cluster.log is None:
        return measured
    return replace(measured, calls=audit.count(read.lines(), peer.name))


def say(text: str, began_at: float | None) -> None:
    """Tell how far it is, where it is not in the way of the result."""
    clock = "" if began_at is None else f"[{monotonic() - began_at:5.0f} s] "
    sys.stderr.write(f"{clock}{text}\n")
    sys.stderr.flush()


class _Tail:
    """What is written to a log from now on."""

    def __init__(self, log: Path | None) -> None:
        self._log = log
        self._start = log.stat().st_size if log and log.exists() else 0

    def lines(self) -> list[str]:
        if self._log is None:
            return []
        with self._log.open("rb") as file:
            file.seek(self._start)
            return file.read().decode().splitlines()


def _with_calls(sample: Sample, counts: dict[tuple[str, str], dict[str, int]]) -> Sample:
    counted = counts.get((sample.case, sample.peer))
    if not counted:
        return sample
    measured: Measured = replace(sample.measured, calls=counted)
    return replace(sample, measured=measured)


def _make_namespaces(cluster: Fresh, source: Input) -> None:
    namespaces = [body for body in source.bodies if body["kind"] == "Namespace"]
    plain = [{**one, "metadata": {"name": one["metadata"]["name"]}} for one in namespaces]

    async def make() -> None:
        async with Bare(cluster.sandbox.kubeconfig) as bare:
            await bare.apply(await bare.prepare(plain))

    asyncio.run(make())
