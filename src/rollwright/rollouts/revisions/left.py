"""What a rollback has to undo: the set that is left, and how far its groups had come.

Before: a run that may be gone back from begins; or it was killed, has failed, or has succeeded.
After: ``engine.returning.left_behind`` finds the steps of ``onRollback`` that belong to it.

The snapshot of that set is named in the state before the first object is written, so that a run
that is killed, and one that fails, can be undone like one that succeeded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

import orjson

from rollwright.rollouts.hooks.steps import read_hooks
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.report import Outcome, Report, is_good
from rollwright.rollouts.revisions.history import SUCCEEDED
from rollwright.rollouts.state import LEFT_SNAPSHOT, Journal, RolloutState

MEMORY = "left"
"""Under this name the state remembers how far the run had come that is to be undone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A set that a rollback leaves.

    Attributes:
        snapshot: Names the set and what declared it.
        groups: The groups that had begun; ``None`` for all of them.
        begun: Steps that had begun, beside those of ``groups``.
        done: Digests of the steps of ``onRollback`` that are done, by their names.
        run_id: The run that has done them.
    """

    snapshot: str
    groups: frozenset[str] | None = None
    begun: frozenset[str] = frozenset()
    done: Mapping[str, str] = field(default_factory=dict)
    run_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Memory:
    """What stands in the state: ``digest`` is of the set, the rest as in ``Left``."""

    digest: str = ""
    groups: tuple[str, ...] = ()
    done: Mapping[str, str] = field(default_factory=dict)
    run_id: str = ""


def what_is_left(state: RolloutState) -> Left | None:
    """Return what a rollback now would leave; ``None`` if it is not known, or needs no undoing."""
    journal, snapshot = state.journal, state.extra.get(LEFT_SNAPSHOT, "")
    if not snapshot:
        last = state.last
        is_good_one = journal is None and last is not None and last.outcome == SUCCEEDED
        return Left(snapshot=last.snapshot) if last and is_good_one and last.snapshot else None
    memory = _read(state.extra)
    left = Left(
        snapshot=snapshot,
        groups=frozenset(memory.groups),
        done=memory.done,
        run_id=memory.run_id,
    )
    if journal is None:
        return left
    # NB: a rollback has the journal of its own steps, a run that went forward of those it began.
    is_forward = not journal.rolled_back_to and journal.digest == memory.digest
    if not journal.rolled_back_to and not is_forward:
        return left
    return replace(
        left,
        begun=_names(journal) if is_forward else frozenset(),
        done={**memory.done, **{one.step: one.digest for one in journal.done}},
        run_id=journal.goes_on_from or journal.run_id,
    )


def _names(journal: Journal) -> frozenset[str]:
    return frozenset({one.step for one in journal.begun} | {one.step for one in journal.done})


def is_to_be_kept(plan: Plan) -> bool:
    """Whether the set of a plan has to be kept before it is carried out, to be undone."""
    if plan.rollback is not None or plan.is_removal:
        return False
    return bool(plan.undo) or any(one.is_from_left for one in read_hooks(plan.hooks))


def with_left_set(extra: Mapping[str, str], plan: Plan, snapshot: str) -> Mapping[str, str]:
    """Return what the state remembers once a run begins.

    Args:
        extra: What it remembers so far.
        plan: What is carried out.
        snapshot: Of the set that is to be undone if this run is; empty if that is not known.
    """
    if not snapshot:
        return extra
    groups = {wave.steps[0].group for wave in plan.undo} if plan.rollback else set[str]()
    memory = _Memory(digest=plan.wanted_digest, groups=tuple(sorted(groups)))
    if extra.get(LEFT_SNAPSHOT) == snapshot:
        known = _read(extra)
        memory = replace(known, groups=tuple(sorted({*known.groups, *groups})))
    return _written(extra, snapshot, memory)


def without_left_set(extra: Mapping[str, str], report: Report) -> Mapping[str, str]:
    """Return what the state remembers once a run has ended: what is still to be undone."""
    snapshot = extra.get(LEFT_SNAPSHOT)
    if snapshot is None:
        return extra
    plan, memory = report.plan, _read(extra)
    if report.outcome is Outcome.SUCCEEDED or _is_undone(report):
        return {key: said for key, said in extra.items() if key not in {LEFT_SNAPSHOT, MEMORY}}
    if plan.rollback is not None:
        good = {one.step for one in report.results if is_good(one)}
        steps = (step for wave in plan.undo for step in wave.steps if step.name in good)
        done = {**memory.done, **{step.name: step.digest for step in steps}}
        return _written(extra, snapshot, replace(memory, done=done, run_id=report.run_id))
    if memory.digest != plan.wanted_digest:
        return extra
    begun = {one.step for one in report.results if one.outcome is not Outcome.NOT_STARTED}
    groups = {step.group for step in plan.steps if step.group and step.name in begun}
    groups_now = tuple(sorted({*memory.groups, *groups}))
    return _written(extra, snapshot, replace(memory, groups=groups_now))


def _is_undone(report: Report) -> bool:
    """Whether a run that failed has run its own steps for a rollback, well or badly."""
    plan = report.plan
    if plan.rollback is not None:
        return False
    names = {step.name for wave in plan.undo for step in wave.steps}
    outcomes = [one.outcome for one in report.results if one.step in names]
    return bool(outcomes) and Outcome.CANCELLED not in outcomes


def _read(extra: Mapping[str, str]) -> _Memory:
    found = orjson.loads(extra.get(MEMORY) or "{}")
    return _Memory(**{**found, "groups": tuple(found.get("groups", ()))})


def _written(extra: Mapping[str, str], snapshot: str, memory: _Memory) -> Mapping[str, str]:
    text = orjson.dumps(asdict(memory), option=orjson.OPT_SORT_KEYS).decode()
    return {**extra, LEFT_SNAPSHOT: snapshot, MEMORY: text}
