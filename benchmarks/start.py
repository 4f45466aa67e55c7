"""How long a command takes before it does anything: help, render, a small plan."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.figures import Results, Sample
from benchmarks.goals import Verdict
from benchmarks.inputs import Input, make_m
from benchmarks.peers import timed
from benchmarks.rounds import Plan
from benchmarks.sandboxes import Fresh, fresh
from benchmarks.tools import find_kubectl

CASE = "start"
REPEATS = 3
"""Of each command in a round; they are short."""

_MOST = {"rollwright --help": 0.25, "rollwright render, 5 objects": 0.4, "rollwright plan": 0.7}


def run(plan: Plan) -> tuple[Results, Input]:
    """Measure every command in turn."""
    small = make_m(plan.work / "start", name="start", count=1)
    samples: list[Sample] = []
    with fresh(plan.work, plan.warm_up) as cluster:
        for number in range(plan.rounds * REPEATS):
            samples += [
                Sample(case=CASE, peer=name, round=number, measured=timed([words], cluster))
                for name, words in _commands(small, cluster).items()
            ]
    return Results(tuple(samples)), small


def _commands(small: Input, cluster: Fresh) -> dict[str, tuple[str, ...]]:
    del cluster
    rollwright = (sys.executable, "-m", "rollwright")
    commands: dict[str, tuple[str, ...]] = {
        "python -c pass": (sys.executable, "-c", "pass"),
        "rollwright --help": (*rollwright, "--help"),
        "rollwright render, 5 objects": (*rollwright, "render", str(small.rollout)),
        "rollwright plan": (*rollwright, "plan", str(small.rollout)),
    }
    kubectl = find_kubectl()
    if kubectl:
        commands |= _dry_run(kubectl, small.objects)
    return commands


def _dry_run(kubectl: Path, objects: Path) -> dict[str, tuple[str, ...]]:
    words = (str(kubectl), "apply", "--server-side", "--dry-run=server", "--filename")
    name = "namespace.yaml"  # kubectl cannot ask about what lies in a namespace to come
    return {"kubectl --dry-run=server, 1 object": (*words, str(objects / name))}


def judge(results: Results) -> tuple[Verdict, ...]:
    """Return every goal; these stay seconds, for there is nothing that they are a ratio of."""
    return tuple(_judge(results, name, most) for name, most in _MOST.items())


def _judge(results: Results, name: str, most: float) -> Verdict:
    seconds = sorted(results.seconds(CASE, name).values())
    middle = seconds[len(seconds) // 2] if seconds else None
    return Verdict(
        case=CASE,
        who=name,
        text="seconds on this machine",
        goal=f"<= {most:.2f}",
        figure="" if middle is None else f"{middle:.3f}",
        is_reached=None if middle is None else middle <= most,
    )
