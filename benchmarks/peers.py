"""Who is measured, and what each of them runs.

Before: ``rounds`` brought a fresh control plane up.
After: one ``Measured`` for each phase of the peer: first, again, changed.
"""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from benchmarks.figures import Measured
from benchmarks.inputs import Input
from benchmarks.limit import Bare, Job
from benchmarks.limit import measure as measure_bare
from benchmarks.sandboxes import Fresh
from benchmarks.tools import find_helm, find_kubectl

FIRST, AGAIN, CHANGED = "first", "again", "again, 10 changed"
TIMEOUT_SECONDS = 900
QUOTED = 400

Phase = Callable[[Fresh, Input], Measured]


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Somebody who is measured.

    Attributes:
        phases: What is run, by phase, in this order, in one control plane.
        has_namespace: Whether the Namespaces of the set are there before: only then a server
            can be asked by dry run about what lies in them.
    """

    name: str
    phases: Mapping[str, Phase]
    has_namespace: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the peers are made of.

    Attributes:
        warm: A small rollout, rendered before the engine is measured.
        chart: The input as a chart, where helm takes part.
    """

    warm: Path
    chart: Path | None = None


def make_peers(given: Given, source: Input) -> tuple[Peer, ...]:
    """Return everybody who can take part with this input."""
    bare = Peer(name="limit", phases={FIRST: bare_applies, AGAIN: bare_lists})
    asked = Peer(
        name="limit + dry run", phases={FIRST: bare_dry_runs_and_applies}, has_namespace=True
    )
    return (
        bare,
        *(() if source.has_crds else (asked,)),
        *_kubectls(source),
        *_helm(given),
        *_rollwrights(given, source),
    )


def _kubectls(source: Input) -> tuple[Peer, ...]:
    kubectl = find_kubectl()
    if kubectl is None:
        return ()
    apply = (str(kubectl), "apply", "--recursive", "--filename", str(source.objects))
    server_side = (*apply, "--server-side")
    again = command(server_side)
    if source.has_crds:
        first = two_commands(str(kubectl), source)
        return (Peer(name="kubectl --server-side", phases={FIRST: first, AGAIN: again}),)
    client_side = command(apply)
    return (
        Peer(name="kubectl", phases={FIRST: client_side, AGAIN: client_side}),
        Peer(name="kubectl --server-side", phases={FIRST: again, AGAIN: again}),
    )


def _helm(given: Given) -> tuple[Peer, ...]:
    program = find_helm()
    if program is None or given.chart is None:
        return ()
    upgrade = command((str(program), "upgrade", "--install", "benchmark", str(given.chart)))
    return (Peer(name="helm upgrade --install", phases={FIRST: upgrade, AGAIN: upgrade}),)


def _rollwrights(given: Given, source: Input) -> tuple[Peer, ...]:
    peers = []
    for name, run in (("command", rollwright_command), ("engine", rollwright_engine)):
        ask, trust = run(given, is_dry_run=True), run(given, is_dry_run=False)
        again = {AGAIN: ask} if source.has_crds else {AGAIN: ask, CHANGED: ask}
        peers += [
            Peer(
                name=f"rollwright {name}",
                phases={FIRST: ask, **again},
                has_namespace=not source.has_crds,
            ),
            Peer(name=f"rollwright {name}, no dry run", phases={FIRST: trust}),
        ]
    return tuple(peers)


# ---------------------------------------------------------------- the limit


def bare_applies(cluster: Fresh, source: Input) -> Measured:
    """Send everything once."""
    return _bare(cluster, source, lambda bare, jobs: bare.apply(jobs))


def bare_dry_runs_and_applies(cluster: Fresh, source: Input) -> Measured:
    """Ask about everything, then send it."""

    async def both(bare: Bare, jobs: list[Job]) -> None:
        await bare.apply(jobs, is_dry_run=True)
        await bare.apply(jobs)

    return _bare(cluster, source, both)


def bare_lists(cluster: Fresh, source: Input) -> Measured:
    """Read everything once."""
    return _bare(cluster, source, lambda bare, jobs: bare.list(jobs))


def _bare(cluster: Fresh, source: Input, work: Callable[[Bare, list[Job]], object]) -> Measured:
    async def run() -> Measured:
        async with Bare(cluster.sandbox.kubeconfig) as bare:
            jobs = await bare.prepare(source.bodies)
            return await measure_bare(lambda: work(bare, jobs))

    return asyncio.run(run())


# ---------------------------------------------------------------- commands


def command(words: tuple[str, ...]) -> Phase:
    """Return what runs a command of somebody else."""

    def run(cluster: Fresh, source: Input) -> Measured:
        del source
        return timed([words], cluster)

    return run


def two_commands(kubectl: str, source: Input) -> Phase:
    """Return what people do by hand: CRDs, wait, the rest."""
    apply = (kubectl, "apply", "--server-side", "--recursive", "--filename")
    wait = (kubectl, "wait", "--for=condition=Established", "--all", "crd", "--timeout=60s")

    def run(cluster: Fresh, one: Input) -> Measured:
        del one
        before = source.objects / "setup"
        if not before.is_dir():
            return Measured(seconds=0.0, failure="no folder 'setup' to apply first")
        return timed([(*apply, str(before)), wait, (*apply, str(source.objects))], cluster)

    return run


def rollwright_command(given: Given, *, is_dry_run: bool) -> Phase:
    """Return what runs the whole command."""
    del given

    def run(cluster: Fresh, source: Input) -> Measured:
        words = (sys.executable, "-m", "rollwright", "rollout", str(source.rollout), "--yes")
        return timed([words if is_dry_run else (*words, "--no-dry-run")], cluster)

    return run


def rollwright_engine(given: Given, *, is_dry_run: bool) -> Phase:
    """Return what runs the walk alone, in a process of its own."""

    def run(cluster: Fresh, source: Input) -> Measured:
        words = [sys.executable, "-m", "benchmarks.engine", str(source.rollout)]
        words += ["--warm", str(given.warm), *([] if is_dry_run else ["--no-dry-run"])]
        return read_engine(words, cluster)

    return run


def read_engine(words: list[str], cluster: Fresh) -> Measured:
    """Run ``benchmarks.engine`` and return what it measured."""
    done = _run(words, cluster)
    if done.returncode:
        return Measured(seconds=0.0, failure=_tail(done))
    said = json.loads(done.stdout.splitlines()[-1])
    return Measured(
        seconds=said["seconds"],
        calls=said["calls"],
        parts=said["parts"],
        cpu_seconds=said["cpu_seconds"],
        peak_kib=said["peak_kib"],
        failure=said["failure"],
    )


def timed(commands: list[tuple[str, ...]], cluster: Fresh) -> Measured:
    """Run commands one after another; the first failure ends them."""
    started_at, used = perf_counter(), _used()
    failure = ""
    for words in commands:
        done = _run(list(words), cluster)
        if done.returncode:
            failure = _tail(done)
            break
    seconds = perf_counter() - started_at
    return Measured(seconds=seconds, cpu_seconds=_used() - used, failure=failure)


def _used() -> float:
    # Of children that have ended: the control plane still runs.
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


def _run(words: list[str], cluster: Fresh) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        env=cluster.environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


def _tail(done: subprocess.CompletedProcess[str]) -> str:
    text = " ".join((done.stderr or done.stdout).split())
    return f"exit {done.returncode}: {text[-QUOTED:]}"
