"""What is to be reached, as ratios; seconds move from machine to machine.

Before: ``rounds`` measured. After: ``tables`` prints each goal beside what was measured.

Where a goal was set in seconds, beside figures of the same machine, it is the ratio of the two:
0.10 s beside a limit of 0.03 s is 3.3 times the limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.figures import Results, ratio

LIMIT = "limit"
ENGINE, COMMAND = "rollwright engine", "rollwright command"
NO_DRY_RUN = f"{ENGINE}, no dry run"
SERVER_SIDE = "kubectl --server-side"
_WRITES = ("apply", "patch", "create", "replace", "update", "delete")


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """At most so many times what another peer took in the same round.

    Attributes:
        text: What is asked for, as it was written.
        part: The part of the peer's run that counts; empty for all of it.
        base_case: The case of the base, if it is another one.
    """

    case: str
    peer: str
    base: str
    most: float
    text: str
    part: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A goal, and what was measured; ``figure`` is empty when nothing was."""

    case: str
    who: str
    text: str
    goal: str
    figure: str
    is_reached: bool | None


GOALS = (
    Goal(case="M first", peer=ENGINE, base=LIMIT, most=1.65, text="dry run of everything first"),
    Goal(case="M first", peer=NO_DRY_RUN, base=LIMIT, most=1.2, text="without the dry run"),
    # The limit waits for nobody; a rollout also waits until controllers have seen the objects.
    Goal(
        case="M first",
        peer=ENGINE,
        base=LIMIT,
        part="applied",
        most=1.65,
        text="the same, until everything is applied",
    ),
    Goal(
        case="M first",
        peer=NO_DRY_RUN,
        base=LIMIT,
        part="applied",
        most=1.2,
        text="without, until everything is applied",
    ),
    Goal(case="M again", peer=ENGINE, base=LIMIT, most=0.10 / 0.03, text="0.10 s, limit 0.03 s"),
    Goal(case="M again", peer=COMMAND, base=LIMIT, most=0.7 / 0.03, text="0.7 s, limit 0.03 s"),
    Goal(
        case="K first",
        peer=COMMAND,
        base=SERVER_SIDE,
        most=4.5 / 5.2,
        text="4.5 s, two commands by hand 5.2 s",
    ),
    Goal(
        case="K first",
        peer=ENGINE,
        base=SERVER_SIDE,
        part="applied",
        most=4.5 / 5.2,
        text="everything applied in 4.5 s, two commands by hand 5.2 s",
    ),
    Goal(
        case="K again",
        peer=ENGINE,
        base=SERVER_SIDE,
        most=0.15 / 1.4,
        text="0.15 s, kubectl --server-side 1.4 s",
    ),
)
CHANGED_CASE = "M again, 10 changed"
CHANGED_MOST = 0.25 / 0.03
"""0.25 s beside the LISTs of the case before, which took 0.03 s."""


def judge(results: Results) -> tuple[Verdict, ...]:
    """Return every goal of which a case was measured."""
    verdicts = [_judge(goal, results) for goal in GOALS if goal.case in results.cases()]
    if CHANGED_CASE in results.cases():
        verdicts.append(_changed(results))
    quiet = (case for case in ("M again", "K again") if ENGINE in results.peers(case))
    verdicts.extend(_quiet(results, case) for case in quiet)
    if ENGINE in results.peers(CHANGED_CASE):
        verdicts.append(_few_calls(results))
    return tuple(verdicts)


def _judge(goal: Goal, results: Results) -> Verdict:
    ours = results.seconds(goal.case, goal.peer, goal.part)
    found = ratio(ours, results.seconds(goal.case, goal.base))
    who = f"{goal.peer}: {goal.part}" if goal.part else goal.peer
    return verdict_of(goal.case, who, f"{goal.text} = x {goal.base}", found, goal.most)


def _changed(results: Results) -> Verdict:
    ours = results.seconds(CHANGED_CASE, ENGINE)
    found = ratio(ours, results.seconds("M again", LIMIT))
    text = "0.25 s, limit 0.03 s = x LISTs alone"
    return verdict_of(CHANGED_CASE, ENGINE, text, found, CHANGED_MOST)


def verdict_of(case: str, who: str, text: str, found: float | None, most: float) -> Verdict:
    """Return the verdict on a ratio."""
    return Verdict(
        case=case,
        who=who,
        text=text,
        goal=f"<= {most:.2f}",
        figure="" if found is None else f"{found:.2f}",
        is_reached=None if found is None else found <= most,
    )


def _quiet(results: Results, case: str) -> Verdict:
    calls = results.calls(case, ENGINE)
    loud = calls.get("dry-run", 0) + writes(calls)
    return Verdict(
        case=case,
        who=ENGINE,
        text="one LIST a kind, no dry run, no write",
        goal="0 others",
        figure=f"{calls.get('list', 0)} LISTs, {loud} others",
        is_reached=loud == 0,
    )


def _few_calls(results: Results) -> Verdict:
    calls = results.calls(CHANGED_CASE, ENGINE)
    asked = calls.get("dry-run", 0) + calls.get("apply", 0) + calls.get("patch", 0)
    return Verdict(
        case=CHANGED_CASE,
        who=ENGINE,
        text="LISTs + 2 for each changed object",
        goal="<= 20",
        figure=f"{asked} beside {calls.get('list', 0)} LISTs",
        is_reached=asked <= 20,
    )


def writes(calls: Mapping[str, int]) -> int:
    """Return how many requests wrote something."""
    return sum(calls.get(word, 0) for word in _WRITES)
