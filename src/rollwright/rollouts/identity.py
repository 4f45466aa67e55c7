"""What makes two plans the same: the digest that an approval names (PL-10, PL-11).

Before: ``planning`` decided everything.
After: ``Plan.id`` has the digest; ``saved.saved_plan`` and approvals compare it.

It covers what will be done and what it is done to. What moves while nothing is decided anew, a
resourceVersion, a status, the state's version, the words of a reason, is no part of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rollwright.rollouts.change import Change, Gate, Operation, Way
from rollwright.rollouts.manifest import digest_of
from rollwright.rollouts.plan import Plan, Step, Wave
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.spec.feedback import where_feedback_is

RULES = 1
"""Counts up when order, health, ignored fields or conflicts are decided by other rules."""


def identify(plan: Plan, spec: RolloutSpec) -> str:
    """Return the digest over everything that decides what happens."""
    return digest_of({
        "rules": RULES,
        "rollout": plan.rollout,
        "spec": spec.model_dump(mode="json", exclude=where_feedback_is(spec.groups)),
        "cluster": plan.cluster_id,
        "source": plan.source,
        "wanted": plan.wanted_digest,
        "steps": _steps(plan.waves),
        "guards": [[guard.id, guard.value, guard.is_breached] for guard in plan.guards],
        "kept": sorted(ref.qualified for ref in plan.kept),
        "forgotten": sorted(ref.qualified for ref in plan.forgotten),
        "allowed": sorted(plan.allowed),
        "rollback": plan.rollback.revision if plan.rollback else 0,
        **({"undo": _steps(plan.undo)} if plan.undo else {}),
        **({"onFailure": _steps(plan.on_failure)} if plan.on_failure else {}),
    })  # fmt: skip


def _steps(waves: Iterable[Wave]) -> list[Any]:
    return [_step(step) for wave in waves for step in wave.steps]


def _step(step: Step) -> list[Any]:
    gates = [_gate(gate) for gate in step.gates]
    changes = [_change(change) for change in step.changes]
    # NB: plans of rollouts without groups keep the ids they had.
    declared = [_declared(step)] if step.group else []
    return [step.name, step.action, list(step.needs), gates, changes, *declared]


def _declared(step: Step) -> list[Any]:
    """Return what the document says of a step of its groups."""
    timeout = step.timeout.total_seconds() if step.timeout is not None else None
    uses = [[[one.name, one.options] for one in uses] for uses in (step.success, step.failure)]
    flags = [step.must_wait, step.continue_on_error, step.retry_count, timeout]
    plugin = [step.plugin.name, step.plugin.options] if step.plugin else []
    return [step.group, plugin, *uses, flags, step.digest, bool(step.done_by)]


def _gate(gate: Gate) -> list[Any]:
    return [gate.id, gate.rule, [ref.qualified for ref in gate.members]]


def _change(change: Change) -> list[Any]:
    wanted = change.wanted.digest if change.wanted else ""
    needs = [[edge.ref.qualified, edge.rule] for edge in change.needs]
    sent = change.sent.digest if change.sent else ""
    taken = [[one.path, one.manager, one.action] for one in change.conflicts]
    taken.append([change.manager, sent, *change.taken_over])
    head = [change.ref.qualified, change.api_version, change.operation.value, change.wave]
    waits = [needs, list(change.gates), change.is_skipped]
    way = [] if change.way is Way.APPLY else [change.way.value]
    return [*head, wanted, *_effect(change), taken, change.propagation, *waits, *way]


def _effect(change: Change) -> list[str]:
    """Return what an object is and becomes; of one that stays as it is only which one it is."""
    if not change.writes:
        return [change.live_uid]
    # NB: what the server makes up for a new object (a Job's selector) differs in every dry run.
    predicted = "" if change.operation is Operation.CREATE else change.predicted_digest
    return [change.live_uid, change.live_digest, change.prediction.value, predicted]
